"""What a study of so many prompts and raters can find, and how alike judgements of one prompt or rater are.

A judgement's variance s^2 is made of a prompt's part, a rater's part and the rest; the intraclass
correlations rho_p and rho_r are their shares. With P prompts, R raters and n judgements the mean has

    SE^2 = s^2 (rho_p / P + rho_r / R + (1 - rho_p - rho_r) / n),

and a difference is detectable where t with min(P, R) - 1 degrees of freedom, centred at difference / SE,
exceeds its own critical value with the power asked for (Miller 2024, arXiv:2411.00640, section 5, with a
second kind of cluster).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import nctdtrinc, stdtrit

from drawbench_eval.stats.clustered import Array


@dataclass(frozen=True, kw_only=True)
class Intraclass:
    """The variance of a judgement, and the shares of it that prompts and raters make."""

    variance: float
    prompt: float
    rater: float


@dataclass(frozen=True, kw_only=True)
class Detectable:
    """The smallest difference between the shares of a and of b that a design finds; NaN where it finds none.

    By the split convention the rate of a is then 0.5 + difference / 2.
    """

    num_prompts: int
    num_raters: int
    ratings_per_prompt: int
    difference: float


def intraclass(values: ArrayLike, prompts: ArrayLike, raters: ArrayLike) -> Intraclass:
    """Intraclass correlations of judgements [n] by prompts [n] and raters [n].

    With g the mean of (x_i - x_j)^2 / 2 over pairs of judgements that share nothing, their prompt alone or
    their rater alone, the variance is g_nothing, a prompt's part g_nothing - g_prompt, and a rater's part
    g_nothing - g_rater: unbiased for any design. Parts below 0 count as 0. NaN where there are no such pairs.
    """
    x = np.asarray(values, dtype=np.float64)
    labels = [np.unique(np.asarray(kind), return_inverse=True)[1] for kind in (prompts, raters)]
    if x.ndim != 1 or any(codes.shape != x.shape for codes in labels):
        raise ValueError("judgements, prompts and raters: must all be [n]")
    x = x - x.mean() if len(x) else x
    by_prompt, by_rater = labels
    cells = by_prompt * (by_rater.max(initial=0) + 1) + by_rater
    every, prompt, rater, cell = (
        _half_squares(x, codes) for codes in (np.zeros(len(x), dtype=np.int64), by_prompt, by_rater, cells)
    )
    nothing = _mean(every - prompt - rater + cell)
    within_prompt, within_rater = _mean(prompt - cell), _mean(rater - cell)
    if not nothing > 0:
        return Intraclass(variance=nothing, prompt=math.nan, rater=math.nan)
    return Intraclass(
        variance=nothing,
        prompt=float(np.maximum(1.0 - within_prompt / nothing, 0.0)),
        rater=float(np.maximum(1.0 - within_rater / nothing, 0.0)),
    )


def detectable_difference(
    num_prompts: int,
    num_raters: int,
    *,
    ratings_per_prompt: int,
    icc_prompt: float,
    icc_rater: float,
    share_indifferent: float = 0.0,
    power: float = 0.8,
    alpha: float = 0.05,
) -> float:
    """The smallest difference between the shares of a and b found with this power in a two-sided test.

    Choices count as 1, 0, -1, with the variance 1 - share_indifferent that they have near no preference. NaN
    with fewer than two prompts or raters, and above 1: no preference is larger. For a test among m by Holm
    alpha / m is the safe level. Raises ValueError for figures that no study can have.
    """
    if min(num_prompts, num_raters, ratings_per_prompt) < 1 or ratings_per_prompt > num_raters:
        raise ValueError(
            f"{num_prompts} prompts, {num_raters} raters, {ratings_per_prompt} ratings a prompt: each must be"
            " 1 or more, and a rater judges a prompt once"
        )
    if min(icc_prompt, icc_rater) < 0 or icc_prompt + icc_rater > 1:
        raise ValueError(
            f"icc_prompt {icc_prompt:g}, icc_rater {icc_rater:g}: must be 0 or more, and sum to 1 at most"
        )
    if not 0 <= share_indifferent < 1:
        raise ValueError(f"share_indifferent: {share_indifferent:g}; must be 0 or more and below 1")
    if not (0 < alpha < power < 1):
        raise ValueError(f"alpha {alpha:g}, power {power:g}: must lie between 0 and 1, power above alpha")
    degrees = min(num_prompts, num_raters) - 1
    if degrees < 1:
        return math.nan
    rest = 1.0 - icc_prompt - icc_rater
    variance = icc_prompt / num_prompts + icc_rater / num_raters + rest / (num_prompts * ratings_per_prompt)
    shift = float(nctdtrinc(degrees, 1.0 - power, stdtrit(degrees, 1.0 - alpha / 2)))
    difference = shift * math.sqrt((1.0 - share_indifferent) * variance)
    return difference if difference <= 1.0 else math.nan


def power_table(
    nums_prompts: Sequence[int],
    nums_raters: Sequence[int],
    *,
    ratings_per_prompt: Sequence[int],
    icc_prompt: float,
    icc_rater: float,
    share_indifferent: float = 0.0,
    power: float = 0.8,
    alpha: float = 0.05,
) -> tuple[Detectable, ...]:
    """What every design detects, prompts first; more ratings a prompt than raters are no design."""
    return tuple(
        Detectable(
            num_prompts=prompts,
            num_raters=raters,
            ratings_per_prompt=ratings,
            difference=detectable_difference(
                prompts,
                raters,
                ratings_per_prompt=ratings,
                icc_prompt=icc_prompt,
                icc_rater=icc_rater,
                share_indifferent=share_indifferent,
                power=power,
                alpha=alpha,
            ),
        )
        for prompts, raters, ratings in product(nums_prompts, nums_raters, ratings_per_prompt)
        if ratings <= raters
    )


def _half_squares(x: Array, codes: np.ndarray[tuple[int, ...], np.dtype[np.int64]]) -> Array:
    """The sum of (x_i - x_j)^2 over unordered pairs with equal codes, and twice their number."""
    size = np.bincount(codes).astype(np.float64)
    sums = np.bincount(codes, weights=x)
    squares = np.bincount(codes, weights=np.square(x))
    return np.array([float((size * squares - np.square(sums)).sum()), float((size * (size - 1)).sum())])


def _mean(sum_and_count: Array) -> float:
    return float(sum_and_count[0] / sum_and_count[1]) if sum_and_count[1] > 0 else math.nan
