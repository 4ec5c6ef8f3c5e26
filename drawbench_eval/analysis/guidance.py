"""Numbers about curves over the guidance weight: rises, falls, extremes and matched differences, all paired.

A weight that is chosen by looking at the results flatters what is measured there. Where it matters the
prompts are split in two halves: each half's best weight is measured on the other half.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from drawbench_eval.analysis.collect import Run
from drawbench_eval.analysis.curves import Curve
from drawbench_eval.analysis.paired import Array, Effect, Panel, make_panel
from drawbench_eval.analysis.pareto import matched_difference, overlap
from drawbench_eval.analysis.resampled import Resampled, recorded, resample

Scores = Mapping[str, pd.DataFrame]

NUM_LEVELS = 21


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


def difference_of_ranges(
    first: Curve, second: Curve, weights: Sequence[float], scores: Scores, metric: str
) -> tuple[Effect, float, float]:
    """The range of `metric` over shared `weights` along `first` minus along `second`, and the two ranges.

    A range is the value at the best weight minus that at the worst, both chosen by halves.
    """
    panel = _panel([curve.at(weight) for curve in (first, second) for weight in weights], scores, metric)
    ranges = []
    for values in np.split(panel.values, 2, axis=1):
        best, _ = _at_best(values, panel)
        worst, _ = _at_best(-values, panel)
        ranges.append(best + worst)
    return panel.mean(ranges[0] - ranges[1]), float(np.mean(ranges[0])), float(np.mean(ranges[1]))


def difference_at(first: Run, second: Run, scores: Scores, metric: str) -> Effect:
    """`first` minus `second` in a per-sample metric."""
    panel = _panel([first, second], scores, metric)
    return panel.mean(panel.values[:, 0] - panel.values[:, 1])


def distance_difference_at(first: Run, second: Run, scores: Scores, metric: str) -> Effect:
    """`first` minus `second` in a Frechet distance.

    The records give the difference; influence values, of mean zero by construction, give its interval.
    """
    spread = difference_at(first, second, scores, metric)
    value = recorded(first, metric) - recorded(second, metric)
    ci95 = spread.ci95 and (spread.ci95[0] - spread.value + value, spread.ci95[1] - spread.value + value)
    return Effect(value=value, ci95=ci95, n=spread.n, num_prompts=spread.num_prompts)


@dataclass(frozen=True, kw_only=True)
class Extremes:
    """Where a curve has its best alignment and its smallest distance; `estimate` is the first minus the
    second, `gain` the alignment at its best weight minus that at the smallest distance.
    """

    estimate: Effect
    gain: Effect
    best_alignment: float
    lowest_distance: float


def extremes(curve: Curve, scores: Scores, alignment: str, distance: str) -> Extremes:
    """The weights of both extremes; the interval comes from resampled prompts, the choice included.

    Where alignment is nearly flat its best weight is a matter of chance, and mostly another than that of the
    distance. Whether it is better there says `gain`, whose best weight each half of the prompts chooses for
    the other.
    """
    resampled, [(a, d)], [(a_draws, d_draws)] = _resample([curve], scores, alignment, distance)
    weights = np.array(curve.weights)
    at_best, at_lowest = float(weights[np.argmax(a)]), float(weights[np.argmin(d)])
    draws = weights[np.argmax(a_draws, axis=1)] - weights[np.argmin(d_draws, axis=1)]
    panel = _panel(curve.runs, scores, alignment)
    best, _ = _at_best(panel.values, panel)
    return Extremes(
        estimate=resampled.effect(at_best - at_lowest, draws),
        gain=panel.mean(best - panel.values[:, int(np.argmin(d))]),
        best_alignment=at_best,
        lowest_distance=at_lowest,
    )


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
    resampled, [one, other], draws = _resample([first, second], scores, alignment, distance)
    gap, share = matched_difference(one, other, num_levels=NUM_LEVELS)
    if np.isnan(gap):
        return None
    gaps, _ = matched_difference(*draws, num_levels=NUM_LEVELS)
    low, high = overlap(one[0], other[0])
    return Matched(
        estimate=resampled.effect(float(gap), gaps),
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


def _resample(
    curves: Sequence[Curve], scores: Scores, alignment: str, distance: str
) -> tuple[Resampled, list[tuple[Array, Array]], list[tuple[Array, Array]]]:
    """The resampled runs; per curve (alignment, distance) as observed, [points] each, and as redrawn,
    [draws, points] each.
    """
    runs = [run for curve in curves for run in curve.runs]
    resampled = resample(runs, scores, [alignment, distance])
    edges = np.cumsum([len(curve.runs) for curve in curves])[:-1]

    def by_curve(values: Mapping[str, Array]) -> list[tuple[Array, Array]]:
        a, d = (np.split(values[metric], edges, axis=-1) for metric in (alignment, distance))
        return list(zip(a, d, strict=True))

    return resampled, by_curve(resampled.observed), by_curve(resampled.draws)
