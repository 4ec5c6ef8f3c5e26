"""What every feature extractor is: a name, a dimension, an identity, and images -> vectors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


class Extractor(Protocol):
    """Turns uint8 RGB images into feature vectors."""

    @property
    def name(self) -> str:
        """The extractor's name in metric names and messages."""
        ...

    @property
    def dim(self) -> int:
        """d, the length of a feature vector."""
        ...

    def identity(self) -> Mapping[str, str | int]:
        """Everything that can change a vector beyond rounding: part of protocols and of store keys."""
        ...

    def extract(self, images: Sequence[Pixels]) -> NDArray[np.float32]:
        """uint8 [H, W, 3] images -> float32 [n, d], in the same order."""
        ...


def stack_images(images: Sequence[Pixels], side: int, reader: str) -> Pixels:
    """Images as one uint8 array [n, side, side, 3]. Raises ValueError for any that is not of that kind."""
    for image in images:
        if image.dtype != np.uint8:
            raise ValueError(
                f"{reader}: an image of {image.dtype}; it must be uint8 RGB with values 0 to 255"
            )
        if image.shape != (side, side, 3):
            raise ValueError(f"{reader}: an image of shape {image.shape}; it reads [{side}, {side}, 3] only")
    return np.stack(images) if images else np.zeros((0, side, side, 3), dtype=np.uint8)
