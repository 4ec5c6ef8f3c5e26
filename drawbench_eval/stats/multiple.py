"""Many comparisons: Holm's adjustment in families declared beforehand, and tests that can never succeed.

A category's test flips the signs of its prompts' mean preferences: under no preference each was as likely to
come out the other way. With n prompts the smallest p is 2^(1-n), so that seven prompts never reach 0.015.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drawbench_eval.stats.clustered import ROUNDING, Array

# Up to here all 2^(n-1) ways to flip are gone through.
MOST_EXACT = 20
NUM_FLIPS = 20_000


@dataclass(frozen=True, kw_only=True)
class SignFlip:
    """A two-sided test of a mean of 0, and the smallest p that so many prompts can give."""

    p_value: float
    smallest_p: float
    num_prompts: int


def holm(p_values: ArrayLike) -> Array:
    """Holm's adjusted p [m] of one family (Holm 1979, Scand. J. Stat. 6, 65).

    An undefined p (NaN) stays undefined, and still counts as a member of the family: it was planned.
    """
    p = np.asarray(p_values, dtype=np.float64)
    if p.ndim != 1 or not np.all(np.isnan(p) | ((p >= 0) & (p <= 1))):
        raise ValueError("p values: must be [m] and lie between 0 and 1")
    planned = np.where(np.isnan(p), 1.0, p)
    order = np.argsort(planned)
    steps = planned[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return np.where(np.isnan(p), np.nan, adjusted)


def holm_by_family(p_values: ArrayLike, families: ArrayLike) -> Array:
    """Holm's adjusted p [m], each within the family [m] that it was declared to belong to."""
    p, labels = np.asarray(p_values, dtype=np.float64), np.asarray(families)
    if labels.shape != p.shape:
        raise ValueError(f"p values and families: shapes {p.shape} and {labels.shape}; both must be [m]")
    adjusted = np.full(p.shape, np.nan)
    for name in np.unique(labels):
        members = labels == name
        adjusted[members] = holm(p[members])
    return adjusted


def can_be_significant(
    smallest_p: ArrayLike, families: ArrayLike, *, alpha: float = 0.05
) -> NDArray[np.bool_]:
    """Whether each of m tests could be significant after Holm, from the smallest p [m] it can give.

    Adjusted p only grow with any p of the family, so a test that fails when all are at their smallest fails
    always. An undefined p (NaN) is never significant.
    """
    return np.asarray(holm_by_family(smallest_p, families) <= alpha)


def smallest_sign_flip_p(num_prompts: int) -> float:
    """The smallest two-sided p of `sign_flip_test`; NaN without prompts."""
    if num_prompts < 1:
        return math.nan
    return 2.0 ** (1 - num_prompts) if num_prompts <= MOST_EXACT else 1.0 / (1 + NUM_FLIPS)


def sign_flip_test(means: ArrayLike, *, seed: int) -> SignFlip:
    """The share of sign flips of the prompts' means [n] whose sum is as far from 0 as the one observed.

    Exact up to 20 prompts; beyond, of 20,000 random flips and the observed one (Phipson and Smyth 2010, Stat.
    Appl. Genet. Mol. Biol. 9, 39). Prompts count as independent: the test is about these raters.
    """
    x = np.asarray(means, dtype=np.float64)
    if x.ndim != 1 or not np.isfinite(x).all():
        raise ValueError("means: must be [n] and finite")
    if len(x) == 0:
        return SignFlip(p_value=math.nan, smallest_p=math.nan, num_prompts=0)
    observed = abs(x.sum()) - ROUNDING * np.abs(x).sum()
    if len(x) <= MOST_EXACT:
        sums = x[:1]
        for value in x[1:]:
            sums = np.concatenate([sums + value, sums - value])
        p = float(np.mean(np.abs(sums) >= observed))
    else:
        signs = np.random.default_rng(seed).integers(0, 2, (NUM_FLIPS, len(x)), dtype=np.int8) * 2 - 1
        p = float((1 + np.sum(np.abs(signs @ x) >= observed)) / (1 + NUM_FLIPS))
    return SignFlip(p_value=p, smallest_p=smallest_sign_flip_p(len(x)), num_prompts=len(x))
