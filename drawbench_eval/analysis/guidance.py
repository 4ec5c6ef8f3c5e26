"""Numbers about curves over the guidance weight: rises, falls, extremes and matched differences, all paired.

A weight that is chosen by looking at the results flatters what is measured there. Where it matters the
prompts are split in two halves: each half's best weight is measured on the other half.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drawbench_eval.analysis.collect import Run
from drawbench_eval.analysis.curves import Curve
from drawbench_eval.analysis.paired import (
    Array,
    Effect,
    Panel,
    make_panel,
    percentile_interval,
    prompt_draws,
)
from drawbench_eval.analysis.pareto import matched_difference, overlap

Scores = Mapping[str, pd.DataFrame]

NUM_DRAWS = 2000
NUM_LEVELS = 21
BOOTSTRAP_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Change:
    """A paired change of alignment along a curve; `chosen` are the best weights by either half."""

    estimate: Effect
    chosen: tuple[float, ...]


def rise_to_best(curve: Curve, scores: Scores, metric: str) -> Change:
    """`metric` at the best weight minus at the smallest. The best is one of the others, chosen by halves."""
    panel = _panel(curve.runs, scores, metric)
    best, chosen = _at_best(panel.values[:, 1:], panel)
    estimate = panel.mean(best - panel.values[:, 0])
    return Change(estimate=estimate, chosen=tuple(curve.weights[1 + index] for index in chosen))


def fall_from_best(curve: Curve, scores: Scores, metric: str) -> Change:
    """`metric` at the best weight short of the largest minus at the largest; negative while it rises."""
    panel = _panel(curve.runs, scores, metric)
    best, chosen = _at_best(panel.values[:, :-1], panel)
    estimate = panel.mean(best - panel.values[:, -1])
    return Change(estimate=estimate, chosen=tuple(curve.weights[index] for index in chosen))


def difference_of_falls(
    first: Curve, second: Curve, weights: Sequence[float], scores: Scores, metric: str
) -> tuple[Effect, float, float]:
    """The fall of `first` minus that of `second` over shared `weights`, and the two falls themselves."""
    panel = _panel([curve.at(weight) for curve in (first, second) for weight in weights], scores, metric)
    falls = []
    for values in np.split(panel.values, 2, axis=1):
        best, _ = _at_best(values[:, :-1], panel)
        falls.append(best - values[:, -1])
    return panel.mean(falls[0] - falls[1]), float(np.mean(falls[0])), float(np.mean(falls[1]))


def difference_at(first: Run, second: Run, scores: Scores, metric: str) -> Effect:
    """`first` minus `second` in a per-sample metric."""
    panel = _panel([first, second], scores, metric)
    return panel.mean(panel.values[:, 0] - panel.values[:, 1])


def distance_difference_at(first: Run, second: Run, scores: Scores, metric: str) -> Effect:
    """`first` minus `second` in a Frechet distance.

    The records give the difference; influence values, of mean zero by construction, give its interval.
    """
    spread = difference_at(first, second, scores, metric)
    value = _recorded(first, metric) - _recorded(second, metric)
    ci95 = spread.ci95 and (spread.ci95[0] - spread.value + value, spread.ci95[1] - spread.value + value)
    return Effect(value=value, ci95=ci95, n=spread.n, num_prompts=spread.num_prompts)


@dataclass(frozen=True, kw_only=True)
class Extremes:
    """Where a curve has its best alignment and its smallest distance; `estimate` is the first minus the
    second.
    """

    estimate: Effect
    best_alignment: float
    lowest_distance: float


def extremes(curve: Curve, scores: Scores, alignment: str, distance: str) -> Extremes:
    """The weights of both extremes; the interval comes from resampled prompts, the choice included."""
    resampled = _resample([curve], scores, alignment, distance)
    a, d = resampled.observed[0]
    a_draws, d_draws = resampled.draws[0]
    weights = np.array(curve.weights)
    at_best, at_lowest = float(weights[np.argmax(a)]), float(weights[np.argmin(d)])
    ci95 = percentile_interval(weights[np.argmax(a_draws, axis=1)] - weights[np.argmin(d_draws, axis=1)])
    estimate = resampled.estimate(at_best - at_lowest, ci95)
    return Extremes(estimate=estimate, best_alignment=at_best, lowest_distance=at_lowest)


@dataclass(frozen=True, kw_only=True)
class Matched:
    """One curve's Frechet distance minus another's at matched alignment.

    `estimate` is the mean over `num_levels` levels of the alignment both reach (`shared`); at `num_below`
    of them the first lies at or below the second.
    """

    estimate: Effect
    shared: tuple[float, float]
    num_below: int
    num_levels: int


def matched(first: Curve, second: Curve, scores: Scores, alignment: str, distance: str) -> Matched | None:
    """`first` minus `second` at matched alignment, with the interval from resampled prompts; None without
    overlap.
    """
    resampled = _resample([first, second], scores, alignment, distance)
    one, other = resampled.observed
    gap, share = matched_difference(one, other, num_levels=NUM_LEVELS)
    if np.isnan(gap):
        return None
    gaps, _ = matched_difference(*resampled.draws, num_levels=NUM_LEVELS)
    known = gaps[~np.isnan(gaps)]
    # Curves that hardly overlap do not overlap at all in many draws; the rest would give false comfort.
    ci95 = percentile_interval(known) if len(known) >= 0.95 * NUM_DRAWS else None
    low, high = overlap(one[0], other[0])
    return Matched(
        estimate=resampled.estimate(float(gap), ci95),
        shared=(float(low), float(high)),
        num_below=round(float(share) * NUM_LEVELS),
        num_levels=NUM_LEVELS,
    )


def _panel(runs: Sequence[Run], scores: Scores, metric: str) -> Panel:
    return make_panel(scores, [run.run_id for run in runs], [metric])


def _at_best(values: Array, panel: Panel) -> tuple[Array, tuple[int, ...]]:
    """Per sample, the value in the column that is best on the *other* half of the prompts; and the
    columns chosen.
    """
    halves = panel.halves()
    if len(panel.prompt_ids) < 2:
        column = int(np.argmax(values.mean(axis=0)))
        return values[:, column], (column,)
    chosen = tuple(int(np.argmax(values[halves == half].mean(axis=0))) for half in (0, 1))
    best = np.where(halves == 0, values[:, chosen[1]], values[:, chosen[0]])
    return best, chosen


@dataclass(frozen=True, kw_only=True)
class _Resampled:
    """Per curve: (alignment, distance) as observed, shape [points] each, and as redrawn, shape [draws,
    points] each.
    """

    panel: Panel
    observed: list[tuple[Array, Array]]
    draws: list[tuple[Array, Array]]

    def estimate(self, value: float, ci95: tuple[float, float] | None) -> Effect:
        num_prompts = len(self.panel.prompt_ids)
        defined = ci95 if num_prompts > 1 else None
        return Effect(value=value, ci95=defined, n=len(self.panel.prompt), num_prompts=num_prompts)


def _resample(curves: Sequence[Curve], scores: Scores, alignment: str, distance: str) -> _Resampled:
    runs = [run for curve in curves for run in curve.runs]
    panel = make_panel(scores, [run.run_id for run in runs], [alignment, distance])
    weights = prompt_draws(len(panel.prompt_ids), NUM_DRAWS, seed=BOOTSTRAP_SEED)
    means, drawn = panel.values.mean(axis=0), panel.draw_means(weights)
    recorded = np.array([_recorded(run, distance) for run in runs])
    a, a_draws = means[: len(runs)], drawn[:, : len(runs)]
    d_draws = recorded + drawn[:, len(runs) :] - means[len(runs) :]
    edges = np.cumsum([len(curve.runs) for curve in curves])[:-1]

    def by_curve(values: NDArray[np.float64]) -> list[Array]:
        return np.split(values, edges, axis=-1)

    return _Resampled(
        panel=panel,
        observed=list(zip(by_curve(a), by_curve(recorded), strict=True)),
        draws=list(zip(by_curve(a_draws), by_curve(d_draws), strict=True)),
    )


def _recorded(run: Run, metric: str) -> float:
    return float(run.metrics[metric]["value"])
