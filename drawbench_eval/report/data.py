"""Everything a report is made from, read once: runs, scores, curves, and findings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from drawbench_eval.analysis.collect import (
    MetricInfo,
    Run,
    metric_infos,
    outside,
    read_runs,
    require_one_protocol,
)
from drawbench_eval.analysis.curves import Curve, make_curves
from drawbench_eval.analysis.findings import Finding
from drawbench_eval.analysis.measures import ALIGNMENT, DISTANCE, present
from drawbench_eval.analysis.mechanism import find
from drawbench_eval.analysis.paired import read_scores
from drawbench_eval.runs.sweep import SweepRecord, read_sweep


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """The runs of one report and what the analysis makes of them.

    `sweep` is None for a report on all runs of a folder; `scores` holds the per-sample table of each
    complete run; `alignments` and `distance` are the metrics on the axes; `mixed` tells of protocols that
    were mixed on request.
    """

    name: str
    title: str
    sweep: SweepRecord | None
    runs: tuple[Run, ...]
    scores: Mapping[str, pd.DataFrame]
    curves: tuple[Curve, ...]
    metrics: Mapping[str, MetricInfo]
    alignments: tuple[str, ...]
    distance: str | None
    findings: tuple[Finding, ...]
    mixed: bool

    @property
    def complete(self) -> tuple[Run, ...]:
        """The complete runs, in the order of the plan."""
        return tuple(run for run in self.runs if run.status == "complete")

    @property
    def incomplete(self) -> tuple[Run, ...]:
        """The runs that failed, broke off or never began."""
        return tuple(run for run in self.runs if run.status != "complete")


def load_sweep(
    results: Path, name: str | None = None, *, title: str | None = None, allow_mixed: bool = False
) -> ReportData:
    """The report data of the sweep `name` under `results`, or of all runs there when `name` is None.

    Raises ValueError when there is no such sweep or no complete run, and when numbers of one metric are
    of unlike protocol (naming the keys) unless `allow_mixed`.
    """
    sweep = None if name is None else read_sweep(results, name)
    runs = read_runs(results) if sweep is None else read_runs(results, sweep.run_ids, labels=sweep.labels)
    complete = [run for run in runs if run.status == "complete"]
    if not complete:
        where = results / "runs" if sweep is None else f"sweep {sweep.name}"
        raise ValueError(f"{where}: none of {len(runs)} runs is complete; run drawbench-eval evaluate first")
    metrics = metric_infos(runs)
    if not allow_mixed:
        require_one_protocol(metrics)
    scores = {run.run_id: read_scores(run) for run in complete}
    curves = make_curves(runs)
    alignments, distances = (*present(ALIGNMENT, metrics), *outside(metrics)), present(DISTANCE, metrics)
    distance = distances[0] if distances else None
    return ReportData(
        name=name or "all runs",
        title=title or _title(curves),
        sweep=sweep,
        runs=runs,
        scores=scores,
        curves=curves,
        metrics=metrics,
        alignments=alignments,
        distance=distance,
        findings=find(curves, scores, alignments=alignments, distance=distance),
        mixed=any(len(info.protocols) > 1 for info in metrics.values()),
    )


def _title(curves: tuple[Curve, ...]) -> str:
    varied = ["guidance weight"] if any(len(curve.weights) > 1 for curve in curves) else []
    varied += ["thresholding"] if len({curve.mode for curve in curves}) > 1 else []
    return " and ".join(varied).capitalize() or "Evaluation report"
