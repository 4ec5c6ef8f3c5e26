"""The extractor on a small random network in the Hub's layout."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import Dinov2Config, Dinov2Model, ViTConfig, ViTModel

from drawbench_eval.features.bank import extract
from drawbench_eval.features.dinov2 import Dinov2, dinov2
from drawbench_eval.files import sha256_file

DIM = 32
RNG = np.random.default_rng(0)
IMAGES = [RNG.integers(0, 256, (60 + 30 * i, 250 - 9 * i, 3), dtype=np.uint8) for i in range(11)]


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("dinov2")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = Dinov2Config(
            hidden_size=DIM, num_hidden_layers=2, num_attention_heads=2, image_size=70, patch_size=14
        )
        network = Dinov2Model(config)
        for parameter in network.parameters():
            parameter.data += 0.1 * torch.randn_like(parameter)
    network.save_pretrained(made)
    return made


@pytest.fixture(scope="session")
def extractor(folder: Path) -> Dinov2:
    return dinov2(folder, cache=None, device="cpu")


def copied(folder: Path, target: Path, change: Callable[[dict[str, Any]], Any] = lambda state: state) -> Path:
    target.mkdir()
    (target / "config.json").write_text((folder / "config.json").read_text())
    save_file(change(load_file(folder / "model.safetensors")), target / "model.safetensors", {"format": "pt"})
    return target


def preprocessed(image: NDArray[np.uint8]) -> torch.Tensor:
    """As published: each channel in float by Pillow's bicubic to 224 x 224, ImageNet's mean and deviation."""
    planes = [Image.fromarray(image[..., c].astype(np.float32)) for c in range(3)]
    resized = np.stack([np.asarray(plane.resize((224, 224), Image.Resampling.BICUBIC)) for plane in planes])
    mean, deviation = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    scaled = torch.from_numpy(resized.clip(0, 255)) / 255
    return (scaled - mean[:, None, None]) / deviation[:, None, None]


def test_the_feature_is_the_class_token_of_transformers_own_forward(folder: Path, extractor: Dinov2) -> None:
    network = Dinov2Model.from_pretrained(folder).eval()
    with torch.inference_mode():
        # Its pooled output is the class token after the last norm.
        out = network(pixel_values=torch.stack([preprocessed(image) for image in IMAGES]))
    features = extractor.extract(IMAGES)
    assert features.shape == (11, extractor.dim) == (11, DIM)
    assert features.dtype == np.float32
    np.testing.assert_allclose(features, out.pooler_output.numpy(), rtol=1e-4, atol=1e-5)
    assert np.abs(features - out.last_hidden_state[:, 1:].mean(dim=1).numpy()).max() > 0.1
    assert features.std(axis=0).mean() > 1e-3


def test_a_row_has_the_same_bits_in_any_company(extractor: Dinov2) -> None:
    features = extractor.extract(IMAGES)
    for row in (0, 7, 10):
        np.testing.assert_array_equal(extractor.extract([IMAGES[row]])[0], features[row])
    np.testing.assert_array_equal(extractor.extract(IMAGES[::-1])[::-1], features)
    assert extractor.extract([]).shape == (0, DIM)


def test_the_identity_names_width_weights_and_preprocessing(folder: Path, extractor: Dinov2) -> None:
    identity = extractor.identity()
    assert identity["extractor.width"] == DIM
    assert identity["extractor.weights_sha256"] == sha256_file(folder / "model.safetensors")
    assert identity["extractor.resize"] == "clean 224"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda image: image.astype(np.float32) / 255, "float32 [60, 250, 3]"),
        (lambda image: image[..., 0], "uint8 [60, 250]"),
        (lambda image: image[..., :2], "uint8 [60, 250, 2]"),
    ],
)
def test_other_images_are_refused(extractor: Dinov2, damage: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^dinov2: an image of {re.escape(said)}; it must be uint8 RGB"):
        extractor.extract([IMAGES[1], damage(IMAGES[0])])


def test_tensors_that_are_missing_are_never_made_up(folder: Path, tmp_path: Path) -> None:
    gone = "layernorm.weight"
    assert gone in load_file(folder / "model.safetensors")
    other = copied(folder, tmp_path / "cut", lambda state: {k: v for k, v in state.items() if k != gone})
    with pytest.raises(ValueError, match=rf"^weights\.dinov2: {re.escape(str(other))} has no {gone} \(and 0"):
        Dinov2(other).extract(IMAGES[:1])


def test_tensors_of_another_shape_are_refused(folder: Path, tmp_path: Path) -> None:
    other = copied(folder, tmp_path / "wide", lambda state: state | {"layernorm.weight": torch.ones(DIM + 1)})
    with pytest.raises(ValueError, match=rf"^weights\.dinov2: {re.escape(str(other))} cannot be loaded"):
        Dinov2(other).extract(IMAGES[:1])


def test_a_file_that_is_no_safetensors_is_refused(folder: Path, tmp_path: Path) -> None:
    other = copied(folder, tmp_path / "text")
    (other / "model.safetensors").write_bytes(b"not tensors at all")
    with pytest.raises(ValueError, match=rf"^weights\.dinov2: {re.escape(str(other))} cannot be loaded"):
        Dinov2(other).extract(IMAGES[:1])


def test_damaged_weights_do_not_pass_as_features(folder: Path, tmp_path: Path) -> None:
    nan = {"layernorm.bias": torch.full((DIM,), torch.nan)}
    other = copied(folder, tmp_path / "nan", lambda state: state | nan)
    with pytest.raises(ValueError, match="dinov2: the features of image 0 of 1 are not finite"):
        extract(Dinov2(other), IMAGES[:1])


def test_another_network_is_refused_by_its_configuration(tmp_path: Path) -> None:
    config = ViTConfig(hidden_size=DIM, num_hidden_layers=1, num_attention_heads=2, intermediate_size=8)
    ViTModel(config).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"^weights\.dinov2: .*config\.json describes a network of type vit"):
        Dinov2(tmp_path).extract(IMAGES[:1])


@pytest.mark.parametrize("text", ["{", "[]", json.dumps({"model_type": "dinov2"})])
def test_a_broken_configuration_is_refused(folder: Path, tmp_path: Path, text: str) -> None:
    other = copied(folder, tmp_path / "broken")
    (other / "config.json").write_text(text)
    with pytest.raises(ValueError, match=r"^weights\.dinov2: .*config\.json is not the configuration"):
        dinov2(other, cache=None, device="cpu").extract(IMAGES[:1])


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_folder_without_its_files_is_refused(folder: Path, tmp_path: Path, name: str) -> None:
    other = copied(folder, tmp_path / "less")
    (other / name).unlink()
    with pytest.raises(ValueError, match=rf"^weights\.dinov2: {re.escape(str(other))} has no {name}$"):
        dinov2(other, cache=None, device="cpu")


def test_without_a_folder_the_hubs_is_fetched_or_one_is_asked_for(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def fetch(name: str, *, cache_dir: Path, allow_patterns: list[str]) -> str:
        asked.append((name, cache_dir, allow_patterns))
        return str(folder)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fetch)
    assert dinov2(None, cache=tmp_path, device="cpu").folder == folder
    assert asked == [("facebook/dinov2-large", tmp_path, ["config.json", "model.safetensors"])]

    def offline(*given: Any, **named: Any) -> str:
        raise ConnectionError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(
        ValueError, match=r"^weights\.dinov2: facebook/dinov2-large cannot be fetched .*FOLDER"
    ):
        dinov2(None, cache=tmp_path, device="cpu")
