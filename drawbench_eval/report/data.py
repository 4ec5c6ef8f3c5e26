"""Everything a report is made from, read once: runs, scores, curves, and what the analysis finds in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal, TypedDict

import pandas as pd

from drawbench_eval.analysis.ablation import Ablation, AblationPlan, ablate
from drawbench_eval.analysis.ablation_levels import find_blocks, find_factor
from drawbench_eval.analysis.ablation_words import factor_name
from drawbench_eval.analysis.collect import (
    TRAINING,
    MetricInfo,
    Run,
    comparable,
    metric_infos,
    outside,
    read_runs,
    require_one_protocol,
    varying,
)
from drawbench_eval.analysis.curve_pairs import CurvePair, compare_curves
from drawbench_eval.analysis.curves import (
    THRESHOLD,
    Curve,
    made_elsewhere,
    make_curves,
    swept_weight,
    weight_name,
)
from drawbench_eval.analysis.findings import Finding
from drawbench_eval.analysis.fronts import Front, find_front
from drawbench_eval.analysis.level_findings import find_at_levels
from drawbench_eval.analysis.measures import ALIGNMENT, DISTANCE, present
from drawbench_eval.analysis.mechanism import find
from drawbench_eval.analysis.paired import num_shared, read_scores
from drawbench_eval.analysis.ratings_document import RatingsDocument
from drawbench_eval.analysis.selection import Choice, best_of_same_samples, choose
from drawbench_eval.analysis.series_findings import find_over_training
from drawbench_eval.analysis.training import training_series
from drawbench_eval.runs.sweep import SweepRecord, read_sweep

MOST_FEATURED = 6
"""So many curves are drawn in their own colours and compared with each other; the others are grey."""

MOST_BLOCKS = 6
"""An ablation that nobody asked for is made of at most so many blocks of runs."""

MOST_CONTEXTS = 3
"""The paper's claims are tested in so many contexts (models, encoders, ...), those of featured curves."""


class _Measures(TypedDict):
    alignments: Sequence[str]
    distance: str | None


@dataclass(frozen=True, kw_only=True)
class Axes:
    """The metrics that stand against each other: `distance` against each of `alignments`; None takes what the
    runs have.
    """

    alignments: tuple[str, ...] | None = None
    distance: str | None = None


@dataclass(frozen=True, kw_only=True)
class ReportData:
    """The runs of one report and what the analysis makes of them.

    `sweep` is None for a report on all runs of a folder; `scores` holds the per-sample table of each
    complete run; `alignments` and `distance` are the metrics on the axes; `fronts` and `pairs` are by
    alignment; `featured` names the curves that are drawn in colour and compared; `mixed` tells of protocols
    that were mixed on request; `ratings` are what people said; `best` is the best run of each metric, found
    on these same samples; `choices` are settings that other samples chose, where that was asked for.
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
    fronts: Mapping[str, Front]
    pairs: Mapping[str, tuple[CurvePair, ...]]
    featured: tuple[str, ...]
    ablations: tuple[Ablation, ...]
    mixed: bool
    ratings: tuple[RatingsDocument, ...] = ()
    best: Mapping[str, str] = field(default_factory=dict)
    choices: tuple[Choice, ...] = ()

    @property
    def complete(self) -> tuple[Run, ...]:
        """The complete runs, in the order of the plan."""
        return tuple(run for run in self.runs if run.status == "complete")

    @property
    def incomplete(self) -> tuple[Run, ...]:
        """The runs that failed, broke off or never began."""
        return tuple(run for run in self.runs if run.status != "complete")

    @property
    def metrics_in_order(self) -> tuple[str, ...]:
        """All metrics, those on the axes first."""
        return tuple(dict.fromkeys(filter(None, (*self.alignments, self.distance, *self.metrics))))

    @property
    def made_elsewhere(self) -> bool:
        """Whether some run's images were found and not made here."""
        return any(made_elsewhere(run) for run in self.complete)

    @property
    def unpaired(self) -> str:
        """Why the runs cannot be compared sample by sample; "" where they can."""
        if len(self.complete) < 2 or num_shared(self.scores):
            return ""
        return (
            f"No sample id stands in all {len(self.complete)} runs, so paired comparison is impossible: "
            "what runs have in common does not cancel, and runs without a shared sample are not tested "
            "against each other. Ids are equal where prompts and the numbers of their images are."
        )

    @property
    def ablation_leads(self) -> bool:
        """Whether the ablation is what the runs are about: of thresholding, the paper's claims say more."""
        return bool(self.ablations) and self.ablations[0].plan.factor != THRESHOLD

    def shown(self) -> ReportData:
        """The same with the featured curves alone: for what has a row a curve."""
        curves = tuple(curve for curve in self.curves if curve.name in self.featured)
        return replace(self, curves=curves, runs=tuple(run for curve in curves for run in curve.runs))

    def front_ids(self, alignment: str) -> frozenset[str]:
        """Ids of the runs on the front of the distance and this alignment."""
        front = self.fronts.get(alignment)
        return frozenset(point.run.run_id for point in front.members) if front else frozenset()


def load_sweep(
    results: Path,
    name: str | None = None,
    *,
    title: str | None = None,
    allow_mixed: bool = False,
    axes: Axes = Axes(),
    ablation: AblationPlan | None = None,
    selection: Literal["fixed", "split"] = "fixed",
) -> ReportData:
    """The report data of the sweep `name` under `results`, or of all runs there when `name` is None.

    Without an `ablation` one is made of the factor besides guidance that varies, or was swept first.
    `selection="split"` adds what one seed chose and another measured. Raises ValueError when
    there is no such sweep or no complete run, when an axis is no metric of the runs, and when numbers of one
    metric are of unlike protocol (naming the keys) unless `allow_mixed`.
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
    alignments, distance = _axes(axes, metrics)
    fronts: dict[str, Front] = {}
    for alignment in alignments if distance else ():
        front = find_front(curves, scores, x=metrics[str(distance)], y=metrics[alignment])
        # A front of one run says nothing.
        fronts |= {alignment: front} if front and len(front.points) > 1 else {}
    featured = _featured(curves, fronts.values())
    shown = [curve for curve in curves if curve.name in featured]
    plan, by_role = ablation or _own_plan(runs, sweep), _by_role(alignments, distance)
    ablations = ablate(runs, scores, metrics, plan, alignments=alignments, distance=distance) if plan else ()
    return ReportData(
        name=name or "all runs",
        title=title or _title(curves, plan),
        sweep=sweep,
        runs=runs,
        scores=scores,
        curves=curves,
        metrics=metrics,
        alignments=alignments,
        distance=distance,
        findings=(
            *_findings(curves, shown, scores, alignments, distance),
            *find_at_levels(runs, scores, metrics, ablations, **by_role),
            *find_over_training(runs, scores, alignments=by_role["alignments"]),
        ),
        fronts=fronts,
        pairs={
            name: compare_curves(shown, scores, alignment=metrics[name], distance=metrics[str(distance)])
            for name in fronts
        },
        featured=featured,
        ablations=ablations,
        mixed=any(len(info.protocols) > 1 for info in metrics.values()),
        best=best_of_same_samples(runs, metrics),
        choices=choose(runs, metrics) if selection == "split" else (),
    )


def _axes(axes: Axes, metrics: Mapping[str, MetricInfo]) -> tuple[tuple[str, ...], str | None]:
    for name in (*(axes.alignments or ()), *((axes.distance,) if axes.distance else ())):
        if name not in metrics:
            raise ValueError(f"pareto: {name} is no metric of these runs; write one of {', '.join(metrics)}")
    alignments = axes.alignments or (*present(ALIGNMENT, metrics), *outside(metrics))
    distances = (axes.distance,) if axes.distance else present(DISTANCE, metrics)
    distance = distances[0] if distances else None
    if distance in alignments:
        raise ValueError(f"pareto: {distance} is on both axes; name two metrics")
    return alignments, distance


def _featured(curves: Sequence[Curve], fronts: Iterable[Front]) -> tuple[str, ...]:
    """All curves where they are few; else those with the most runs on the fronts, as sure as these are."""
    if len(curves) <= MOST_FEATURED:
        return tuple(curve.name for curve in curves)
    weight = dict.fromkeys((curve.name for curve in curves), 0.0)
    for front in fronts:
        for point in front.points:
            weight[point.curve] += point.probability if point.probability >= 0 else float(point.on_front)
    best = sorted(weight, key=lambda name: -weight[name])[:MOST_FEATURED]
    return tuple(curve.name for curve in curves if curve.name in best)


def _findings(
    curves: Sequence[Curve],
    shown: Sequence[Curve],
    scores: Mapping[str, pd.DataFrame],
    alignments: Sequence[str],
    distance: str | None,
) -> tuple[Finding, ...]:
    """The paper's claims about alignment and a Frechet distance; none where nothing can be tested."""
    contexts = list(dict.fromkeys(curve.context for curve in shown))[:MOST_CONTEXTS]
    tested = find(
        [curve for curve in curves if curve.context in contexts],
        scores,
        **_by_role(alignments, distance),
    )
    return tested if any(finding.estimate is not None for finding in tested) else ()


def _by_role(alignments: Sequence[str], distance: str | None) -> _Measures:
    """What the paper's claims are about: measures of alignment, and a Frechet distance."""
    return {
        "alignments": [name for name in alignments if name not in DISTANCE],
        "distance": distance if distance in DISTANCE else None,
    }


def _own_plan(runs: Sequence[Run], sweep: SweepRecord | None) -> AblationPlan | None:
    """An ablation of the one factor that varies besides guidance, against the first value that was swept.

    Of several it is the first that was swept, in a block for each value of the others, where these are few.
    The baseline of thresholding is dynamic thresholding, the paper's own.
    """
    factor = find_factor(runs) or _first_swept(runs, sweep)
    if factor is None:
        return None
    values = {comparable(run.factors.get(factor)) for run in runs if run.status == "complete"}
    if factor == THRESHOLD and "dynamic" in values:
        return AblationPlan(factor=factor, baseline="dynamic")
    planned = list(sweep.swept.get(factor, ())) if sweep else []
    first = next((value for value in planned if comparable(value) in values), None)
    return AblationPlan(factor=factor, baseline=first)


def _first_swept(runs: Sequence[Run], sweep: SweepRecord | None) -> str | None:
    varied = varying(runs)
    names = ({"model.checkpoint": TRAINING}.get(key, key) for key in (sweep.swept if sweep else ()))
    factor = next((key for key in names if key in varied and key != swept_weight(runs)), None)
    return factor if factor and 1 <= len(find_blocks(runs, factor=factor)) <= MOST_BLOCKS else None


def _title(curves: tuple[Curve, ...], plan: AblationPlan | None) -> str:
    varied = [weight_name(curve.weight_key) for curve in curves if len(curve.weights) > 1][:1]
    varied += ["training"] if training_series([run for curve in curves for run in curve.runs]) else []
    varied += ["thresholding"] if len({curve.mode for curve in curves}) > 1 else []
    varied += [factor_name(plan.factor)] if plan and plan.factor != THRESHOLD else []
    return " and ".join(dict.fromkeys(varied)).capitalize() or "Evaluation report"
