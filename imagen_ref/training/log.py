"""The losses of a training: read without making a GPU wait, written down, reported."""

from __future__ import annotations

import json
import math
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

LOG = "metrics.jsonl"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """What the loop reports after every step; `seconds` are those of all sessions of the training."""

    step: int
    num_steps: int
    loss: float
    grad_norm: float
    images_per_second: float
    seconds: float


class TrainLog:
    """Reads the losses, reports them and writes them down, a line of JSON a step.

    Args:
        folder: gets metrics.jsonl; what that says of steps from `first` on is dropped, they are done again.
            None writes nothing.
        first: the step that comes first, counted from 0.
        num_steps: steps in all.
        batch_size: images a step.
        lag: how many steps late a loss is read. On a GPU it is only then that reading it does not wait.
        samples: step -> the images it learned from, to name them.
        report: called after every step that is read.
        tensorboard: whether `folder/tensorboard` gets the numbers too.

    Raises:
        ValueError: for `tensorboard` without the package.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        first: int,
        num_steps: int,
        batch_size: int,
        lag: int,
        samples: Callable[[int], Sequence[int]],
        report: Callable[[Progress], None],
        tensorboard: bool = False,
    ) -> None:
        self._first, self._num_steps, self._batch_size = first, num_steps, batch_size
        self._lag, self._samples, self._report = lag, samples, report
        self._unread: deque[tuple[int, Tensor, Tensor]] = deque()
        self._board = _board(folder / "tensorboard", first) if folder and tensorboard else None
        self._before = _forget_after(folder / LOG, first) if folder else 0.0
        self._file = (folder / LOG).open("a") if folder else None
        self._started = time.monotonic()

    def __enter__(self) -> TrainLog:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()
        if self._board is not None:
            self._board.close()

    def add(self, step: int, loss: Tensor, grad_norm: Tensor) -> None:
        """Takes the numbers of a step. Raises FloatingPointError when one that is read is not finite."""
        self._unread.append((step, loss, grad_norm))
        while len(self._unread) > self._lag:
            self._read()

    def flush(self) -> None:
        """Reads all that is left, so that no checkpoint is made of weights behind a broken loss."""
        while self._unread:
            self._read()
        if self._file is not None:
            self._file.flush()

    def _read(self) -> None:
        step, *numbers = self._unread.popleft()
        loss, norm = map(float, numbers)
        for name, value in (("loss", loss), ("gradient norm", norm)):
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"{name} is {value} at step {step} on samples {list(self._samples(step))}"
                )
        seconds = time.monotonic() - self._started
        progress = Progress(
            step=step + 1,
            num_steps=self._num_steps,
            loss=loss,
            grad_norm=norm,
            images_per_second=self._batch_size * (step + 1 - self._first) / seconds,
            seconds=self._before + seconds,
        )
        line = {name: value for name, value in asdict(progress).items() if name != "num_steps"}
        if self._file is not None:
            self._file.write(json.dumps(line) + "\n")
        if self._board is not None:
            for name in ("loss", "grad_norm", "images_per_second"):
                self._board.add_scalar(name, line[name], step + 1)
        self._report(progress)


def _forget_after(path: Path, step: int) -> float:
    """Drops the lines of steps after `step`; returns the seconds that those before them took."""
    if not path.is_file():
        return 0.0
    # The last line may have been cut off in the middle.
    whole = [line for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]
    kept = [line for line in whole if json.loads(line)["step"] <= step]
    path.write_text("".join(kept))
    seconds: float = json.loads(kept[-1]).get("seconds", 0.0) if kept else 0.0
    return seconds


def _board(folder: Path, first: int) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError(
            "training.tensorboard: the package tensorboard is not there; "
            "pip install 'drawbench-eval[tensorboard]'"
        ) from error
    return SummaryWriter(str(folder), purge_step=first + 1)
