"""The embedded world's scorers as extractors: `scenes_image` (no text), `scenes_clip` (image and text)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.features.base import Pixels, stack_images

Features = NDArray[np.float32]

SIDE = 64
IMAGE_DIM = 64


class ImageScorer(Protocol):
    """The network behind `scenes_image`: uint8 [n, 64, 64, 3] -> float32 [n, 64]."""

    @property
    def weights_sha256(self) -> str: ...

    def features(self, images: Pixels, /) -> Features: ...


class ClipScorer(Protocol):
    """The network behind `scenes_clip`: images and texts -> vectors of length 1 in one space, float32."""

    @property
    def weights_sha256(self) -> str: ...

    def image_features(self, images: Pixels, /) -> Features: ...

    def text_features(self, texts: list[str], /) -> Features: ...


@dataclass(frozen=True, kw_only=True)
class ScenesImage:
    """The extractor of `fd_scenes`: a small image network that was trained without text."""

    scorer: ImageScorer
    batch_size: int

    @property
    def name(self) -> str:
        return "scenes_image"

    @property
    def dim(self) -> int:
        return IMAGE_DIM

    def identity(self) -> Mapping[str, str | int]:
        """Name, weights and the side of the images that it reads."""
        return {
            "extractor": self.name,
            "extractor.weights_sha256": self.scorer.weights_sha256,
            "extractor.side": SIDE,
        }

    def extract(self, images: Sequence[Pixels]) -> Features:
        """uint8 [64, 64, 3] images -> float32 [n, 64].

        Raises ValueError for other images and for features not finite.
        """
        parts = [np.zeros((0, self.dim), dtype=np.float32)]
        for start in range(0, len(images), self.batch_size):
            batch = stack_images(images[start : start + self.batch_size], SIDE, self.name)
            parts.append(np.asarray(self.scorer.features(batch), dtype=np.float32))
        features = np.concatenate(parts)
        if not np.isfinite(features).all():
            raise ValueError(
                f"{self.name}: features are not finite; the weights {self.scorer.weights_sha256} are damaged"
            )
        return features


def scenes_image(weights: Path | None, *, batch_size: int) -> ScenesImage:
    """The extractor with the weights of this file, or with the packaged ones."""
    from drawbench_eval.scenes.scorers import load_image_scorer

    return ScenesImage(scorer=load_image_scorer(weights), batch_size=batch_size)


def cosines(
    scorer: ClipScorer, images: Sequence[Pixels], texts: Sequence[str], *, batch_size: int
) -> Features:
    """The raw cosine of each image with its own text, float32 [n].

    Each distinct text of a batch is read once.
    """
    scores = [np.zeros(0, dtype=np.float32)]
    for start in range(0, len(images), batch_size):
        batch = stack_images(images[start : start + batch_size], SIDE, "scenes_clip")
        wanted = texts[start : start + batch_size]
        distinct = list(dict.fromkeys(wanted))
        text_features = np.asarray(scorer.text_features(distinct), dtype=np.float32)
        rows = [distinct.index(text) for text in wanted]
        image_features = np.asarray(scorer.image_features(batch), dtype=np.float32)
        scores.append(np.einsum("nd,nd->n", image_features, text_features[rows]))
    result = np.concatenate(scores)
    if not np.isfinite(result).all():
        raise ValueError(
            f"scenes_clip: cosines are not finite; the weights {scorer.weights_sha256} are damaged"
        )
    return result
