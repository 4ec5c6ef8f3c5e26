"""A real sweep of the packaged model in a process of its own, which can be killed at a chosen moment.

`multiprocessing`'s forkserver imports this once, so that a killed sweep is started again within a second.
"""

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np

from drawbench_eval import cli, files, samples, store
from drawbench_eval.commands import evaluate, planning, point, shared_points  # noqa: F401
from drawbench_eval.features import bank
from drawbench_eval.generators import imagen
from drawbench_eval.metrics import fd_scenes, scenes_accuracy, scenes_clip_score
from drawbench_eval.runs import runner, scoring  # noqa: F401

PHASES = ("text", "base", "super-resolution", "features", "metric", "writing")
# Phases shorter than this are cut at their beginning or their end; in the others a clock runs.
_SHORT_S = 0.02


@dataclass(frozen=True)
class Moment:
    """When to kill: as this phase begins for the `nth` time, after this share of its usual length."""

    phase: str
    nth: int
    share: float


class Phases:
    """Where the process is: one byte on disk, which outlives it; and how often and how long it was where."""

    def __init__(self, place: Path, moment: Moment | None, lengths: Mapping[str, float]) -> None:
        self._file = os.open(place, os.O_WRONLY | os.O_CREAT)
        self._moment, self._lengths = moment, lengths
        self._at = "elsewhere"
        self.begun: Counter[str] = Counter()
        self.seconds: Counter[str] = Counter()

    @contextmanager
    def at(self, phase: str) -> Iterator[None]:
        """The phase, until the block ends; a phase within a phase is its own."""
        before, self._at = self._at, phase
        self._write(phase)
        self.begun[phase] += 1
        chosen = self._moment
        now = chosen is not None and (phase, self.begun[phase]) == (chosen.phase, chosen.nth)
        if chosen is not None and now:
            self._start_clock(chosen)
        started = time.monotonic()
        try:
            yield
        finally:
            # Faster than usual: the clock still runs.
            if now:
                _kill()
            self.seconds[phase] += time.monotonic() - started
            self._at = before
            self._write(before)

    def _start_clock(self, moment: Moment) -> None:
        """Kills when the time comes; in a phase too short for a clock at once, or at its end."""
        length = self._lengths[moment.phase]
        if length >= _SHORT_S:
            clock = threading.Timer(moment.share * length, _kill)
            clock.daemon = True
            clock.start()
        elif moment.share < 0.5:
            _kill()

    def _write(self, phase: str) -> None:
        number = PHASES.index(phase) + 1 if phase in PHASES else 0
        os.pwrite(self._file, bytes([number]), 0)


def _kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def phase_on_disk(place: Path) -> str:
    """Where the process was."""
    number = place.read_bytes()[0]
    return PHASES[number - 1] if number else "elsewhere"


def sweep(
    words: Sequence[str], place: Path, moment: Moment | None, lengths: Mapping[str, float], said: Any
) -> None:
    """The command, with its points in this very process; sends exit code, and begun and seconds by phase."""
    phases = Phases(place, moment, lengths)
    _watch(phases)
    evaluate.WORKER.do = _in_this_process  # type: ignore[method-assign]
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
    import sys

    sys.argv = ["drawbench-eval", *words]
    code = cli.main()
    said.send((code, dict(phases.begun), dict(phases.seconds)))


def _in_this_process(task: str, values: Mapping[str, Any], generators: object) -> dict[str, Any]:
    return _RATE if task == "time" else point.TASKS[task](values)


# What the forecast at the start would measure: not what is looked at here.
_UNITS = dict.fromkeys(("text", "base", "sr64"), 1.0)
_RATE = {
    "seconds_per_run": 1.0,
    "seconds_per_image": 1.0,
    "bytes_per_image": 1.0,
    "seconds_per_unit": _UNITS,
    "bytes_per_unit": _UNITS,
}


def _watch(phases: Phases) -> None:
    """Every function that a phase consists of says when it begins and ends."""
    generator: Any = imagen.ImagenGenerator
    generator.encode = _during(phases, lambda *_: "text", generator.encode)
    names = {"base": "base", "sr64": "super-resolution"}
    generator.run_stage = _during(phases, lambda _self, stage, *_: names[stage], generator.run_stage)
    bank.extract = _during(phases, lambda *_: "features", bank.extract)
    for metric in (fd_scenes.FdScenes, scenes_accuracy.ScenesAccuracy, scenes_clip_score.ScenesClipScore):
        metric.compute = _during(phases, lambda *_: "metric", metric.compute)  # type: ignore[method-assign]
    write = files.atomic_path

    @contextmanager
    def writing(path: Path) -> Iterator[Path]:
        with phases.at("writing"), write(path) as temporary:
            yield temporary

    for module in (files, samples, store, scoring):
        module.atomic_path = writing  # type: ignore[attr-defined]


def _during(phases: Phases, phase: Callable[..., str], does: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(does)
    def done(*arguments: Any, **keywords: Any) -> Any:
        with phases.at(phase(*arguments)):
            return does(*arguments, **keywords)

    return done


def moments(count: int, begun: Mapping[str, int], seed: int) -> list[Moment]:
    """`count` moments, drawn: all phases in turn in a drawn order, then any."""
    draw = random.Random(seed)
    chosen = [*PHASES, *PHASES, *PHASES]
    chosen += draw.choices(PHASES, k=count - len(chosen))
    draw.shuffle(chosen)
    return [Moment(phase, draw.randint(1, max(begun[phase] // 2, 1)), draw.random()) for phase in chosen]


def same(one: Any, other: Any) -> bool:
    """Values of two run.json, numbers within 1e-9 relative."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, float) or isinstance(other, float):
        return bool(np.isclose(one, other, rtol=1e-9, atol=0))
    return bool(one == other)
