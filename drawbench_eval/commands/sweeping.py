"""The Hydra callback around a sweep of `evaluate`: plans and records it first, counts what came out last."""

import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra import compose
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.errors import HydraException
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from drawbench_eval.commands.door import plain, report_mistake

if TYPE_CHECKING:
    from drawbench_eval.runs.runner import RunPlan
    from drawbench_eval.runs.sweep import SweepRecord


class SweepRecorder(Callback):
    """Writes sweeps/<name>.json before the first point and says how many points are complete after the last.

    Hydra turns what a callback raises into a warning, except SystemExit: a user's mistake leaves through it,
    before any point has started.
    """

    def __init__(self) -> None:
        # Point by point, the images still to be made; empty in a launcher's worker process.
        self._pending: tuple[int, ...] = ()
        self._started = 0.0

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Compose and check every point, record the sweep, and say what it costs."""
        if config.check_only:
            return
        try:
            plans, overrides = _plan(config, str(kwargs["config_name"]))
            self._pending = _start(config, plans, overrides)
            self._started = time.monotonic()
        except (HydraException, OmegaConfBaseException, ValueError) as error:
            sys.exit(report_mistake(error))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:  # noqa: ARG002
        """Say how much of the sweep is left, from what it took so far."""
        from drawbench_eval.runs.progress import duration

        if not self._pending:
            return
        number = int(config.hydra.job.num)
        made, left = sum(self._pending[: number + 1]), sum(self._pending[number + 1 :])
        if left and self._pending[number]:
            seconds = (time.monotonic() - self._started) / made * left
            _say(f"{number + 1} of {len(self._pending)} points over, about {duration(seconds)} left")

    def on_multirun_end(self, config: DictConfig, **_kwargs: Any) -> None:
        """Say how many of how many points are complete; the exit code is 1 unless all are."""
        from drawbench_eval.runs import sweep

        if config.check_only:
            return
        results = Path(str(config.results))
        record = sweep.read_sweep(results, _name(config))
        counts = sweep.progress(results, record.run_ids)
        _print_table(results, record, _points(config))
        total, complete = sum(counts.values()), counts["complete"]
        _say(
            f"{complete} of {total} points complete"
            + (f", {counts['failed']} failed" if counts["failed"] else "")
        )
        if complete < total:
            sys.exit(1)


def _plan(config: DictConfig, config_name: str) -> tuple[list["RunPlan"], list[list[str]]]:
    from drawbench_eval.commands import planning

    points = _points(config)
    plans = []
    for overrides in points:
        values = plain(compose(config_name, overrides=overrides))
        plans.append(planning.plan_run(planning.evaluate_settings(values), values))
    return plans, points


def _points(config: DictConfig) -> list[list[str]]:
    """The overrides of every point, by the parser and the product that Hydra's own sweeper uses."""
    params = OmegaConf.select(config, "hydra.sweeper.params") or {}
    texts = [f"{key}={value}" for key, value in params.items()] + _overrides(config)
    loader = GlobalHydra.instance().config_loader()
    parsed = OverridesParser.create(config_loader=loader).parse_overrides(texts)
    (points,) = BasicSweeper.split_arguments(parsed, max_batch_size=None)
    return points


def _overrides(config: DictConfig) -> list[str]:
    """The overrides as they were written: an interpolation in one is resolved at each point, not before."""
    written = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    assert isinstance(written, list)
    return [str(override) for override in written]


def _start(
    config: DictConfig, plans: Sequence["RunPlan"], points: Sequence[Sequence[str]]
) -> tuple[int, ...]:
    """Record the sweep, say what it costs, and give the images to be made at each point."""
    from drawbench_eval.runs import forecast, sweep

    results = Path(str(config.results))
    record = _record(config, plans, points)
    print_only = bool(config.forecast)
    if not print_only:
        path = sweep.write_sweep(results, record)
        _say(f"{path}: {len(plans)} points over {_said(record)}")
    expected = forecast.forecast(plans)
    if print_only:
        print(expected.said())
        sys.exit(0)
    _say(f"{expected.said()} on {plans[0].samples.device} in {plans[0].samples.precision}")
    return expected.pending


def _record(config: DictConfig, plans: Sequence["RunPlan"], points: Sequence[Sequence[str]]) -> "SweepRecord":
    from drawbench_eval.runs.sweep import SweepRecord

    return SweepRecord(
        name=_name(config),
        created_from=_overrides(config),
        swept=_swept(points),
        run_ids=[plan.run_id for plan in plans],
        labels=[plan.label for plan in plans],
    )


def _name(config: DictConfig) -> str:
    from drawbench_eval.runs.sweep import check_name, default_name

    if config.sweep is not None:
        return check_name(str(config.sweep))
    return default_name(_overrides(config), config.hydra.runtime.choices.get("experiment"))


def _swept(points: Sequence[Sequence[str]]) -> dict[str, list[Any]]:
    """The keys that differ between points, in the order given, with their values."""
    parser = OverridesParser.create()
    values: dict[str, list[Any]] = {}
    for override in parser.parse_overrides([text for overrides in points for text in overrides]):
        seen = values.setdefault(override.get_key_element().lstrip("+"), [])
        if override.value() not in seen:
            seen.append(override.value())
    return {key: seen for key, seen in values.items() if len(seen) > 1}


def _print_table(results: Path, record: "SweepRecord", points: Sequence[Sequence[str]]) -> None:
    """A line a point on stdout: what it varies, every metric with its interval, and the protocol's id."""
    from rich.console import Console
    from rich.table import Table

    from drawbench_eval.runs.identity import find_run
    from drawbench_eval.runs.record import read_record

    swept = set(record.swept)
    table = Table("point", "metric", "value", "95 % interval", "n", "protocol")
    for overrides, run_id in zip(points, record.run_ids, strict=True):
        parsed = OverridesParser.create().parse_overrides(list(overrides))
        own = [o for o in parsed if o.get_key_element().lstrip("+") in swept]
        point = " ".join(f"{o.get_key_element().lstrip('+')}={o.get_value_element_as_str()}" for o in own)
        folder = find_run(results, run_id)
        run = read_record(folder) if folder else None
        if run is None or run.status != "complete":
            table.add_row(point, "", "failed" if run else "not over", "", "", "")
            continue
        for name, entry in run.metrics.items():
            low, high = (("" if bound is None else f"{bound:.4g}") for bound in entry["ci95"])
            value = "undefined" if entry["value"] is None else f"{entry['value']:.6g}"
            table.add_row(point, name, value, f"{low} to {high}", str(entry["n"]), entry["protocol"]["id"])
    # Into a file or a pipe nothing is wrapped.
    Console(width=None if sys.stdout.isatty() else 240).print(table)


def _said(record: "SweepRecord") -> str:
    return ", ".join(f"{key} ({len(values)})" for key, values in record.swept.items()) or "nothing"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
