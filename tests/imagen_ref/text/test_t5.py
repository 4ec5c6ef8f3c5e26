import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from transformers import T5EncoderModel

from imagen_ref.text.t5 import T5Encoder

PROMPTS = ["a red circle and a blue square", "two", "", "a blue circle", "square and two red"]


@pytest.fixture(scope="module")
def encoder(t5_folder: Path) -> T5Encoder:
    return T5Encoder(t5_folder, max_length=16)


@pytest.fixture
def folder(t5_folder: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(t5_folder, copy)
    return copy


class TestEncode:
    def test_states_do_not_depend_on_the_batch(self, encoder: T5Encoder) -> None:
        together = encoder.encode(PROMPTS)
        assert together.mask.sum(1).tolist() == [8, 2, 0, 4, 5]  # the end token counts
        for row, prompt in enumerate(PROMPTS):
            alone = encoder.encode([prompt])
            torch.testing.assert_close(
                together.states[row][together.mask[row]], alone.states[0][alone.mask[0]], atol=1e-5, rtol=1e-5
            )
        backward = encoder.encode(PROMPTS[::-1])
        torch.testing.assert_close(backward.states.flip(0), together.states, atol=1e-5, rtol=1e-5)
        assert together.states[together.mask].std() > 0.1

    def test_states_are_those_of_the_library(self, encoder: T5Encoder, t5_folder: Path) -> None:
        ids = torch.tensor([[3, 4, 6, 1]])  # a red circle </s>
        expected = T5EncoderModel.from_pretrained(t5_folder)(input_ids=ids).last_hidden_state
        torch.testing.assert_close(encoder.encode(["a red circle"]).states, expected.detach())

    def test_words_see_each_other(self, encoder: T5Encoder) -> None:
        red, blue = (encoder.encode([f"{color} circle"]).states[0] for color in ("red", "blue"))
        assert (red[1] - blue[1]).abs().max() > 1e-3

    @pytest.mark.parametrize("prompt", ["", "  \n"])
    def test_empty_prompt_has_no_token_at_all(self, encoder: T5Encoder, prompt: str) -> None:
        for text in (encoder.encode([prompt]), encoder.encode([prompt, "two"])[:1]):
            assert not text.mask.any()
            assert not text.states.any()

    def test_bfloat16_gives_near_float32_states(self, encoder: T5Encoder, t5_folder: Path) -> None:
        states = T5Encoder(t5_folder, dtype=torch.bfloat16).encode(PROMPTS).states
        assert states.dtype == torch.float32
        difference = (states - encoder.encode(PROMPTS).states).abs()
        assert 0 < difference.mean() < 0.02

    def test_is_frozen(self, encoder: T5Encoder) -> None:
        assert not encoder.encode(PROMPTS).states.requires_grad
        assert not any(parameter.requires_grad for parameter in encoder._model.parameters())


class TestLength:
    def test_truncation_is_reported(self, t5_folder: Path) -> None:
        encoder = T5Encoder(t5_folder, max_length=5)
        assert encoder.max_length == 5
        assert encoder.truncated(PROMPTS) == [0]
        assert encoder.truncated(PROMPTS[1:]) == []
        assert T5Encoder(t5_folder, max_length=4).truncated(PROMPTS) == [0, 4]

    def test_what_is_cut_has_no_influence(self, t5_folder: Path) -> None:
        encoder = T5Encoder(t5_folder, max_length=5)
        one, other = (encoder.encode([f"a red circle and {end}"]) for end in ("two", "blue square"))
        assert one.mask.sum() == 5
        torch.testing.assert_close(one.states, other.states)


class TestIdentity:
    def test_says_what_was_used(self, encoder: T5Encoder, t5_folder: Path) -> None:
        identity = encoder.identity
        assert (identity["family"], identity["name"], identity["max_length"]) == ("t5", "tiny", 16)
        assert encoder.dim == 12
        assert T5Encoder(t5_folder, max_length=16).identity == identity

    def test_follows_content_and_not_place(self, encoder: T5Encoder, folder: Path) -> None:
        hash_of = encoder.identity["weights_sha256"]
        assert T5Encoder(folder).identity["weights_sha256"] == hash_of
        model = T5EncoderModel.from_pretrained(folder)
        with torch.no_grad():
            model.shared.weight[0, 0] += 1
        model.save_pretrained(folder)
        assert T5Encoder(folder).identity["weights_sha256"] != hash_of


class TestRefusals:
    def test_float16(self, t5_folder: Path) -> None:
        with pytest.raises(ValueError, match=r"T5 overflows in float16; use bfloat16 or float32"):
            T5Encoder(t5_folder, dtype=torch.float16)

    @pytest.mark.parametrize(
        ("damage", "match"),
        [
            (lambda folder: shutil.rmtree(folder), r"no config.json there"),
            (lambda folder: (folder / "tokenizer.json").unlink(), r"no tokenizer.json there"),
            (lambda folder: (folder / "model.safetensors").unlink(), r"no \*.safetensors there"),
            (lambda folder: _cut(folder / "model.safetensors"), r"damaged or cut short"),
            (lambda folder: _rename_family(folder / "config.json"), r"a bert model, not one of t5, mt5"),
        ],
        ids=["no folder", "no tokenizer", "no weights", "truncated", "another family"],
    )
    def test_what_is_not_a_t5_folder(self, folder: Path, damage: Callable[[Path], None], match: str) -> None:
        damage(folder)
        with pytest.raises(ValueError, match=match) as caught:
            T5Encoder(folder)
        assert str(caught.value).startswith(f"text encoder {folder}: ")
        assert "\n" not in str(caught.value)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def _rename_family(path: Path) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | {"model_type": "bert"}))
