"""The extractor on random calibrated weights in the real file's layout: they cannot be downloaded here."""

import pickle
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image
from random_inception import random_inception, textures

from drawbench_eval.features import inception
from drawbench_eval.features.inception import DIM, Inception, pool_network
from drawbench_eval.features.preprocess import RESIZES, preprocess
from drawbench_eval.files import sha256_file
from drawbench_eval.stats.frechet import frechet_distance_of
from drawbench_eval.weights import WeightsFile

SIDES = (64, 96, 80)
IMAGES = textures(8, sides=SIDES, seed=1)
# Darker and flatter: another world.
OTHERS = [image // 3 + 20 for image in textures(8, sides=SIDES, seed=2)]


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> WeightsFile:
    path = random_inception(tmp_path_factory.mktemp("inception") / "random.pth")
    return WeightsFile(path=path, sha256=sha256_file(path), verified=False)


@pytest.fixture(scope="session")
def extractor(weights: WeightsFile) -> Inception:
    return Inception(weights, "clean", runtime="folded")


@pytest.fixture(scope="session")
def features(extractor: Inception) -> NDArray[np.float32]:
    """Of `IMAGES`, then of `OTHERS`."""
    return extractor.extract([*IMAGES, *OTHERS])


def fid(features: NDArray[np.float32]) -> float:
    both = features.astype(np.float64)
    return frechet_distance_of(both[: len(IMAGES)], both[len(IMAGES) :])


def test_random_features_are_alive_enough_to_fail_a_test(features: NDArray[np.float32]) -> None:
    assert features.shape == (16, DIM)
    assert features.dtype == np.float32
    assert 0.5 < features.std(axis=0).mean() < 2
    assert fid(features) > 10


def test_features_are_those_of_the_networks_own_forward(
    weights: WeightsFile, features: NDArray[np.float32]
) -> None:
    ready = torch.from_numpy(np.stack([preprocess(image, "clean") for image in OTHERS[:4]]))
    network = pool_network(weights)
    eager = network(ready).numpy()
    np.testing.assert_allclose(features[8:12], eager, rtol=1e-4, atol=1e-4)
    # Another order of the channels would not pass for rounding.
    assert np.abs(network(ready.flip(1)).numpy() - eager).mean() > 1e-2


def test_fid_is_that_of_a_network_fed_one_by_one(
    extractor: Inception, features: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inception, "_BATCH", {"cpu": 1})
    single = Inception(extractor.weights, "clean", runtime="folded").extract([*IMAGES, *OTHERS])
    assert fid(single) == pytest.approx(fid(features), rel=1e-4)


def test_an_image_has_the_same_bits_alone_as_among_others(
    extractor: Inception, features: NDArray[np.float32]
) -> None:
    np.testing.assert_array_equal(extractor.extract([IMAGES[5]])[0], features[5])


def test_no_images_have_no_features_and_load_no_network(tmp_path: Path) -> None:
    nowhere = WeightsFile(path=tmp_path / "none.pth", sha256="0", verified=False)
    assert Inception(nowhere).extract([]).shape == (0, DIM)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda image: image.astype(np.float32) / 255, "float32 [64, 48, 3]"),
        (lambda image: image.astype(np.int64), "int64 [64, 48, 3]"),
        (lambda image: image[..., 0], "uint8 [64, 48]"),
        (lambda image: image.transpose(2, 0, 1), "uint8 [3, 64, 48]"),
        (lambda image: np.concatenate([image, image[..., :1]], axis=2), "uint8 [64, 48, 4]"),
        (lambda image: image[None], "uint8 [1, 64, 48, 3]"),
        (lambda image: image[:0], "uint8 [0, 48, 3]"),
    ],
)
def test_other_images_are_refused(extractor: Inception, damage: Callable[[Any], Any], said: str) -> None:
    with pytest.raises(ValueError, match=f"^inception: an image of {re.escape(said)}; it must be uint8 RGB"):
        extractor.extract([IMAGES[1], damage(IMAGES[0])])


def test_an_unknown_resize_is_refused(weights: WeightsFile) -> None:
    with pytest.raises(
        ValueError, match=r"^resize: lanczos is not one of clean, tf1, torch, torch_antialias$"
    ):
        Inception(weights, "lanczos")


def test_weights_and_resize_are_part_of_the_identity(weights: WeightsFile) -> None:
    identities = [Inception(weights, mode).identity() for mode in RESIZES]
    assert len({identity["extractor.resize"] for identity in identities}) == len(RESIZES)
    assert {identity["extractor.weights_sha256"] for identity in identities} == {weights.sha256}
    assert identities[0]["extractor.weights"] == "unverified"
    published = WeightsFile(path=weights.path, sha256=weights.sha256, verified=True)
    assert Inception(published).identity()["extractor.weights"] == "published"


class Trap:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


def _without_a_tensor(state: dict[str, Any]) -> Any:
    return {name: value for name, value in state.items() if name != "Mixed_7a.branch3x3_1.conv.weight"}


def _of_another_shape(state: dict[str, Any]) -> Any:
    return state | {"Conv2d_1a_3x3.conv.weight": torch.zeros(32, 1, 3, 3)}


def _with_nan(state: dict[str, Any]) -> Any:
    damaged = state["Mixed_6b.branch1x1.bn.bias"].clone()
    damaged[7] = torch.nan
    return state | {"Mixed_6b.branch1x1.bn.bias": damaged}


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (_without_a_tensor, "not the weights of Inception-v3 2015-12-05 .*Mixed_7a.branch3x3_1.conv.weight"),
        (_of_another_shape, "not the weights of Inception-v3 2015-12-05 .*size mismatch.*Conv2d_1a_3x3"),
        (lambda state: {"weight": torch.zeros(3)}, "not the weights of Inception-v3 2015-12-05"),
        (_with_nan, "Mixed_6b.branch1x1.bn.bias is not finite; the file is damaged"),
        (lambda state: [torch.zeros(3)], "not a file of named tensors; it holds a list"),
    ],
)
def test_a_file_of_other_tensors_is_refused(
    weights: WeightsFile, tmp_path: Path, damage: Callable[[Any], Any], said: str
) -> None:
    path = tmp_path / "other.pth"
    torch.save(damage(torch.load(weights.path, weights_only=True)), path)
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: {said}"):
        Inception(WeightsFile(path=path, sha256="0", verified=False)).extract(IMAGES[:1])


@pytest.mark.parametrize("kind", ["pickle", "torch", "image", "cut", "empty"])
def test_a_file_of_something_else_is_refused_and_never_executed(
    weights: WeightsFile, tmp_path: Path, kind: str
) -> None:
    path, sprung = tmp_path / "weights.pth", tmp_path / "sprung"
    if kind == "pickle":
        path.write_bytes(pickle.dumps({"fc.weight": Trap(sprung)}, protocol=2))
    elif kind == "torch":
        torch.save({"fc.weight": Trap(sprung)}, path)
    elif kind == "image":
        Image.fromarray(IMAGES[0]).save(path, format="PNG")
    else:
        path.write_bytes(weights.path.read_bytes()[: 1_000_000 if kind == "cut" else 0])
    with pytest.raises(ValueError, match=f"^{re.escape(str(path))}: not a file of tensors"):
        Inception(WeightsFile(path=path, sha256="0", verified=False)).extract(IMAGES[:1])
    assert not sprung.exists()
