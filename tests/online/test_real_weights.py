"""The real weights, fetched and used: for a machine with internet, by `make verify-online`.

What is published of them is the hash. Published FIDs depend on images that cannot be had here in their
original form, so distances are held to what must be true of a good network: two halves of one set are near,
animals and vehicles are far apart, and an image fits its own caption better than another's.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbench_eval.features.clip import Clip, ClipSettings, activation_of, cosines
from drawbench_eval.features.inception import Inception
from drawbench_eval.images.decode import decode
from drawbench_eval.images.source import open_source
from drawbench_eval.stats.frechet import frechet_distance
from drawbench_eval.stats.moments import Moments
from drawbench_eval.weights import INCEPTION, WeightsFile, WeightsSettings

DATA = Path(__file__).parents[3] / "shared" / "data"
CIFAR = DATA / "images" / "cifar10_test_10000.tar.gz"
COCO = DATA / "images" / "coco_val2017_sample"
CAPTIONS = DATA / "coco" / "captions_val2017.json"
VEHICLES = ("airplane", "automobile", "ship", "truck")

pytestmark = [
    pytest.mark.network,
    # What a hub warns of (rate limits, tokens) is no fault of ours.
    pytest.mark.filterwarnings("default"),
]


@pytest.fixture(scope="module")
def inception() -> WeightsFile:
    """From the user's cache, or downloaded into it."""
    return WeightsSettings().find(INCEPTION)


def test_inception_has_the_published_hash(inception: WeightsFile) -> None:
    """Both torch-fidelity and pytorch-fid end the file's name in the first digits of its SHA-256."""
    assert inception.sha256.startswith("6726825d")
    assert inception.verified


def test_inception_fits_the_network_and_every_runtime_gives_its_features(inception: WeightsFile) -> None:
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (8, 8, 3), dtype=np.uint8).repeat(20, 0).repeat(20, 1) for _ in range(3)]
    plain = Inception(inception, runtime="eager").extract(images)
    assert plain.shape == (3, 2048)
    # A mean of what a ReLU lets through.
    assert plain.min() >= 0
    assert 0.1 < plain.mean() < 2
    quick = Inception(inception).extract(images)
    np.testing.assert_allclose(quick, plain, rtol=1e-3, atol=1e-3)


@pytest.mark.shared_data
@pytest.mark.skipif(not CIFAR.exists(), reason=f"{CIFAR} is not there")
def test_halves_of_a_set_are_close_and_animals_are_far_from_vehicles(inception: WeightsFile) -> None:
    source = open_source(CIFAR)
    names = source.names
    assert len(names) == 10_000
    features = Inception(inception).extract([decode(source.read(name), name) for name in names])
    vehicle = np.array([Path(name).parent.name in VEHICLES for name in names])
    assert vehicle.sum() == 4_000

    def distance(chosen: NDArray[np.bool_]) -> float:
        return frechet_distance(Moments.of(features[chosen]), Moments.of(features[~chosen]))

    halves = distance(np.arange(len(names)) % 2 == 0)
    assert 0 < halves < 30
    assert distance(vehicle) > 3 * halves


@pytest.mark.shared_data
@pytest.mark.skipif(not CAPTIONS.exists(), reason=f"{CAPTIONS} is not there")
def test_clip_loads_with_quickgelu_and_knows_captions_of_its_images() -> None:
    clip = Clip(ClipSettings(model="ViT-L-14", pretrained="openai", activation="quickgelu"))
    assert clip.dim == 768
    model, _, _ = clip._loaded
    assert activation_of(model) == "quickgelu"
    paths, texts = captioned(40)
    images = clip.image_features([decode(path.read_bytes(), path.name) for path in paths])
    own = cosines(images, clip.text_features(texts))
    others = cosines(images, clip.text_features([*texts[1:], texts[0]]))
    # In the literature raw cosines of images and fitting captions lie between 0.2 and 0.3.
    assert 0.2 < own.mean() < 0.32
    assert (own > others).mean() > 0.9


def captioned(count: int) -> tuple[Sequence[Path], Sequence[str]]:
    """The first images of the sample with their first captions."""
    first: dict[int, str] = {}
    for entry in json.loads(CAPTIONS.read_text(encoding="utf-8"))["annotations"]:
        first.setdefault(entry["image_id"], entry["caption"])
    paths = sorted(COCO.glob("*.jpg"))[:count]
    return paths, [first[int(path.stem)] for path in paths]
