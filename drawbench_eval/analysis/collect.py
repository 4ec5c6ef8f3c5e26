"""Runs on disk -> one table: a row per run, a column per setting, and value, interval and n of each
metric.
"""

import math
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from drawbench_eval.files import canonical_json
from drawbench_eval.runs.outside_scores import MADE_ELSEWHERE
from drawbench_eval.runs.record import FILE_NAME, RunRecord, read_record

Status = Literal["complete", "failed", "unfinished", "not started"]

TRAINING = "model.training"
"""The setting by which runs of checkpoints are told apart: the name of the training, its folder's."""

_PARTS = ("value", "n", "higher_is_better", "protocol.id", "protocol.values")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One planned or found run.

    `record` is its run.json (None before the run is over), `folder` where it lies (None when not
    started), and `reason` why it is not complete ("" when it is).
    """

    run_id: str
    label: str
    status: Status
    folder: Path | None
    record: RunRecord | None
    reason: str = ""

    @property
    def factors(self) -> Mapping[str, Any]:
        """All identity settings, flat, and the training of a `model.checkpoint` as TRAINING."""
        named = {TRAINING: self.training["series"]} if "series" in self.training else {}
        return {} if self.record is None else {**self.record.factors, **named}

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Name -> value, ci95, n, num_unscored, higher_is_better, unit, protocol."""
        return {} if self.record is None else self.record.metrics

    @property
    def training(self) -> Mapping[str, Any]:
        """stage, series, step, images, flops and seconds behind its model.checkpoint; empty without one."""
        return {} if self.record is None else self.record.inputs.get("training", {})

    @property
    def text_facts(self) -> Mapping[str, float]:
        """Kind of fact -> the share that the text encoder's states tell; empty where it was not probed."""
        return {} if self.record is None else self.record.inputs.get("text_facts", {})


@dataclass(frozen=True, kw_only=True)
class MetricInfo:
    """What the runs say of one metric; `protocols`: each protocol id and its values (empty if not
    recorded).
    """

    name: str
    unit: str
    higher_is_better: bool
    protocols: Mapping[str, Mapping[str, Any]]


def read_runs(
    results: Path, run_ids: Sequence[str] | None = None, *, labels: Sequence[str] = ()
) -> tuple[Run, ...]:
    """The runs under `results`/runs: those of `run_ids` in that order, or all of them by folder name.

    A planned run without a folder comes back as "not started", a folder without run.json as "unfinished":
    nothing is dropped. `labels` name the runs that have no folder yet, in the order of `run_ids`.
    Raises ValueError when there is no such folder, or when a run.json cannot be read.
    """
    folder = results / "runs"
    if run_ids is None and not folder.is_dir():
        raise ValueError(f"{folder}: no such folder; a results folder has runs/ in it")
    found: dict[str, Run] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        if path.is_dir() and "-" in path.name:
            run = read_run(path)
            # A run is found by its hash alone: after a change of label the complete folder counts.
            if run.run_id not in found or found[run.run_id].status != "complete":
                found[run.run_id] = run
    if run_ids is None:
        return tuple(found.values())
    named = dict(zip(run_ids, labels, strict=False))
    return tuple(found.get(run_id) or _not_started(run_id, named.get(run_id, "")) for run_id in run_ids)


def _not_started(run_id: str, label: str) -> Run:
    reason = "no folder for this run"
    return Run(run_id=run_id, label=label, status="not started", folder=None, record=None, reason=reason)


def read_run(folder: Path) -> Run:
    """The run in `folder`, whose name ends in its hash; ValueError for a run.json that cannot be read."""
    label, run_id = folder.name.rsplit("-", 1)
    record = read_record(folder)
    if record is None:
        reason = "started, but not over"
        return Run(run_id=run_id, label=label, status="unfinished", folder=folder, record=None, reason=reason)
    _check_metrics(folder / FILE_NAME, record)
    reason = "" if record.status == "complete" else record.error or "no reason recorded"
    return Run(
        run_id=run_id, label=record.label, status=record.status, folder=folder, record=record, reason=reason
    )


def _check_metrics(path: Path, record: RunRecord) -> None:
    """Raises ValueError for the first metric that lacks a part which every number is read with."""
    for name, entry in record.metrics.items():
        for key in _PARTS:
            values: Any = entry
            for part in key.split("."):
                if not isinstance(values, Mapping) or part not in values:
                    raise ValueError(
                        f"{path}: metrics.{name} has no {key}; evaluate the run again, or write it there"
                    )
                values = values[part]


def comparable(value: Any) -> Hashable:
    """A setting as something that can be compared: 1 equals 1.0, lists and tables become canonical JSON."""
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return float(value)
    return canonical_json(value)


def varying(runs: Iterable[Run]) -> tuple[str, ...]:
    """Names of the settings that differ between the complete runs, in alphabetical order."""
    seen: dict[str, set[Hashable]] = {}
    complete = [run for run in runs if run.status == "complete"]
    for key in sorted({key for run in complete for key in run.factors}):
        seen[key] = {comparable(run.factors.get(key)) for run in complete}
    return tuple(key for key, values in seen.items() if len(values) > 1)


def common(runs: Iterable[Run]) -> dict[str, Any]:
    """Settings on which all complete runs agree, with their value."""
    complete = [run for run in runs if run.status == "complete"]
    differing = set(varying(complete))
    return {
        key: value
        for run in complete[:1]
        for key, value in sorted(run.factors.items())
        if key not in differing
    }


def metric_infos(runs: Iterable[Run]) -> dict[str, MetricInfo]:
    """What the complete runs say of each metric. ValueError where they disagree on unit or direction."""
    infos: dict[str, MetricInfo] = {}
    for run in runs:
        if run.status != "complete":
            continue
        for name, entry in run.metrics.items():
            unit, higher = str(entry.get("unit") or ""), bool(entry["higher_is_better"])
            known = infos.get(name)
            if known is not None and (known.unit, known.higher_is_better) != (unit, higher):
                raise ValueError(
                    f"run {run.run_id}: {name} has unit {unit!r} and higher_is_better={higher}, "
                    f"other runs {known.unit!r} and {known.higher_is_better}"
                )
            protocol_id, values = protocol_of(entry)
            protocols = {**(known.protocols if known else {}), protocol_id: values}
            infos[name] = MetricInfo(name=name, unit=unit, higher_is_better=higher, protocols=protocols)
    return infos


def protocol_of(entry: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Id and values of the protocol in a metric's entry of run.json."""
    return str(entry["protocol"]["id"]), dict(entry["protocol"]["values"])


def outside(infos: Mapping[str, MetricInfo]) -> tuple[str, ...]:
    """The metrics whose scores were made elsewhere (scores=FILE) and of which more is better."""
    return tuple(
        name
        for name, info in infos.items()
        if info.higher_is_better
        and any(v.get("extractor") == MADE_ELSEWHERE for v in info.protocols.values())
    )


def require_one_protocol(infos: Mapping[str, MetricInfo]) -> None:
    """Raises ValueError where numbers of one metric, of unlike protocol, would share an axis or a rank."""
    for info in infos.values():
        if len(info.protocols) < 2:
            continue
        first, second = list(info.protocols)[:2]
        a, b = info.protocols[first], info.protocols[second]
        keys = sorted(key for key in {*a, *b} if comparable(a.get(key)) != comparable(b.get(key)))
        named = "; ".join(f"{key}: {a.get(key)!r} and {b.get(key)!r}" for key in keys)
        raise ValueError(
            f"{info.name}: runs of {len(info.protocols)} protocols ({first}, {second}) differ in {named}; "
            "report them apart, or allow mixed protocols"
        )


def as_frame(runs: Sequence[Run]) -> pd.DataFrame:
    """One row a run: run_id, label, status, reason, every factor; `<metric>`, its `.lo`, `.hi`, `.n`,
    `.unscored`.
    """
    factors = sorted({key for run in runs for key in run.factors})
    metrics = list(dict.fromkeys(name for run in runs for name in run.metrics))
    rows = []
    for run in runs:
        row: dict[str, Any] = {
            "run_id": run.run_id,
            "label": run.label,
            "status": run.status,
            "reason": run.reason,
        }
        row.update({key: comparable(run.factors.get(key)) for key in factors})
        for name in metrics:
            row.update(_metric_cells(name, run.metrics.get(name)))
        rows.append(row)
    return pd.DataFrame(rows)


def _metric_cells(name: str, entry: Mapping[str, Any] | None) -> dict[str, Any]:
    if entry is None:
        return {
            name: math.nan,
            f"{name}.lo": math.nan,
            f"{name}.hi": math.nan,
            f"{name}.n": 0,
            f"{name}.unscored": 0,
        }
    low, high = interval(entry)
    return {
        name: math.nan if entry["value"] is None else float(entry["value"]),
        f"{name}.lo": low,
        f"{name}.hi": high,
        f"{name}.n": int(entry["n"]),
        f"{name}.unscored": int(entry.get("num_unscored") or 0),
    }


def interval(entry: Mapping[str, Any]) -> tuple[float, float]:
    """The 95 % interval of a metric's entry, NaN where undefined (with one prompt only, for example)."""
    low, high = entry.get("ci95") or (None, None)
    return (math.nan if low is None else float(low)), (math.nan if high is None else float(high))


def collect(
    results: str | Path, run_ids: Sequence[str] | None = None, *, allow_mixed: bool = False
) -> pd.DataFrame:
    """The table of the runs under `results` (of `run_ids`, or all), as `as_frame` lays it out.

    Raises ValueError where a metric's numbers are of unlike protocol, naming the keys, unless `allow_mixed`.
    """
    runs = read_runs(Path(results), run_ids)
    infos = metric_infos(runs)
    if not allow_mixed:
        require_one_protocol(infos)
    return as_frame(runs)
