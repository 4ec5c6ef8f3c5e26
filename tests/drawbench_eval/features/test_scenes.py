from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbench_eval.features.base import stack_images
from drawbench_eval.features.scenes import ScenesImage, cosines

RNG = np.random.default_rng(0)
IMAGES = [RNG.integers(0, 256, (64, 64, 3), dtype=np.uint8) for _ in range(7)]
PROJECTION = RNG.normal(size=(8, 64)).astype(np.float32)


@dataclass
class FakeImageScorer:
    weights_sha256: str = "w"
    asked: list[int] = field(default_factory=list)
    broken: bool = False

    def features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.asked.append(len(images))
        assert images.dtype == np.uint8
        flat = images.reshape(len(images), 8, -1).mean(axis=2, dtype=np.float64).astype(np.float32) / 255
        return flat @ PROJECTION * (np.nan if self.broken else 1)


@dataclass
class FakeClipScorer:
    """Direction by mean colour; texts are colour names."""

    weights_sha256: str = "w"
    texts: list[list[str]] = field(default_factory=list)

    def image_features(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        mean = images.mean(axis=(1, 2), dtype=np.float64)
        return np.asarray(mean / np.linalg.norm(mean, axis=1, keepdims=True), dtype=np.float32)

    def text_features(self, texts: list[str]) -> NDArray[np.float32]:
        self.texts.append(texts)
        return np.eye(3, dtype=np.float32)[["red", "green", "blue"].index(texts[0]) :][: len(texts)]


@pytest.mark.parametrize("batch_size", [1, 3, 64])
def test_features_keep_their_order_in_any_batch_size(batch_size: int) -> None:
    scorer = FakeImageScorer()
    extractor = ScenesImage(scorer=scorer, batch_size=batch_size)
    features = extractor.extract(IMAGES)
    assert max(scorer.asked) <= batch_size
    assert features.shape == (7, extractor.dim)
    np.testing.assert_allclose(features[4], FakeImageScorer().features(IMAGES[4][None])[0], rtol=1e-5)


def test_no_images_have_no_features() -> None:
    assert ScenesImage(scorer=FakeImageScorer(), batch_size=4).extract([]).shape == (0, 64)
    assert cosines(FakeClipScorer(), [], [], batch_size=4).shape == (0,)


def test_the_identity_names_the_weights() -> None:
    a, b = (
        ScenesImage(scorer=FakeImageScorer(weights_sha256=w), batch_size=4).identity() for w in ("a", "b")
    )
    assert a != b
    assert a == ScenesImage(scorer=FakeImageScorer(weights_sha256="a"), batch_size=9).identity()


def test_features_that_are_not_finite_are_an_error() -> None:
    with pytest.raises(ValueError, match="scenes_image: features are not finite"):
        ScenesImage(scorer=FakeImageScorer(broken=True), batch_size=4).extract(IMAGES)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((64, 64, 3), dtype=np.float32), "an image of float32; it must be uint8"),
        (np.zeros((16, 16, 3), dtype=np.uint8), r"shape \(16, 16, 3\); it reads \[64, 64, 3\] only"),
        (np.zeros((64, 64), dtype=np.uint8), r"shape \(64, 64\)"),
    ],
)
def test_images_of_another_kind_are_refused(image: NDArray[np.uint8], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stack_images([IMAGES[0], image], 64, "scenes_image")


def test_each_image_is_held_against_its_own_text() -> None:
    red = np.zeros((64, 64, 3), dtype=np.uint8)
    red[..., 0] = 200
    scorer = FakeClipScorer()
    scores = cosines(scorer, [red, red, red, red], ["red", "green", "red", "red"], batch_size=3)
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, [1, 0, 1, 1], atol=1e-6)
    assert scorer.texts == [["red", "green"], ["red"]]
