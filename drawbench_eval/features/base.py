"""What every feature extractor is: a name, a dimension, an identity, and images -> vectors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]
Number = TypeVar("Number", bound=np.generic)


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


def checked_rgb(image: Pixels, reader: str) -> Pixels:
    """The image, of any size. Raises ValueError where it is not uint8 RGB."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or 0 in image.shape:
        raise ValueError(
            f"{reader}: an image of {image.dtype} {list(image.shape)}; "
            "it must be uint8 RGB [height, width, 3] with values 0 to 255"
        )
    return image


def filled_batches(rows: Iterable[NDArray[Number]], size: int) -> Iterator[tuple[NDArray[Number], int]]:
    """Batches of exactly `size` rows, and how many rows of each are real: the last is filled up with zeros.

    Networks round differently in batches of different sizes; in one size, a row gets the same bits in any
    company. Rows are taken as they are needed, so that memory does not grow with their number.
    """
    remaining = iter(rows)
    while part := list(islice(remaining, size)):
        batch = np.zeros((size, *part[0].shape), dtype=part[0].dtype)
        batch[: len(part)] = part
        yield batch, len(part)
