"""Rates and means of judgements as the paper prints them, and beside them what their clusters allow.

Three intervals of each value: the pooled one takes every judgement as independent, as Table 2 of the paper
(arXiv:2205.11487) must have; the clustered one allows for prompts and raters (`stats.twoway`); and a
bootstrap over prompts checks it where raters are alike. Where they are not, only the clustered one holds
(docs/statistics.md).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtri
from scipy.stats import binomtest

from drawbench_eval.stats.bootstrap import NUM_DRAWS, bootstrap_mean, percentile_interval
from drawbench_eval.stats.clustered import Array, Estimate, share_interval, t_quantile
from drawbench_eval.stats.twoway import TwoWay, two_way_macro, two_way_mean

LEVEL = 0.95

A, INDIFFERENT, B = 1, 0, -1

Interval = tuple[float, float]
UNDEFINED: Interval = (math.nan, math.nan)

# Of judgements: 0 and 1 alone, from 0 to 1, or any numbers.
_Scale = Literal["share", "bounded", "any"]


@dataclass(frozen=True, kw_only=True)
class Rate:
    """A share or mean of n judgements; NaN where there are none.

    `ci95_clustered` and `clustered` are None without prompts and raters, `ci95_bootstrap` without prompts; an
    interval that is undefined (one prompt, one rater) has NaN on both sides.
    """

    value: float
    n: int
    ci95_pooled: Interval
    ci95_clustered: Interval | None
    ci95_bootstrap: Interval | None
    clustered: TwoWay | None

    def p_value(self, expected: float) -> float:
        """Two-sided p of a true value of `expected`, from the clustered error; NaN without one."""
        if self.clustered is None:
            return math.nan
        estimate = self.clustered.estimate
        return estimate.moved_to(estimate.value - expected).p_value


@dataclass(frozen=True, kw_only=True)
class Preference:
    """Shares of a choice between two sides, in [0, 1], and the rate of a by both conventions.

    `dropped` is the share of a among those who preferred a side; `split` gives each side half of the
    indifferent. The paper does not say which of them its bars show.
    """

    a: Rate
    indifferent: Rate
    b: Rate
    dropped: Rate
    split: Rate


@dataclass(frozen=True, kw_only=True)
class Wins:
    """In how many categories more judgements preferred a, in how many b, and in how many neither led."""

    a: int
    b: int
    even: int


def share_rate(
    chosen: ArrayLike,
    prompts: ArrayLike | None,
    raters: ArrayLike | None,
    *,
    seed: int,
    categories: ArrayLike | None = None,
    num_draws: int = NUM_DRAWS,
) -> Rate:
    """The share of judgements [n] that are 1 (the others are 0).

    With `categories` [n] it is the macro average: the plain mean of the categories' shares. Intervals are
    Wilson's, clustered ones at the effective sample size; the pooled one of a macro average is normal.
    """
    x = np.asarray(chosen, dtype=np.float64)
    odd = x[(x != 0) & (x != 1)]
    if len(odd):
        raise ValueError(f"judgements: {odd[0]:g} is neither 0 nor 1")
    return _rate(x, prompts, raters, categories, seed=seed, num_draws=num_draws, scale="share")


def mean_rate(
    values: ArrayLike,
    prompts: ArrayLike | None,
    raters: ArrayLike | None,
    *,
    seed: int,
    categories: ArrayLike | None = None,
    num_draws: int = NUM_DRAWS,
) -> Rate:
    """The mean of judgements [n] on any scale, such as 100 / 50 / 0; with `categories` the macro average.

    Where all judgements are equal an error of 0 says nothing, and the intervals are undefined.
    """
    x = np.asarray(values, dtype=np.float64)
    return _rate(x, prompts, raters, categories, seed=seed, num_draws=num_draws, scale="any")


def preference(
    choices: ArrayLike,
    prompts: ArrayLike | None,
    raters: ArrayLike | None,
    *,
    seed: int,
    categories: ArrayLike | None = None,
    num_draws: int = NUM_DRAWS,
) -> Preference:
    """The shares of choices [n]: 1 for a, 0 for indifferent, -1 for b.

    With `categories` all are macro averages; `dropped` then averages the categories in which anybody
    preferred a side. Raises ValueError for another choice.
    """
    x = np.asarray(choices, dtype=np.float64)
    odd = x[~np.isin(x, (A, INDIFFERENT, B))]
    if len(odd):
        raise ValueError(f"choices: {odd[0]:g} is none of 1 (a), 0 (indifferent), -1 (b)")
    decided = x != INDIFFERENT

    def of(values: Array, kept: NDArray[np.bool_] | slice, *, scale: _Scale = "share") -> Rate:
        labels = [None if kind is None else np.asarray(kind)[kept] for kind in (prompts, raters, categories)]
        return _rate(values[kept], *labels, seed=seed, num_draws=num_draws, scale=scale)

    whole = slice(None)
    chose_a = (x == A).astype(np.float64)
    return Preference(
        a=of(chose_a, whole),
        indifferent=of((~decided).astype(np.float64), whole),
        b=of((x == B).astype(np.float64), whole),
        dropped=of(chose_a, decided),
        split=of((x + 1) / 2, whole, scale="bounded"),
    )


def category_wins(choices: ArrayLike, categories: ArrayLike) -> Wins:
    """Which side each category's choices [n] (1, 0, -1) prefer on the whole, counted."""
    sums = np.bincount(np.unique(np.asarray(categories), return_inverse=True)[1], weights=np.asarray(choices))
    return Wins(a=int((sums > 0).sum()), b=int((sums < 0).sum()), even=int((sums == 0).sum()))


def _rate(
    x: Array,
    prompts: ArrayLike | None,
    raters: ArrayLike | None,
    categories: ArrayLike | None,
    *,
    seed: int,
    num_draws: int,
    scale: _Scale,
) -> Rate:
    clustered, ci95_clustered = None, None
    if prompts is not None or raters is not None:
        if categories is None:
            clustered = two_way_mean(x, prompts, raters)
        else:
            clustered = two_way_macro(x, categories, prompts, raters)
        estimate = clustered.estimate
        ci95_clustered = _interval(estimate, scale)
    strata = _strata(len(x), categories)
    return Rate(
        value=float(np.mean([x[rows].mean() for rows in strata])) if len(x) else math.nan,
        n=len(x),
        ci95_pooled=_pooled_interval(x, strata, scale),
        ci95_clustered=ci95_clustered,
        ci95_bootstrap=None if prompts is None else _bootstrap_interval(x, prompts, strata, seed, num_draws),
        clustered=clustered,
    )


def _strata(n: int, categories: ArrayLike | None) -> list[NDArray[np.int64]]:
    """The rows of each category, or all rows where there are none."""
    codes = np.zeros(n, dtype=np.int64)
    if categories is not None:
        codes = np.unique(np.asarray(categories), return_inverse=True)[1]
    return [np.flatnonzero(codes == code) for code in range(int(codes.max(initial=-1)) + 1)]


def _interval(estimate: Estimate, scale: _Scale) -> Interval:
    if scale == "share":
        return share_interval(estimate, LEVEL)
    if scale == "bounded":
        return bounded_interval(estimate)
    return estimate.interval(LEVEL) if estimate.standard_error != 0 else UNDEFINED


def _pooled_interval(x: Array, strata: list[NDArray[np.int64]], scale: _Scale) -> Interval:
    """The interval of judgements that are all independent, of one stratum by the normal quantile."""
    if scale == "share" and len(strata) == 1:
        wilson = binomtest(int(x.sum()), len(x)).proportion_ci(LEVEL, method="wilson")
        return float(wilson.low), float(wilson.high)
    if not strata or min(map(len, strata)) < 2:
        return UNDEFINED
    value = float(np.mean([x[rows].mean() for rows in strata]))
    variance = sum(float(x[rows].var(ddof=1)) / len(rows) for rows in strata) / len(strata) ** 2
    quantile = float(ndtri(0.5 + LEVEL / 2))
    if scale == "bounded" and len(strata) == 1:
        return _wilson(value, variance, quantile, len(x))
    if variance == 0:
        return UNDEFINED
    reach = quantile * math.sqrt(variance)
    return value - reach, value + reach


def bounded_interval(estimate: Estimate) -> Interval:
    """Wilson's interval of a clustered mean of values in [0, 1], such as choices with ties as one half.

    n is replaced by p(1-p)/SE^2 and z by t(C-1), as in `stats.clustered.share_interval`, but it may be above
    the number of judgements, since values between 0 and 1 vary less than shares. Where all values agree the
    number of clusters stands for n.
    """
    quantile = t_quantile(estimate.num_clusters - 1, LEVEL)
    if math.isnan(quantile) or math.isnan(estimate.standard_error):
        return UNDEFINED
    return _wilson(estimate.value, estimate.standard_error**2, quantile, estimate.num_clusters)


def _wilson(p: float, variance: float, quantile: float, n_without_error: float) -> Interval:
    spread = p * (1.0 - p)
    n = spread / variance if spread > 0 and variance > 0 else n_without_error
    weight = quantile**2 / n
    centre = (p + weight / 2) / (1 + weight)
    reach = math.sqrt(weight) / (1 + weight) * math.sqrt(spread + weight / 4)
    return max(centre - reach, 0.0), min(centre + reach, 1.0)


def _bootstrap_interval(
    x: Array, prompts: ArrayLike, strata: list[NDArray[np.int64]], seed: int, num_draws: int
) -> Interval:
    """The percentile interval of the mean over resampled prompts, those of each category by themselves."""
    if not strata:
        return UNDEFINED
    labels = np.asarray(prompts)
    seeds = np.random.SeedSequence(seed).generate_state(len(strata))
    draws = [
        bootstrap_mean(x[rows], labels[rows], seed=int(own), num_draws=num_draws)
        for rows, own in zip(strata, seeds, strict=True)
    ]
    return percentile_interval(np.mean(draws, axis=0), LEVEL)
