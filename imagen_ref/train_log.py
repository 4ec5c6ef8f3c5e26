"""The losses of a training: read without making a GPU wait, written down, reported."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What the loop reports after every step."""

    step: int
    num_steps: int
    loss: float
    images_per_second: float


class TrainLog:
    """Reads the losses, reports them and writes them down, a line of JSON a step.

    Args:
        path: the file; what it says of steps from `first` on is dropped, they are done again.
        first: the step that comes first, counted from 0.
        num_steps: steps in all.
        batch_size: images a step.
        lag: how many steps late a loss is read. On a GPU it is only then that reading it does not wait.
        samples: step -> the images it learned from, to name them.
        report: called after every step that is read.
    """

    def __init__(
        self,
        path: Path,
        *,
        first: int,
        num_steps: int,
        batch_size: int,
        lag: int,
        samples: Callable[[int], Sequence[int]],
        report: Callable[[Progress], None],
    ) -> None:
        self._first, self._num_steps, self._batch_size = first, num_steps, batch_size
        self._lag, self._samples, self._report = lag, samples, report
        self._unread: deque[tuple[int, Tensor]] = deque()
        _forget_after(path, first)
        self._file = path.open("a")
        self._started = time.monotonic()

    def __enter__(self) -> TrainLog:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, step: int, loss: Tensor) -> None:
        """Takes the loss of a step. Raises FloatingPointError when one that is read is not finite."""
        self._unread.append((step, loss))
        while len(self._unread) > self._lag:
            self._read()

    def flush(self) -> None:
        """Reads all that is left, so that no checkpoint is made of weights behind a broken loss."""
        while self._unread:
            self._read()
        self._file.flush()

    def _read(self) -> None:
        step, loss = self._unread.popleft()
        value = float(loss)
        if not math.isfinite(value):
            raise FloatingPointError(f"loss is {value} at step {step} on samples {list(self._samples(step))}")
        rate = self._batch_size * (step + 1 - self._first) / (time.monotonic() - self._started)
        self._file.write(json.dumps({"step": step + 1, "loss": value, "images_per_second": rate}) + "\n")
        self._report(Progress(step=step + 1, num_steps=self._num_steps, loss=value, images_per_second=rate))


def _forget_after(path: Path, step: int) -> None:
    if path.is_file():
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(line for line in lines if json.loads(line)["step"] <= step))
