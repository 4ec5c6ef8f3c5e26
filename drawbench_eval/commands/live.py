"""A sweep on the screen: a table that stays in place on a terminal, a line now and then elsewhere."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from drawbench_eval.runs.progress import PLAIN_INTERVAL_S
from drawbench_eval.runs.sweep import SweepRecord
from drawbench_eval.runs.watch import PointState, SweepState, sweep_state

Show = Callable[[SweepState], None]

_REFRESH_S = 1.0
# Under the command line and over the prompt something else may stand.
_OTHER_LINES = 8
_STYLES = {"done": "green", "running": "bold", "failed": "red", "waiting": "dim"}


def points_table(points: Sequence[PointState]) -> Table:
    """A line a point: what it varies, its state, its images, and the run."""
    table = Table("point", "state", "images", "images/s", "run")
    for point in points:
        state = "left" if point.state == "waiting" else point.state
        table.add_row(
            Text(point.point or "the only one"),
            Text(f"{state}: {point.detail}" if point.state == "running" else state, _STYLES[point.state]),
            f"{point.made} of {point.images}",
            "" if point.images_per_s is None else f"{point.images_per_s:.1f}",
            Text(point.folder.name if point.folder else point.run_id),
        )
    return table


def live_view(state: SweepState, *, height: int) -> RenderableType:
    """The sweep in at most `height` lines: what runs or failed before the rest, and how much is left out."""
    order = {"running": 0, "failed": 1, "waiting": 2, "done": 3}
    room = max(height - _OTHER_LINES, 3)
    chosen = sorted(range(len(state.points)), key=lambda place: order[state.points[place].state])[:room]
    shown = [state.points[place] for place in sorted(chosen)]
    parts: list[RenderableType] = [Text(state.said()), points_table(shown)]
    hidden = len(state.points) - len(shown)
    if hidden:
        parts.append(Text(f"and {hidden} more points", "dim"))
    return Group(*parts)


@contextmanager
def shown_while(results: Path, record: SweepRecord, *, table: bool) -> Iterator[None]:
    """The sweep's state on stderr until the block ends, read in a thread beside it."""
    over = threading.Event()
    with screen(table=table) as show:
        show(sweep_state(results, record))

        def look() -> None:
            pause = _REFRESH_S
            while not over.wait(pause):
                started = time.monotonic()
                show(sweep_state(results, record))
                # A sweep of thousands of points is not to cost a core.
                pause = max(_REFRESH_S, 20 * (time.monotonic() - started))

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@contextmanager
def screen(*, table: bool) -> Iterator[Show]:
    """Shows states on stderr: as a table that stays in place, or as a line now and then when it has changed.

    What is printed to sys.stderr meanwhile stands above the table, which is gone when the block ends.
    """
    with _in_place() if table else _in_lines() as show:
        yield show


@contextmanager
def _in_place() -> Iterator[Show]:
    console = Console(stderr=True)
    with Live(console=console, transient=True, auto_refresh=False) as live:

        def show(state: SweepState) -> None:
            live.update(live_view(state, height=console.height), refresh=True)

        yield show


@contextmanager
def _in_lines() -> Iterator[Show]:
    said, last = "", time.monotonic()

    def show(state: SweepState) -> None:
        nonlocal said, last
        if state.said() != said and time.monotonic() - last >= PLAIN_INTERVAL_S:
            said, last = state.said(), time.monotonic()
            print(said, file=sys.stderr, flush=True)

    yield show
