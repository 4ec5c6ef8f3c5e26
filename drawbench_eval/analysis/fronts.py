"""The Pareto front of many runs in two metrics, and how sure each run's place on it is.

Which runs are on the front is itself an estimate. On every resampling of the prompts (the same for all runs,
so their differences stay paired) the front is found anew; a run's probability is the share of resamplings in
which it is on it. The runs are taken as they are: it says nothing of other trainings of the same models.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from drawbench_eval.analysis.collect import MetricInfo, Run
from drawbench_eval.analysis.curves import Curve, has_metrics
from drawbench_eval.analysis.paired import Array, NotPaired
from drawbench_eval.analysis.pareto import pareto_front
from drawbench_eval.analysis.resampled import NUM_DRAWS, Resampled, recorded, resample

Standing = Literal["on the front", "dominated", "not resolved"]

SURE = 0.975


@dataclass(frozen=True, kw_only=True)
class FrontPoint:
    """One run: its place in the two metrics, whether no other run dominates it, and how often that is so.

    `dominated_by` is the id of a run on the front that is at least as good in both metrics: of several the
    one for which that holds in the most resamplings, None for a run on the front.
    """

    run: Run
    curve: str
    weight: float
    x: float
    y: float
    on_front: bool
    probability: float
    dominated_by: str | None

    @property
    def standing(self) -> Standing:
        """In words: on the front or dominated in at least 97.5 % of the resamplings, or not resolved."""
        if self.probability >= SURE:
            return "on the front"
        return "dominated" if self.probability <= 1 - SURE else "not resolved"


@dataclass(frozen=True, kw_only=True)
class Front:
    """All runs that have both metrics, in the order of their curves, on `n` shared samples."""

    x: MetricInfo
    y: MetricInfo
    points: tuple[FrontPoint, ...]
    n: int
    num_prompts: int
    num_draws: int

    @property
    def members(self) -> tuple[FrontPoint, ...]:
        """The runs on the front as observed, from the best in x on."""
        ordered = sorted(self.points, key=lambda point: point.x, reverse=self.x.higher_is_better)
        return tuple(point for point in ordered if point.on_front)


def find_front(
    curves: Sequence[Curve],
    scores: Mapping[str, pd.DataFrame],
    *,
    x: MetricInfo,
    y: MetricInfo,
    num_draws: int = NUM_DRAWS,
) -> Front | None:
    """The front of the curves' runs in the metrics `x` and `y`; None where no run has both.

    Either metric may be of either direction. Where one has no column in some run's scores (FID-infinity, for
    example), or where the runs share no scored sample, the front is that of the recorded values, and
    probabilities are NaN.
    """
    placed = [
        (curve, run, weight)
        for curve in curves
        for run, weight in zip(curve.runs, curve.weights, strict=True)
        if has_metrics(run, (x.name, y.name))
    ]
    if not placed:
        return None
    names = (x.name, y.name)
    if not all(set(names) <= set(scores[run.run_id].columns) for _, run, _ in placed):
        return _unsure_front(placed, x, y)
    try:
        resampled = resample([run for _, run, _ in placed], scores, names, num_draws=num_draws)
    except NotPaired:
        return _unsure_front(placed, x, y)
    towards = {"x_higher": x.higher_is_better, "y_higher": y.higher_is_better}
    observed = pareto_front(resampled.observed[x.name], resampled.observed[y.name], **towards)
    drawn = pareto_front(resampled.draws[x.name], resampled.draws[y.name], **towards)
    dominators = _dominators(resampled, x, y, observed)
    points = [
        FrontPoint(
            run=run,
            curve=curve.name,
            weight=weight,
            x=float(resampled.observed[x.name][index]),
            y=float(resampled.observed[y.name][index]),
            on_front=bool(observed[index]),
            probability=float(drawn[:, index].mean()),
            dominated_by=None if observed[index] else placed[dominators[index]][1].run_id,
        )
        for index, (curve, run, weight) in enumerate(placed)
    ]
    return Front(
        x=x,
        y=y,
        points=tuple(points),
        n=len(resampled.panel.prompt),
        num_prompts=len(resampled.panel.prompt_ids),
        num_draws=num_draws,
    )


def _unsure_front(placed: Sequence[tuple[Curve, Run, float]], x: MetricInfo, y: MetricInfo) -> Front:
    """The front of the recorded values, without probabilities."""
    a, b = (np.array([recorded(run, info.name) for _, run, _ in placed]) for info in (x, y))
    front = pareto_front(a, b, x_higher=x.higher_is_better, y_higher=y.higher_is_better)
    points = tuple(
        FrontPoint(
            run=run,
            curve=curve.name,
            weight=weight,
            x=float(a[index]),
            y=float(b[index]),
            on_front=bool(front[index]),
            probability=math.nan,
            dominated_by=None,
        )
        for index, (curve, run, weight) in enumerate(placed)
    )
    return Front(x=x, y=y, points=points, n=0, num_prompts=0, num_draws=0)


def _dominators(
    resampled: Resampled, x: MetricInfo, y: MetricInfo, front: np.ndarray[tuple[int], np.dtype[np.bool_]]
) -> dict[int, int]:
    """For each run off the front: of the members that dominate it, the one that does so most often."""

    def better(values: Mapping[str, Array], info: MetricInfo) -> Array:
        return values[info.name] if info.higher_is_better else -values[info.name]

    a, b = better(resampled.observed, x), better(resampled.observed, y)
    a_draws, b_draws = better(resampled.draws, x), better(resampled.draws, y)
    members = np.flatnonzero(front)
    found = {}
    for index in np.flatnonzero(~front):
        above = members[(a[members] >= a[index]) & (b[members] >= b[index])]
        often = (a_draws[:, above] >= a_draws[:, [index]]) & (b_draws[:, above] >= b_draws[:, [index]])
        found[int(index)] = int(above[np.argmax(often.mean(axis=0))])
    return found
