"""`drawbench-eval status`: how far a sweep is, from any shell, while it runs or after it died."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from drawbench_eval.commands.door import hydra_app, plain
from drawbench_eval.commands.settings import build

_LOOK_S = 1.0


@dataclass(frozen=True, kw_only=True)
class StatusSettings:
    """sweep: a name, None for the one that was started last. watch: until nothing runs any more."""

    results: Path
    sweep: str | None
    watch: bool


def main() -> None:
    """The verb."""
    hydra_app("status", status)


def status(config: DictConfig) -> None:
    """Print the state of the sweep of `config`, read from its files alone."""
    from rich.console import Console

    from drawbench_eval.commands.live import points_table, screen
    from drawbench_eval.runs.sweep import latest_sweep, read_sweep
    from drawbench_eval.runs.watch import sweep_state

    settings = build(StatusSettings, plain(config))
    results = settings.results
    record = read_sweep(results, settings.sweep or latest_sweep(results))
    state = sweep_state(results, record)
    if settings.watch:
        with screen(table=sys.stderr.isatty()) as show:
            while state.count("running"):
                show(state)
                time.sleep(_LOOK_S)
                state = sweep_state(results, record)
    # Into a file or a pipe nothing is wrapped.
    Console(width=None if sys.stdout.isatty() else 240).print(points_table(state.points))
    for point in state.points:
        if point.state == "failed":
            print(f"failed: {point.folder} ({point.point}): {point.detail}")
    if state.count("failed"):
        print("retry_failed=true with the sweep's command tries the failed again")
    print(state.said())
    others = sorted(path.stem for path in (results / "sweeps").glob("*.json") if path.stem != record.name)
    if others:
        print(f"other sweeps: {', '.join(others)}")
