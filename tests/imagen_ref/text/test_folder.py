"""What every family of text encoders must do."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tiny_encoders import DIM, KINDS, POSITIONS, make_encoder
from torch import Tensor

from imagen_ref.text.bert import BertEncoder
from imagen_ref.text.causal import CausalEncoder
from imagen_ref.text.clip import CLIPEncoder
from imagen_ref.text.folder import FolderEncoder
from imagen_ref.text.load import load_encoder

PROMPTS = ["a red circle and two blue square", "a circle", "", "two red square"]
TOKENS = {"a": 4, "red": 5, "blue": 6, "circle": 7, "square": 8, "two": 9, "and": 10}
AROUND = {
    "t5_v1_0": ([], [1]),
    "t5_v1_1": ([], [1]),
    "bert": ([3], [1]),
    "roberta": ([3], [1]),
    "clip": ([3], [1]),
    "gpt2": ([], []),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    parent = tmp_path_factory.mktemp("encoders")
    return {kind: make_encoder(kind, parent / kind) for kind in KINDS}


@pytest.fixture(scope="module")
def encoders(folders: dict[str, Path]) -> dict[str, FolderEncoder]:
    return {kind: load_encoder(folder, max_length=POSITIONS) for kind, folder in folders.items()}


def ids_of(kind: str, prompt: str) -> Tensor:
    before, after = AROUND[kind]
    return torch.tensor([[*before, *(TOKENS[word] for word in prompt.split()), *after]])


@pytest.mark.parametrize("kind", KINDS)
class TestStates:
    def test_are_those_of_the_library(
        self, kind: str, folders: dict[str, Path], encoders: dict[str, FolderEncoder]
    ) -> None:
        model = KINDS[kind][2].from_pretrained(folders[kind]).eval()
        with torch.no_grad():
            output = model(input_ids=ids_of(kind, PROMPTS[0]), output_hidden_states=True)
        expected = output.hidden_states[-2] if kind == "clip" else output.last_hidden_state
        got = encoders[kind].encode([PROMPTS[0]])
        assert got.states.shape[-1] == encoders[kind].dim == DIM
        assert got.mask.all()
        torch.testing.assert_close(got.states, expected)
        assert got.states.std() > 0.1

    def test_do_not_depend_on_the_batch(self, kind: str, encoders: dict[str, FolderEncoder]) -> None:
        together = encoders[kind].encode(PROMPTS)
        for row, prompt in enumerate(PROMPTS):
            alone = encoders[kind].encode([prompt])
            torch.testing.assert_close(
                together.states[row][together.mask[row]], alone.states[0][alone.mask[0]], atol=1e-5, rtol=1e-5
            )
        assert not together.states[~together.mask].any()

    def test_an_empty_prompt_has_no_token(self, kind: str, encoders: dict[str, FolderEncoder]) -> None:
        for text in (encoders[kind].encode([""]), encoders[kind].encode([" \n", "two"])[:1]):
            assert not text.mask.any()
            assert not text.states.any()

    def test_truncation_is_counted_and_what_is_cut_has_no_influence(
        self, kind: str, folders: dict[str, Path]
    ) -> None:
        around = sum(map(len, AROUND[kind]))
        encoder = load_encoder(folders[kind], max_length=around + 3)
        assert encoder.truncated(PROMPTS) == [0]
        assert load_encoder(folders[kind], max_length=around + 2).truncated(PROMPTS) == [0, 3]
        assert encoder.truncated([]) == []
        one, other = (encoder.encode([f"a red circle {end}"]) for end in ("and two", "square"))
        assert one.mask.sum() == around + 3
        torch.testing.assert_close(one.states, other.states)

    def test_bfloat16_is_near_and_recorded(
        self, kind: str, folders: dict[str, Path], encoders: dict[str, FolderEncoder]
    ) -> None:
        encoder = load_encoder(folders[kind], max_length=POSITIONS, precision="bfloat16")
        got, expected = encoder.encode(PROMPTS), encoders[kind].encode(PROMPTS)
        assert got.states.dtype == torch.float32
        error = (got.states - expected.states).abs().mean() / expected.states.abs().mean()
        assert 0 < error < 0.1
        assert encoder.identity == {**encoders[kind].identity, "precision": "bfloat16"}

    def test_float16_is_refused(self, kind: str, folders: dict[str, Path]) -> None:
        with pytest.raises(ValueError, match=r"^text encoder precision: .*float16") as caught:
            load_encoder(folders[kind], max_length=POSITIONS, precision="float16")
        assert ("overflows" in str(caught.value)) == kind.startswith("t5")

    def test_a_released_encoder_gives_the_same(self, kind: str, folders: dict[str, Path]) -> None:
        encoder = load_encoder(folders[kind], max_length=POSITIONS)
        before = encoder.encode(PROMPTS)
        encoder.release()
        assert encoder._model is None
        assert torch.equal(encoder.encode(PROMPTS).states, before.states)

    def test_identity_says_what_was_used(self, kind: str, encoders: dict[str, FolderEncoder]) -> None:
        identity = encoders[kind].identity
        family = {"t5_v1_0": "t5", "t5_v1_1": "t5", "roberta": "bert", "gpt2": "causal"}.get(kind, kind)
        assert (identity["family"], identity["name"], identity["max_length"]) == (family, kind, POSITIONS)
        hashes = [other.identity["weights_sha256"] for other in encoders.values()]
        assert hashes.count(identity["weights_sha256"]) == 1


class TestFamilies:
    def test_bert_sees_both_ways_and_gpt2_backwards_only(self, encoders: dict[str, FolderEncoder]) -> None:
        for kind, word, sees in (("bert", 1, True), ("t5_v1_1", 0, True), ("gpt2", 0, False)):
            one, other = (encoders[kind].encode([f"a {end}"]).states[0, word] for end in ("circle", "square"))
            assert ((one - other).abs().max() > 1e-3) == sees

    def test_clip_takes_a_whole_clip_too(self, folders: dict[str, Path], tmp_path: Path) -> None:
        from transformers import CLIPConfig, CLIPModel, CLIPTextModel

        text = CLIPTextModel.from_pretrained(folders["clip"])
        config = CLIPConfig(text_config=text.config.to_dict(), vision_config={"hidden_size": 16,
            "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "image_size": 8,
            "patch_size": 8}, projection_dim=8)  # fmt: skip
        whole = CLIPModel(config)
        whole.text_model.load_state_dict(
            {name.removeprefix("text_model."): value for name, value in text.state_dict().items()}
        )
        shutil.copytree(folders["clip"], tmp_path, dirs_exist_ok=True)
        whole.save_pretrained(tmp_path)
        encoder = CLIPEncoder(tmp_path, max_length=POSITIONS)
        assert encoder.dim == DIM
        expected = CLIPEncoder(folders["clip"], max_length=POSITIONS).encode(PROMPTS)
        torch.testing.assert_close(encoder.encode(PROMPTS).states, expected.states)

    @pytest.mark.parametrize(
        ("kind", "encoder"), [("bert", BertEncoder), ("roberta", BertEncoder), ("gpt2", CausalEncoder)]
    )
    def test_more_tokens_than_positions_are_refused(
        self, kind: str, encoder: type[FolderEncoder], folders: dict[str, Path]
    ) -> None:
        match = rf"max_length 13, padded to a multiple of 1; it takes 1 to {POSITIONS} tokens"
        with pytest.raises(ValueError, match=match):
            encoder(folders[kind], max_length=POSITIONS + 1)
        with pytest.raises(ValueError, match=r"max_length 12, padded to a multiple of 8; it takes"):
            encoder(folders[kind], max_length=POSITIONS, pad_to_multiple_of=8)
        with pytest.raises(ValueError, match=r"max_length 0, padded .* it takes 1 to"):
            encoder(folders[kind], max_length=0)

    @pytest.mark.parametrize("kind", KINDS)
    def test_padding_to_a_multiple_changes_no_state(
        self, kind: str, folders: dict[str, Path], encoders: dict[str, FolderEncoder]
    ) -> None:
        encoder = type(encoders[kind])(folders[kind], max_length=POSITIONS, pad_to_multiple_of=POSITIONS)
        padded, plain = encoder.encode(PROMPTS), encoders[kind].encode(PROMPTS)
        assert padded.states.shape[1] == POSITIONS
        torch.testing.assert_close(padded.states[padded.mask], plain.states[plain.mask], atol=1e-5, rtol=1e-5)

    def test_roberta_reads_as_many_tokens_as_it_has_positions(
        self, encoders: dict[str, FolderEncoder]
    ) -> None:
        text = encoders["roberta"].encode([" ".join(["red"] * 30)])
        assert text.mask.sum() == POSITIONS
        assert text.states.isfinite().all()


def _cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def _become(kind: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": kind}))

    return change


def _lose_weights(folder: Path) -> None:
    from safetensors.torch import load_file, save_file

    state = load_file(folder / "model.safetensors")
    lost = next(name for name in sorted(state) if "attention" in name and name.endswith("weight"))
    del state[lost]
    save_file(state, folder / "model.safetensors", metadata={"format": "pt"})


class TestRefusals:
    @pytest.mark.parametrize(
        ("damage", "match"),
        [
            (lambda folder: (folder / "config.json").unlink(), r"no config.json there"),
            (lambda folder: (folder / "config.json").write_text("{"), r"not JSON"),
            (lambda folder: (folder / "tokenizer.json").unlink(), r"no tokenizer.json there"),
            (lambda folder: (folder / "model.safetensors").unlink(), r"no \*.safetensors there"),
            (_cut, r"damaged or cut short"),
            (_become("gpt2"), r"a gpt2 model, not one of bert, distilbert"),
        ],
        ids=["no config", "no json", "no tokenizer", "no weights", "truncated", "another family"],
    )
    def test_a_folder_that_is_no_bert(
        self, damage: Callable[[Path], None], match: str, folders: dict[str, Path], tmp_path: Path
    ) -> None:
        folder = Path(shutil.copytree(folders["bert"], tmp_path / "bert"))
        damage(folder)
        with pytest.raises(ValueError, match=match) as caught:
            BertEncoder(folder, max_length=POSITIONS)
        assert str(caught.value).startswith(f"text encoder {folder}")
        assert "\n" not in str(caught.value)

    def test_missing_weights_are_not_made_up(self, folders: dict[str, Path], tmp_path: Path) -> None:
        folder = Path(shutil.copytree(folders["bert"], tmp_path / "bert"))
        _lose_weights(folder)
        with pytest.raises(ValueError, match=r"1 weights missing, among them .*attention"):
            BertEncoder(folder, max_length=POSITIONS).encode(PROMPTS)
