"""Images with captions, and the order in which training sees them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

# What all workers together may hold of batches made ahead, in bytes.
AHEAD_BYTES = 8_000_000_000
# Batches that each worker makes ahead where there is room.
AHEAD = 4


class ImageTextData(Protocol):
    """Map-style data: any item at any time, so that a resumed run continues where it was.

    Optional is `identity`, a str that differs where images or captions do: a training that was stopped then
    refuses to go on with others.
    """

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
    epoch, position = place_in_data(num_items, batch_size, step=step)
    order = _order(num_items, seed, epoch)
    return order[position : position + batch_size].tolist(), epoch


def place_in_data(num_items: int, batch_size: int, *, step: int) -> tuple[int, int]:
    """(epoch, position within it) of the first item of a step. Raises ValueError as `batch_indices` does."""
    per_epoch = num_items // batch_size
    if per_epoch == 0:
        raise ValueError(f"training data: {num_items} images are fewer than one batch of {batch_size}")
    epoch, batch = divmod(step, per_epoch)
    return epoch, batch * batch_size


@lru_cache(maxsize=2)
def _order(num_items: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng([seed, epoch]).permutation(num_items)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one step learns from: items, their images uint8 [B, H, H, 3] and captions."""

    indices: list[int]
    images: Tensor
    captions: list[str]

    def pin_memory(self) -> Batch:
        """The same with its images where a GPU reads them without waiting."""
        return Batch(indices=self.indices, images=self.images.pin_memory(), captions=self.captions)


def batches(
    data: ImageTextData,
    batch_size: int,
    *,
    steps: range,
    seed: int,
    num_workers: int,
    pinned: bool,
    rows: slice = slice(None),
) -> Iterator[Batch]:
    """The batch of every step, made ahead by `num_workers` processes (0 makes each when it is asked for).

    What a step gets depends on (seed, step) alone; `rows` of it are made here. There are no more processes
    than cores, nor than AHEAD_BYTES hold the batches of; `pinned` is for a GPU.
    """
    num_workers = min(num_workers, len(os.sched_getaffinity(0)))
    prefetch = None
    if num_workers:
        batch_bytes = data.images([0]).nbytes * len(range(batch_size)[rows])
        num_workers, prefetch = made_ahead(num_workers, batch_bytes=batch_bytes)
    loader = DataLoader(
        _Batches(data, batch_size, seed, rows),
        batch_size=None,
        sampler=steps,
        num_workers=num_workers,
        pin_memory=pinned,
        prefetch_factor=prefetch,
        # The loader would seed its workers from the caller's random numbers, which nothing here uses.
        generator=torch.Generator(),
    )
    yield from loader


def made_ahead(num_workers: int, *, batch_bytes: int) -> tuple[int, int]:
    """(workers, batches that each makes ahead): at most AHEAD_BYTES in all, but one of one at least.

    Workers come first: fewer of them only where AHEAD_BYTES do not hold a batch of each.
    """
    room = max(1, AHEAD_BYTES // batch_bytes)
    workers = min(num_workers, room)
    return workers, min(AHEAD, room // workers)


class _Batches(Dataset[Batch]):
    """Batches by step."""

    def __init__(self, data: ImageTextData, batch_size: int, seed: int, rows: slice) -> None:
        self._data = data
        self._batch_size = batch_size
        self._seed = seed
        self._rows = rows

    def __getitem__(self, step: int) -> Batch:
        whole, epoch = batch_indices(len(self._data), self._batch_size, step=step, seed=self._seed)
        indices = whole[self._rows]
        return Batch(
            indices=indices,
            images=torch.from_numpy(self._data.images(indices)),
            captions=self._data.captions(indices, epoch),
        )
