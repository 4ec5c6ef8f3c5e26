"""The extractor on a small random model of open_clip, saved to a file and loaded by its path."""

import json
import logging
import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from drawbench_eval.features.bank import DirectFeatures
from drawbench_eval.features.base import filled_batches
from drawbench_eval.features.clip import Clip, ClipImage, ClipSettings, activation_of, cosines
from drawbench_eval.files import sha256_file
from drawbench_eval.metrics.clip_score import ClipScore
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.protocol import compare

MODEL, QUICK = "drawbench-tiny", "drawbench-tiny-quickgelu"
DIM = 24
RNG = np.random.default_rng(0)
IMAGES = [RNG.integers(0, 256, (40 + 9 * i, 90 - 2 * i, 3), dtype=np.uint8) for i in range(19)]
TEXTS = [f"a photo of {i} cats and {'very ' * i}red dogs" for i in range(19)]
LONG = " ".join(f"cat {['dog', 'bird', 'fish'][i % 3]}" for i in range(60))

pytestmark = pytest.mark.filterwarnings("ignore:QuickGELU mismatch:UserWarning")


@pytest.fixture(scope="session")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of random weights; the architectures that read it are known to open_clip from here on."""
    folder = tmp_path_factory.mktemp("clip")
    config = {
        "embed_dim": DIM,
        "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 32, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2},
    }
    (folder / f"{MODEL}.json").write_text(json.dumps(config))
    (folder / f"{QUICK}.json").write_text(json.dumps(config | {"quick_gelu": True}))
    open_clip.add_model_config(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.create_model(MODEL)
        for parameter in model.parameters():
            # As open_clip begins, activations are too small to bend.
            parameter.data += 0.1 * torch.randn_like(parameter)
    torch.save(model.state_dict(), folder / "weights.pt")
    return folder / "weights.pt"


def settings(file: Path, **others: Any) -> ClipSettings:
    return ClipSettings(**{"model": MODEL, "pretrained": str(file), **others})


@pytest.fixture(scope="session")
def clip(file: Path) -> Clip:
    return Clip(settings(file))


@pytest.fixture(scope="session")
def plain(file: Path) -> Any:
    """open_clip's own model with QuickGELU, and its own preprocessing."""
    model, _, preprocess = open_clip.create_model_and_transforms(QUICK, pretrained=str(file))
    return model.eval(), preprocess


def test_image_features_are_those_of_open_clip(clip: Clip, plain: Any) -> None:
    model, preprocess = plain
    with torch.inference_mode():
        expected = [model.encode_image(preprocess(Image.fromarray(image))[None])[0] for image in IMAGES]
    features = clip.image_features(IMAGES)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, torch.stack(expected).numpy(), rtol=1e-4, atol=1e-5)
    assert features.std(axis=0).min() > 1e-2


def test_text_features_are_those_of_open_clip(clip: Clip, plain: Any) -> None:
    model, _ = plain
    with torch.inference_mode():
        expected = model.encode_text(open_clip.get_tokenizer(QUICK)(TEXTS)).numpy()
    features = clip.text_features(TEXTS)
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)
    assert features.std(axis=0).min() > 1e-2


def test_a_row_has_the_same_bits_in_any_company(clip: Clip) -> None:
    images, texts = clip.image_features(IMAGES), clip.text_features(TEXTS)
    for row in (0, 5, 18):
        np.testing.assert_array_equal(clip.image_features([IMAGES[row]])[0], images[row])
        np.testing.assert_array_equal(clip.text_features([TEXTS[row]])[0], texts[row])
    np.testing.assert_array_equal(clip.image_features(IMAGES[::-1])[::-1], images)
    np.testing.assert_array_equal(clip.text_features([*TEXTS[::-1], LONG])[-2::-1], texts)


def test_batches_are_filled_and_read_no_further_than_needed() -> None:
    taken: list[int] = []

    def rows() -> Any:
        for index in range(5):
            taken.append(index)
            yield np.full((2,), index + 1, dtype=np.int64)

    made = filled_batches(rows(), 3)
    first, count = next(made)
    assert (first.tolist(), count, taken) == ([[1, 1], [2, 2], [3, 3]], 3, [0, 1, 2])
    second, count = next(made)
    assert (second.tolist(), count) == ([[4, 4], [5, 5], [0, 0]], 2)
    assert list(made) == []
    assert list(filled_batches([], 3)) == []


def test_nothing_has_no_features(clip: Clip) -> None:
    assert clip.image_features([]).shape == (0, DIM)
    assert clip.text_features([]).shape == (0, DIM)


def test_the_activation_is_forced_where_open_clip_would_build_another_without_a_word(
    clip: Clip, file: Path, recwarn: pytest.WarningsRecorder
) -> None:
    trap = open_clip.create_model(MODEL, pretrained=str(file))
    assert activation_of(trap) == "gelu"
    assert not recwarn.list
    assert activation_of(clip._loaded[0]) == "quickgelu"
    other = Clip(settings(file, activation="gelu"))
    assert activation_of(other._loaded[0]) == "gelu"
    assert np.abs(other.image_features(IMAGES) - clip.image_features(IMAGES)).max() > 1e-3
    assert np.abs(other.text_features(TEXTS) - clip.text_features(TEXTS)).max() > 1e-3


def test_another_activation_is_another_protocol(clip: Clip, file: Path) -> None:
    prompts = PromptSet(name="one", prompts=(Prompt(id="1", text="a cat"),))

    def protocol(of: Clip) -> Any:
        source = DirectFeatures(ClipImage(of))
        return ClipScore(clip=of, source=source, prompt_set=prompts, conditions={}).protocol()

    ours, other = protocol(clip), protocol(Clip(settings(file, activation="gelu")))
    assert ours.values["extractor.activation"] == "quickgelu"
    assert ours.id != other.id
    assert ours.id == protocol(Clip(settings(file))).id
    assert compare(ours, other) == ["extractor.activation"]


def test_two_towers_of_different_activations_are_seen(file: Path) -> None:
    model = open_clip.create_model(MODEL, pretrained=str(file))
    model.visual.transformer.resblocks[1].mlp.gelu = open_clip.transformer.QuickGELU()
    assert activation_of(model) == "mixed"


def test_a_library_that_builds_another_activation_is_caught(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = open_clip.create_model_and_transforms
    monkeypatch.setattr(
        open_clip,
        "create_model_and_transforms",
        lambda name, **given: real(name, **{**given, "force_quick_gelu": False}),
    )
    with pytest.raises(ValueError, match=r"^clip\.activation: quickgelu was asked for and gelu was built$"):
        Clip(settings(file)).image_features(IMAGES[:1])


@pytest.mark.parametrize(
    ("model", "tag", "activation", "said"),
    [
        ("ViT-B-32", "openai", "gelu", "openai was trained with quickgelu"),
        ("ViT-B-32", "laion2b_s34b_b79k", "quickgelu", "laion2b_s34b_b79k was trained with gelu"),
        (QUICK, "", "gelu", f"{QUICK} has quickgelu"),
    ],
)
def test_an_activation_that_contradicts_the_weights_is_refused_before_anything_is_fetched(
    file: Path, monkeypatch: pytest.MonkeyPatch, model: str, tag: str, activation: str, said: str
) -> None:
    fetched: list[Any] = []
    monkeypatch.setattr(open_clip, "download_pretrained", lambda *given, **named: fetched.append(given))
    with pytest.raises(ValueError, match=rf"^clip\.activation: {activation}; {said}$"):
        Clip(settings(file, model=model, pretrained=tag or str(file), activation=activation))
    assert not fetched


def test_a_tag_is_fetched_into_the_cache_and_named_in_the_identity(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def fetch(config: Any, cache_dir: str) -> str:
        asked.append(cache_dir)
        return str(file)

    monkeypatch.setattr(open_clip, "download_pretrained", fetch)
    monkeypatch.chdir(tmp_path)
    of_tag = Clip(ClipSettings(model="ViT-B-32", cache=tmp_path / "kept"))
    assert asked == [str(tmp_path / "kept")]
    # A folder of the tag's name that appears later changes nothing.
    (tmp_path / "openai").mkdir()
    assert of_tag.identity()["extractor.pretrained"] == "openai"
    assert of_tag.identity()["extractor.weights_sha256"] == sha256_file(file)


def test_a_tag_that_cannot_be_fetched_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*given: Any, **named: Any) -> str:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(open_clip, "download_pretrained", offline)
    with pytest.raises(
        ValueError, match=r"^clip\.pretrained: openai cannot be fetched \(ConnectionError\); .*=PATH$"
    ):
        Clip(ClipSettings())


def test_unknown_names_are_refused(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL)
    with pytest.raises(ValueError, match=r"^clip\.model: ViT-Z-99 is not an architecture of open_clip$"):
        Clip(settings(file, model="ViT-Z-99"))
    with pytest.raises(ValueError, match=r"^clip\.pretrained: opnai is neither .* tags are openai, laion"):
        Clip(ClipSettings(model="ViT-B-32", pretrained="opnai"))
    with pytest.raises(ValueError, match=r"^clip\.pretrained: gone\.pt is neither .* tags are none$"):
        Clip(settings(file, pretrained="gone.pt"))


def test_weights_model_and_kind_of_file_are_part_of_the_identity(clip: Clip, file: Path) -> None:
    identity = ClipImage(clip).identity()
    assert identity["extractor.model"] == MODEL
    assert identity["extractor.pretrained"] == "file"
    assert identity["extractor.weights_sha256"] == sha256_file(file)
    assert "centre crop" in str(identity["extractor.resize"])


def _damaged(state: dict[str, Any]) -> Any:
    return state | {"token_embedding.weight": state["token_embedding.weight"] * torch.nan}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda state: {"visual.proj": state["visual.proj"]}, f"is not {MODEL}"),
        (lambda state: {}, f"is not {MODEL}"),
        (_damaged, "are damaged"),
    ],
)
def test_a_file_of_other_tensors_is_refused(
    file: Path, tmp_path: Path, damage: Callable[[Any], Any], said: str
) -> None:
    torch.save(damage(torch.load(file, weights_only=True)), tmp_path / "other.pt")
    with pytest.raises(ValueError, match=rf"^clip.*{re.escape(str(tmp_path / 'other.pt'))} {said}"):
        Clip(settings(tmp_path / "other.pt")).text_features(TEXTS)


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", ["pickle", "torch"])
def test_a_pickle_dressed_as_weights_is_never_executed(file: Path, tmp_path: Path, write: str) -> None:
    path, sprung = tmp_path / "trap.pt", tmp_path / "sprung"
    if write == "pickle":
        path.write_bytes(pickle.dumps({"logit_scale": Trap(sprung)}, protocol=2))
    else:
        torch.save({"logit_scale": Trap(sprung)}, path)
    with pytest.raises(ValueError, match=rf"^clip\.pretrained: {re.escape(str(path))} is not {MODEL} \("):
        Clip(settings(path)).image_features(IMAGES[:1])
    assert not sprung.exists()


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda image: image.astype(np.float32) / 255, "float32 [40, 90, 3]"),
        (lambda image: image[..., 0], "uint8 [40, 90]"),
        (lambda image: image.transpose(2, 0, 1), "uint8 [3, 40, 90]"),
        (lambda image: image[:, :0], "uint8 [40, 0, 3]"),
    ],
)
def test_other_images_are_refused(clip: Clip, damage: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^clip: an image of {re.escape(said)}; it must be uint8 RGB"):
        clip.image_features([IMAGES[1], damage(IMAGES[0])])


def test_a_long_prompt_is_cut_and_keeps_its_end_token(clip: Clip, plain: Any) -> None:
    model, tokenizer = plain[0], clip._tokenizer
    words = tokenizer.encode(LONG)
    assert len(words) == 120
    start, end = tokenizer.sot_token_id, tokenizer.eot_token_id
    kept = torch.tensor([[start, *words[:75], end]])
    # What torchmetrics does: the first 77, and so no end. The text side is read at its largest token.
    lost = torch.tensor([[start, *words[:76]]])
    with torch.inference_mode():
        expected, wrong = model.encode_text(kept).numpy(), model.encode_text(lost).numpy()
    features = clip.text_features([TEXTS[0], LONG])[1:]
    np.testing.assert_allclose(features, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(features - wrong).max() > 1e-2


def test_a_prompt_is_cut_from_its_76th_token_on(clip: Clip) -> None:
    assert not clip.is_cut("")
    assert not clip.is_cut("cat " * 75)
    assert clip.is_cut("cat " * 76)
    assert clip.is_cut(LONG)
    # Tokens are counted, not words.
    assert clip.is_cut("a" + "1" * 75)
    same = clip.text_features(["cat " * 75, "cat " * 76])
    np.testing.assert_array_equal(same[0], same[1])


def test_cosines_are_of_pairs_and_of_directions() -> None:
    rng = np.random.default_rng(1)
    a, b = (rng.normal(size=(6, 5)).astype(np.float32) for _ in range(2))
    naive = [np.dot(x, y) / (np.dot(x, x) ** 0.5 * np.dot(y, y) ** 0.5) for x, y in zip(a, b, strict=True)]
    found: NDArray[np.float32] = cosines(a * 7, b / 3)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, naive, rtol=1e-5)
