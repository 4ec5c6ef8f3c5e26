"""Images with captions, and the order in which training sees them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class ImageTextData(Protocol):
    """Map-style data: any item at any time, so that a resumed run continues where it was."""

    def __len__(self) -> int:
        """Number of images."""

    def images(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """Square images uint8 [B, H, H, 3]."""

    def captions(self, indices: Sequence[int], epoch: int) -> list[str]:
        """A caption for each; it may differ from epoch to epoch."""


def batch_indices(num_items: int, batch_size: int, *, step: int, seed: int) -> tuple[list[int], int]:
    """(items, epoch) of one step: a new permutation every epoch, made from (seed, epoch) alone.

    Raises:
        ValueError: when there are fewer items than a batch needs.
    """
    per_epoch = num_items // batch_size
    if per_epoch == 0:
        raise ValueError(f"training data: {num_items} images are fewer than one batch of {batch_size}")
    epoch, position = divmod(step, per_epoch)
    order = np.random.default_rng([seed, epoch]).permutation(num_items)
    return [int(k) for k in order[position * batch_size : (position + 1) * batch_size]], epoch
