"""Two curves against each other: the distance at matched alignment and along their fronts, paired by seed.

Each curve is the polygon through its runs in order of weight. At matched alignment both are read at the same
levels of the alignment that both reach; along the front each gives the best that it reaches at that level or
above. Both are averaged over equally spaced levels. Intervals come from resampled prompts, the same for both
curves, so what prompts and seeds have in common cancels; their draws are widened for the number of prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from drawbench_eval.analysis.collect import MetricInfo
from drawbench_eval.analysis.compare_words import p_in_words
from drawbench_eval.analysis.curves import Curve
from drawbench_eval.analysis.findings import FEW_PROMPTS, constant_in_words, in_words
from drawbench_eval.analysis.measures import measure
from drawbench_eval.analysis.paired import Array, Effect, NotPaired
from drawbench_eval.analysis.pareto import front_at, lowest_at, shared_levels
from drawbench_eval.analysis.resampled import NUM_DRAWS, resample, two_sided_p, widened
from drawbench_eval.stats.clustered import without_rounding
from drawbench_eval.stats.multiple import holm

NUM_LEVELS = 21
ALPHA = 0.05
MOST_CURVES = 4
"""So many curves are compared all with all; of more, each with the first only."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """`first` minus `second` in the distance, averaged over levels of alignment; p is two-sided (NaN with
    fewer than 10 prompts), `p_holm` corrected over the pairs of one call. `unpaired` is the half-width an
    interval without pairing would have.
    """

    estimate: Effect
    p: float
    p_holm: float
    unpaired: float


@dataclass(frozen=True, kw_only=True)
class CurvePair:
    """Two curves of the same prompts and seeds in (alignment, distance).

    levels [num_levels]: of the alignment both reach, in its unit; differences [num_levels]: along the front
    there, with pointwise 95 % limits `low` and `high`; `matched` and `front` are averages over the levels.
    """

    first: str
    second: str
    alignment: MetricInfo
    distance: MetricInfo
    levels: Array
    differences: Array
    low: Array
    high: Array
    matched: Gap
    front: Gap

    @property
    def sentence(self) -> str:
        """What the numbers say, made from them alone."""
        name, start = measure(self.distance.name).short, measure(self.alignment.name).short
        return (
            f"At matched {start} the {name} of {self.first} {self._against(self.matched)}; "
            f"along the front it {self._against(self.front)}."
        )

    def _against(self, gap: Gap) -> str:
        if gap.estimate.is_zero:
            return f"equals that of {self.second} in every resampling"
        shown = constant_in_words(gap.estimate) if gap.estimate.is_constant else in_words(gap.estimate)
        said = f"differs from that of {self.second} by {shown}"
        if gap.estimate.ci95 is None or gap.estimate.is_constant:
            return f"{said}, which cannot be tested"
        if gap.estimate.num_prompts < FEW_PROMPTS:
            return f"{said}: too few prompts to test"
        if not gap.p_holm < ALPHA:
            return f"{said}: not resolved at this n ({p_in_words(gap.p_holm)})"
        good = (gap.estimate.value > 0) == self.distance.higher_is_better
        return f"{said}: significantly {'better' if good else 'worse'} ({p_in_words(gap.p_holm)})"


def compare_curves(
    curves: Sequence[Curve],
    scores: Mapping[str, pd.DataFrame],
    *,
    alignment: MetricInfo,
    distance: MetricInfo,
    num_draws: int = NUM_DRAWS,
) -> tuple[CurvePair, ...]:
    """Every pair of curves that share a range of alignment; Holm's correction runs over these pairs.

    Models of unlike guidance are compared too: nothing here is matched by weight. With more than four curves
    each is compared with the first only. Curves without a shared scored sample are not compared.
    """
    scored = [curve.with_metrics((alignment.name, distance.name)) for curve in curves]
    usable = [
        curve for curve in scored if len(curve.runs) > 1 and _by_sample(curve, scores, alignment, distance)
    ]
    pairs = list(combinations(usable, 2))
    if len(usable) > MOST_CURVES:
        pairs = [(other, usable[0]) for other in usable[1:]]
    found = [_compare(*pair, scores, alignment, distance, num_draws) for pair in pairs]
    return _corrected([pair for pair in found if pair is not None])


def _by_sample(
    curve: Curve, scores: Mapping[str, pd.DataFrame], alignment: MetricInfo, distance: MetricInfo
) -> bool:
    needed = {alignment.name, distance.name}
    return all(needed <= set(scores[run.run_id].columns) for run in curve.runs)


def _compare(
    first: Curve,
    second: Curve,
    scores: Mapping[str, pd.DataFrame],
    alignment: MetricInfo,
    distance: MetricInfo,
    num_draws: int,
) -> CurvePair | None:
    runs = [*first.runs, *second.runs]
    try:
        resampled = resample(runs, scores, [alignment.name, distance.name], num_draws=num_draws)
    except NotPaired:
        return None
    # Turned so that higher alignment and lower distance are better, whatever the metrics are.
    up, down = (1 if alignment.higher_is_better else -1), (-1 if distance.higher_is_better else 1)

    def sides(values: Mapping[str, Array]) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
        a, d = up * values[alignment.name], down * values[distance.name]
        count = len(first.runs)
        return (a[..., :count], d[..., :count]), (a[..., count:], d[..., count:])

    observed, drawn = sides(resampled.observed), sides(resampled.draws)
    levels = shared_levels(*observed, NUM_LEVELS)
    if np.isnan(levels).any():
        return None
    gap = front_at(levels, *observed[0]) - front_at(levels, *observed[1])
    # Pointwise at the observed levels; a draw whose curve does not reach one says nothing there.
    at_levels = [front_at(np.broadcast_to(levels, (num_draws, NUM_LEVELS)), *side) for side in drawn]
    num_prompts = len(resampled.panel.prompt_ids)
    at_level = widened(gap, at_levels[0] - at_levels[1], num_prompts)
    limits = np.array([_limits(column) for column in at_level.T])
    own_levels = shared_levels(*drawn, NUM_LEVELS)
    gaps = []
    for read in (lowest_at, front_at):
        value = float((read(levels, *observed[0]) - read(levels, *observed[1])).mean())
        one, other = (
            widened(float(read(levels, *seen).mean()), read(own_levels, *side).mean(axis=-1), num_prompts)
            for seen, side in zip(observed, drawn, strict=True)
        )
        # Draws that are all equal but for rounding have no spread, and so neither interval nor p.
        draws = value + without_rounding(one - other - value, np.abs(one) + np.abs(other))
        gaps.append(
            Gap(
                estimate=resampled.effect(down * value, down * draws),
                p=two_sided_p(draws, num_prompts),
                p_holm=np.nan,
                unpaired=float(1.96 * np.hypot(np.nanstd(one), np.nanstd(other)))
                if np.isfinite(draws).any()
                else np.nan,
            )
        )
    order = np.argsort(up * levels)
    return CurvePair(
        first=first.name,
        second=second.name,
        alignment=alignment,
        distance=distance,
        levels=(up * levels)[order],
        differences=(down * gap)[order],
        low=np.minimum(down * limits[:, 0], down * limits[:, 1])[order],
        high=np.maximum(down * limits[:, 0], down * limits[:, 1])[order],
        matched=gaps[0],
        front=gaps[1],
    )


def _limits(draws: Array) -> tuple[float, float]:
    known = draws[~np.isnan(draws)]
    if len(known) < len(draws) / 2:
        return float("nan"), float("nan")
    low, high = np.quantile(known, (0.025, 0.975))
    return float(low), float(high)


def _corrected(pairs: Sequence[CurvePair]) -> tuple[CurvePair, ...]:
    """With Holm's p over both gaps of all pairs."""
    adjusted = holm([gap.p for pair in pairs for gap in (pair.matched, pair.front)])
    return tuple(
        replace(
            pair,
            matched=replace(pair.matched, p_holm=float(adjusted[2 * index])),
            front=replace(pair.front, p_holm=float(adjusted[2 * index + 1])),
        )
        for index, pair in enumerate(pairs)
    )
