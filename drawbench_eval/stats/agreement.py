"""How far raters agree: Krippendorff's alpha, Fleiss's kappa, and the plain share of agreeing pairs.

Everything follows from counts [U, k], how often each of k levels was given to each of U units, so that raters
may be missing anywhere. With m_u ratings of unit u, 2 or more, and c_u its counts,

    o = sum_u (c_u c_u' - diag c_u) / (m_u - 1),    n = o 1,    N = sum n,
    alpha = 1 - (N - 1) sum_kl o_kl d_kl / sum_kl n_k n_l d_kl,

d the squared difference of levels: 1 for unequal ones (nominal), of their values (interval), of their
mid-ranks in n (ordinal) (Krippendorff 2018, Content Analysis, section 12.3). kappa = (P - E) / (1 - E) with
P the mean over units of the share of agreeing pairs and E = sum_k p_k^2 (Fleiss 1971, Psychol. Bull. 76,
378); where units have unequal numbers of ratings, p are the shares among all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from drawbench_eval.stats.bootstrap import NUM_DRAWS, bootstrap, percentile_interval
from drawbench_eval.stats.clustered import Array

ALPHAS = ("nominal", "ordinal", "interval")
MEASURES = (*ALPHAS, "fleiss", "raw")
# A coincidence matrix has this many rows; more levels than a slider's 0 to 100 are measurements.
MOST_LEVELS = 101


@dataclass(frozen=True, kw_only=True)
class RatingCounts:
    """How often each level was given to each unit: counts [U, k] of rising levels [k]."""

    counts: Array
    levels: Array

    @property
    def pairable(self) -> Array:
        """The counts of units with two ratings or more; the others say nothing of agreement."""
        return np.asarray(self.counts[self.counts.sum(axis=1) >= 2])


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """One measure of agreement, 1 where all agree; NaN where it is undefined.

    `num_units` have two ratings or more, `num_ratings` in all, and are what it rests on; `num_single` units
    with one rating are left out.
    """

    measure: str
    value: float
    ci95: tuple[float, float]
    num_units: int
    num_ratings: int
    num_single: int


def count_ratings(values: ArrayLike, units: ArrayLike) -> RatingCounts:
    """Counts of ratings [n] of units [n], in the order of the units' labels.

    Raises ValueError for ratings that are not finite numbers, for shapes that differ and for more than 101
    levels.
    """
    x, labels = np.asarray(values, dtype=np.float64), np.asarray(units)
    if x.ndim != 1 or labels.shape != x.shape:
        raise ValueError(f"ratings and units: shapes {x.shape} and {labels.shape}; both must be [n]")
    if not np.isfinite(x).all():
        raise ValueError("ratings: some are not finite; leave missing ones out")
    levels, level = np.unique(x, return_inverse=True)
    if len(levels) > MOST_LEVELS:
        raise ValueError(
            f"ratings: {len(levels)} unequal values; agreement takes at most {MOST_LEVELS} levels"
        )
    names, unit = np.unique(labels, return_inverse=True)
    counts = np.bincount(unit * len(levels) + level, minlength=len(names) * len(levels))
    return RatingCounts(counts=counts.reshape(len(names), len(levels)).astype(np.float64), levels=levels)


def count_table(table: ArrayLike) -> RatingCounts:
    """Counts of a table [U, R], a row a unit and a column a rater; NaN where a rating is missing.

    A unit without ratings has no row in the counts.
    """
    x = np.asarray(table, dtype=np.float64)
    if x.ndim != 2:
        raise ValueError(f"table: shape {x.shape}; must be [units, raters]")
    unit, rater = np.nonzero(~np.isnan(x))
    return count_ratings(x[unit, rater], unit)


def agreement(
    ratings: RatingCounts,
    measures: Sequence[str] = MEASURES,
    *,
    seed: int,
    num_draws: int = NUM_DRAWS,
) -> tuple[Agreement, ...]:
    """The measures of agreement, each with the percentile interval of a bootstrap over units.

    Undefined (NaN) are alpha and kappa where all ratings are equal, everything without a unit that was rated
    twice, and the interval of a single unit. Raises ValueError for an unknown measure.
    """
    unknown = [measure for measure in measures if measure not in MEASURES]
    if unknown:
        raise ValueError(f"measure {unknown[0]!r}: is none of {', '.join(MEASURES)}")
    counts = ratings.pairable
    values = np.full(len(measures), np.nan)
    intervals = [(math.nan, math.nan)] * len(measures)
    sums = _sums(counts)

    def statistics(totals: Array) -> Array:
        return np.column_stack([_measure(measure, totals, ratings.levels) for measure in measures])

    if len(counts):
        values = statistics(sums.sum(axis=0)[None])[0]
    if len(counts) > 1:
        draws = bootstrap(sums, statistics, seed=seed, num_draws=num_draws)
        intervals = [percentile_interval(of_measure) for of_measure in draws.T]
    return tuple(
        Agreement(
            measure=measure,
            value=float(value),
            ci95=ci95,
            num_units=len(counts),
            num_ratings=int(counts.sum()),
            num_single=len(ratings.counts) - len(counts),
        )
        for measure, value, ci95 in zip(measures, values, intervals, strict=True)
    )


def _sums(counts: Array) -> Array:
    """Of each unit its share of agreeing pairs, 1, its counts and coincidences: [U, 2 + k + k * k]."""
    num_levels = counts.shape[1]
    size = counts.sum(axis=1, keepdims=True)
    agreeing = (np.square(counts).sum(axis=1, keepdims=True) - size) / (size * (size - 1))
    pairs = np.einsum("uk,ul->ukl", counts, counts)
    diagonal = np.arange(num_levels)
    pairs[:, diagonal, diagonal] -= counts
    pairs /= (size - 1)[:, :, None]
    return np.hstack([agreeing, np.ones_like(size), counts, pairs.reshape(len(counts), num_levels**2)])


def _measure(measure: str, totals: Array, levels: Array) -> Array:
    """A measure of totals [b, 2 + k + k * k]: [b]."""
    num_levels = len(levels)
    agreeing = totals[:, 0] / totals[:, 1]
    given, observed = totals[:, 2 : 2 + num_levels], totals[:, 2 + num_levels :]
    if measure == "raw":
        return agreeing
    if measure == "fleiss":
        return _fleiss(agreeing, given)
    return _alpha(observed.reshape(-1, num_levels, num_levels), levels, measure)


def _alpha(observed: Array, levels: Array, metric: str) -> Array:
    """Alpha of summed coincidences [b, k, k]: [b]."""
    marginal = observed.sum(axis=2)
    if metric == "nominal":
        squares = np.broadcast_to(1.0 - np.eye(len(levels)), observed.shape)
    else:
        ranks = np.cumsum(marginal, axis=1) - marginal / 2
        position = ranks if metric == "ordinal" else np.broadcast_to(levels, marginal.shape)
        squares = np.square(position[:, :, None] - position[:, None, :])
    disagreement = (observed * squares).sum(axis=(1, 2))
    by_chance = np.einsum("bk,bl,bkl->b", marginal, marginal, squares) / (marginal.sum(axis=1) - 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(by_chance > 0, 1.0 - disagreement / by_chance, np.nan))


def _fleiss(agreeing: Array, given: Array) -> Array:
    """Kappa of mean shares of agreeing pairs [b] and totals of each level [b, k]: [b]."""
    by_chance = np.square(given / given.sum(axis=1, keepdims=True)).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(by_chance < 1, (agreeing - by_chance) / (1.0 - by_chance), np.nan))
