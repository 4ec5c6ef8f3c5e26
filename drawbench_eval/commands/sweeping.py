"""The Hydra callback around a sweep of `evaluate`: plans and records it first, counts what came out last."""

import atexit
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from drawbench_eval.commands.door import plain, report_mistake
from drawbench_eval.commands.evaluate import time_elsewhere
from drawbench_eval.commands.points import configurations, names, points, sweep_name, swept, written
from drawbench_eval.commands.resuming import point_number

if TYPE_CHECKING:
    from drawbench_eval.runs.runner import RunPlan
    from drawbench_eval.runs.sweep import Records, SweepRecord

SHOWN_FAILURES = 10


class SweepRecorder(Callback):
    """Writes sweeps/<name>.json before the first point and says how many points are complete after the last.

    Hydra turns what a callback raises into a warning, except SystemExit: a user's mistake leaves through it,
    before any point has started.
    """

    def __init__(self) -> None:
        # Point by point, the images still to be made.
        self._pending: tuple[int, ...] = ()
        self._started = 0.0
        self._screen = ExitStack()
        self._says_each = False

    def __reduce__(self) -> tuple[type["SweepRecorder"], tuple[()]]:
        """In a launcher's worker process it knows of nothing, and says nothing."""
        return SweepRecorder, ()

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Compose and check every point, record the sweep, and say what it costs."""
        if config.check_only:
            return
        try:
            self._pending = _start(config, _plan(config, str(kwargs["config_name"])))
            self._show(config)
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            sys.exit(report_mistake(error))

    def _show(self, config: DictConfig) -> None:
        """Keep the sweep's state on the screen: a table on a terminal that only we write to, else lines."""
        from drawbench_eval.commands.live import shown_while
        from drawbench_eval.runs import sweep

        self._started = time.monotonic()
        launcher = str(config.hydra.launcher._target_)
        table = sys.stderr.isatty() and "joblib" not in launcher
        one_by_one = "basic" in launcher
        if table or not one_by_one:
            results = Path(str(config.results))
            record = sweep.read_sweep(results, sweep_name(config))
            self._screen.enter_context(shown_while(results, record, table=table))
            # An interrupted sweep gives the terminal back too.
            atexit.register(self._screen.close)
        self._says_each = one_by_one and not table

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:  # noqa: ARG002
        """Say how much of the sweep is left, from what it took so far."""
        from drawbench_eval.runs.progress import duration

        if not self._says_each:
            return
        number = point_number(config.hydra.job)
        made, left = sum(self._pending[:number]), sum(self._pending[number:])
        if left and self._pending[number - 1]:
            seconds = (time.monotonic() - self._started) / made * left
            _say(f"{number} of {len(self._pending)} points over, about {duration(seconds)} left")

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """See to points that other processes were at, then count; exit code 1 unless all are complete."""
        from drawbench_eval.commands.shared_points import see_to_rest
        from drawbench_eval.commands.sweep_table import print_table
        from drawbench_eval.runs import sweep

        if config.check_only:
            return
        results = Path(str(config.results))
        record = sweep.read_sweep(results, sweep_name(config))
        with self._screen:
            see_to_rest(config, str(kwargs["config_name"]), results, record)
        records = sweep.run_records(results, record.run_ids)
        counts = sweep.count(records)
        print_table(record, records)
        total, complete = sum(counts.values()), counts["complete"]
        for line in _failures(results, record, records):
            _say(line)
        _say(
            f"{complete} of {total} points complete"
            + (f", {counts['failed']} failed" if counts["failed"] else "")
        )
        if complete < total:
            sys.exit(1)


@dataclass(frozen=True, kw_only=True)
class _Point:
    """A point as it is before the sweep starts: its overrides and its run."""

    overrides: Sequence[str]
    plan: "RunPlan"


def _plan(config: DictConfig, config_name: str) -> list[_Point]:
    from drawbench_eval.commands import planning
    from drawbench_eval.commands.kept import Kept

    every, kept = points(config), Kept()
    planned = []
    for overrides, composed in zip(every, configurations(config_name, every), strict=True):
        values = plain(composed)
        plan = planning.plan_run(planning.evaluate_settings(values), values, kept=kept)
        planned.append(_Point(overrides=overrides, plan=plan))
    return planned


def _start(config: DictConfig, planned: Sequence[_Point]) -> tuple[int, ...]:
    """Record the sweep, say what it costs, and give the images to be made at each point."""
    from drawbench_eval.runs import forecast, sweep

    plans = [point.plan for point in planned]
    results = Path(str(config.results))
    record = _record(config, planned)
    print_only = bool(config.forecast)
    if not print_only:
        path = sweep.write_sweep(results, record)
        _say(f"{path}: {len(plans)} points over {_said(record)}")
    expected = forecast.forecast(
        plans, timed=lambda place: forecast.Rate(**time_elsewhere(plans[place].config))
    )
    if print_only:
        print(expected.said())
        sys.exit(0)
    samples = plans[0].samples
    # A model from elsewhere says neither.
    where = "" if samples.device == "none" else f" on {samples.device} in {samples.precision}"
    _say(f"{expected.said()}{where}")
    return expected.pending


def _record(config: DictConfig, planned: Sequence[_Point]) -> "SweepRecord":
    from drawbench_eval.runs.sweep import SweepRecord

    every = [point.overrides for point in planned]
    return SweepRecord(
        name=sweep_name(config),
        created_from=written(config),
        swept=swept(every),
        run_ids=[point.plan.run_id for point in planned],
        labels=[point.plan.label for point in planned],
        points=names(every),
        images=[point.plan.samples.num_images for point in planned],
    )


def _failures(results: Path, record: "SweepRecord", records: "Records") -> list[str]:
    """Which points failed, and with what; the first few."""
    from drawbench_eval.runs.identity import find_run

    found = []
    # A run that is asked for twice (1 and 1.0) fails once.
    first = dict(zip(reversed(record.run_ids), reversed(record.points), strict=True))
    for run_id, point in reversed(first.items()):
        run = records[run_id]
        if run is not None and run.status == "failed":
            found.append(f"failed: {find_run(results, run_id)} ({point}): {run.error}")
    if not found:
        return []
    more = [f"and {len(found) - SHOWN_FAILURES} more failed"] if len(found) > SHOWN_FAILURES else []
    return [*found[:SHOWN_FAILURES], *more, "retry_failed=true with the same command tries the failed again"]


def _said(record: "SweepRecord") -> str:
    return ", ".join(f"{key} ({len(values)})" for key, values in record.swept.items()) or "nothing"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
