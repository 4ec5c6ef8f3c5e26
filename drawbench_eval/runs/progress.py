"""How far the work is: a bar on a terminal, plain lines elsewhere; always images/s and time left."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn

PLAIN_INTERVAL_S = 15.0

Advance = Callable[[int], None]


@contextmanager
def show_progress(
    title: str, *, total: int, done: int = 0, unit: str = "images", watch: "Watch | None" = None
) -> Iterator[Advance]:
    """Gives `advance(n)`, to be told that n more of `total` are done; `done` were there before.

    `watch` is told too, at once and then each time.
    """
    meter = Meter(total=total, done=done, unit=unit)
    shown = _bar if sys.stderr.isatty() else _plain
    with shown(title, meter) as show:
        if watch is not None:
            watch(meter)

        def advance(count: int) -> None:
            meter.advance(count)
            show(count)
            if watch is not None:
                watch(meter)

        yield advance


@contextmanager
def _bar(title: str, meter: "Meter") -> Iterator[Advance]:
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[said]}"))
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=meter.total, completed=meter.done, said=meter.said())

        def show(count: int) -> None:
            bar.update(task, advance=count, said=meter.said())

        yield show


@contextmanager
def _plain(title: str, meter: "Meter") -> Iterator[Advance]:
    last = time.monotonic()

    def show(_count: int) -> None:
        nonlocal last
        if time.monotonic() - last >= PLAIN_INTERVAL_S:
            last = time.monotonic()
            print(f"{title}: {meter.said()}", file=sys.stderr, flush=True)

    yield show


class Meter:
    """Counts what is done and knows the rate since it was made."""

    def __init__(
        self, *, total: int, done: int, unit: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.total, self.done, self.unit, self._clock = total, done, unit, clock
        self._before, self._started = done, clock()

    def advance(self, count: int) -> None:
        """`count` more are done."""
        self.done += count

    @property
    def rate(self) -> float | None:
        """How many a second since it was made; None before the first is done."""
        elapsed, made = self._clock() - self._started, self.done - self._before
        return made / elapsed if made and elapsed > 0 else None

    def said(self) -> str:
        """What is done, images/s and time left; no rate before the first is done."""
        said, rate = f"{self.done} of {self.total} {self.unit}", self.rate
        if rate is None:
            return said
        return f"{said}, {rate:.1f} {self.unit}/s, {duration((self.total - self.done) / rate)} left"


Watch = Callable[[Meter], None]
"""Told of a meter each time that it moved."""


def duration(seconds: float) -> str:
    """Seconds as a person says them: 40 s, 3 min 20 s, 2 h 05 min."""
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
