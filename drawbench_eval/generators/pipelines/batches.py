"""Samples in batches that fit into memory, each with a generator of its own, and their pixels in 8 bits."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray

Row = TypeVar("Row")
Result = TypeVar("Result")

_log = logging.getLogger(__name__)


class Batches:
    """Work in batches that fit into memory. fitting: the size that did, once one did not."""

    def __init__(self) -> None:
        self.fitting: int | None = None

    def run(
        self, rows: Sequence[Row], work: Callable[[Sequence[Row]], Sequence[Result]], *, size: int
    ) -> Iterator[tuple[Sequence[Row], Sequence[Result]]]:
        """`work` over `rows` in order, at most `size` at once: each batch with its results.

        Where memory runs out the batch is halved, which is said in one line, and the work goes on from the
        same row. Raises ValueError where a single row does not fit.
        """
        start = 0
        while start < len(rows):
            batch = rows[start : start + min(size, self.fitting or size)]
            results = _unless_out_of_memory(work, batch)
            if results is None:
                self.fitting = len(batch) // 2
                _log.warning(
                    "out of memory with %d images at once; going on with %d", len(batch), self.fitting
                )
                continue
            assert len(results) == len(batch), "one result a row"
            yield batch, results
            start += len(batch)

    def all(
        self, rows: Sequence[Row], work: Callable[[Sequence[Row]], Sequence[Result]], *, size: int
    ) -> list[Result]:
        """The results of `run`, in order."""
        return [result for _, results in self.run(rows, work, size=size) for result in results]


def seeded(seeds: Sequence[int]) -> list[torch.Generator]:
    """One generator a sample, on the CPU: the same noise on every device, whatever else is in the batch."""
    return [torch.Generator("cpu").manual_seed(seed) for seed in seeds]


def to_uint8(images: Any, *, black: Sequence[bool]) -> list[NDArray[np.uint8]]:
    """Images of pipelines, float [N,H,W,3] in [0, 1], rounded to 8 bits; those in `black` become black.

    An image with a value that is no number becomes black as well, and that is said: every black image is
    counted as blank and not scored. Raises ValueError for what is not RGB images.
    """
    pixels = np.array(images, dtype=np.float32)
    if pixels.ndim != 4 or pixels.shape[-1] != 3:
        raise ValueError(f"model.path: the pipeline gives arrays of shape {pixels.shape}, not RGB images")
    broken = ~np.isfinite(pixels).all(axis=(1, 2, 3))
    if broken.any():
        _log.warning(
            "%d images have values that are no numbers and become black; float16 overflows where bfloat16 "
            "and float32 do not (model.dtype)",
            broken.sum(),
        )
    pixels[broken | np.asarray(black, dtype=bool)] = 0
    return list((pixels.clip(0, 1) * 255).round().astype(np.uint8))


def _unless_out_of_memory(
    work: Callable[[Sequence[Row]], Sequence[Result]], batch: Sequence[Row]
) -> Sequence[Result] | None:
    """The results, or None where memory ran out: the error, and what its frames hold, is gone by then."""
    try:
        return work(batch)
    except RuntimeError as error:
        # On the CPU torch says it in words only.
        if not (isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)):
            raise
        if len(batch) == 1:
            raise ValueError(
                "batch_size: memory does not hold one image; write model.offload=model, another model.dtype, "
                "or a smaller image"
            ) from error
    free_memory()
    return None


def free_memory() -> None:
    """Gives back what nobody holds any more, so that it is there for others."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
