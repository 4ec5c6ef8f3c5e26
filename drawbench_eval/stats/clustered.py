"""Means and paired differences of per-sample scores, with errors clustered by prompt.

Images of one prompt are alike, so the prompt and not the image is the unit that was drawn. With x_ci image i
of prompt c, n images and C prompts,

    SE^2 = C/(C-1) * sum_c (sum_i (x_ci - mean))^2 / n^2,    interval = mean +- t(C-1) SE

(Miller 2024, arXiv:2411.00640, section 2.2, with the small-sample factor). One cluster has no error: NaN,
never 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr, stdtrit

Array = NDArray[np.float64]

# What floats leave of a sum that is 0, as a share of the size of its terms.
ROUNDING = 1e-12


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A value, its standard error, and how many samples in how many clusters they rest on."""

    value: float
    standard_error: float
    n: int
    num_clusters: int

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The value +- t(C-1) * SE; NaN on both sides where the error is undefined."""
        reach = t_quantile(self.num_clusters - 1, level) * self.standard_error
        return self.value - reach, self.value + reach

    @property
    def p_value(self) -> float:
        """Two-sided p of a true value of 0, by t with C - 1 degrees of freedom.

        NaN where the error is 0 or undefined.
        """
        if not self.standard_error > 0:
            return math.nan
        return float(2.0 * stdtr(self.num_clusters - 1, -abs(self.value) / self.standard_error))

    def moved_to(self, value: float) -> Estimate:
        """The same error around another value: for statistics whose error is that of their mean influence."""
        return Estimate(
            value=value, standard_error=self.standard_error, n=self.n, num_clusters=self.num_clusters
        )


def t_quantile(degrees: float, level: float) -> float:
    """How many standard errors the two-sided interval of this level reaches.

    NaN without degrees of freedom.
    """
    return float(stdtrit(degrees, 0.5 + level / 2)) if degrees > 0 else math.nan


def clustered_mean(values: ArrayLike, clusters: ArrayLike) -> Estimate:
    """The mean of values [n] and its error clustered by labels [n].

    Unscored (NaN) values must be left out before.
    """
    x = np.asarray(values, dtype=np.float64)
    labels = np.asarray(clusters)
    if x.ndim != 1 or labels.shape != x.shape:
        raise ValueError(f"values and clusters: shapes {x.shape} and {labels.shape}; both must be [n]")
    if not np.isfinite(x).all():
        raise ValueError("values: some are not finite; leave unscored samples out and count them")
    if len(x) == 0:
        return Estimate(value=math.nan, standard_error=math.nan, n=0, num_clusters=0)
    mean = float(x.mean())
    _, index = np.unique(labels, return_inverse=True)
    deviations = without_rounding(x - mean, float(np.abs(x).max()))
    sums = without_rounding(_sums(deviations, index), _sums(np.abs(x), index))
    count = len(sums)
    error = math.sqrt(count / (count - 1) * float(np.square(sums).sum())) / len(x) if count > 1 else math.nan
    return Estimate(value=mean, standard_error=error, n=len(x), num_clusters=count)


def _sums(values: Array, index: NDArray[np.intp]) -> Array:
    return np.asarray(np.bincount(index, weights=values), dtype=np.float64)


def without_rounding(values: Array, scale: Array | float) -> Array:
    """The values, 0 where they are rounding beside terms of size `scale`: else equal values get an error."""
    return np.where(np.abs(values) <= ROUNDING * scale, 0.0, values)


def share_interval(share: Estimate, level: float = 0.95) -> tuple[float, float]:
    """The Wilson interval of a clustered share of yes-or-no values, at its effective sample size.

    Wilson 1927 with n replaced by min(n, p(1-p)/SE^2) and z by t(C-1) (Dean and Pagano 2015, J. Surv. Stat.
    Methodol. 3, 484). Where all values agree the error is 0 and says nothing: then the number of clusters
    stands for n. An undefined error leaves the interval undefined.
    """
    p = share.value
    t = t_quantile(share.num_clusters - 1, level)
    if math.isnan(t) or math.isnan(share.standard_error):
        return math.nan, math.nan
    spread = p * (1.0 - p)
    n = float(share.num_clusters) if spread <= 0.0 else share.n
    if spread > 0.0 and share.standard_error > 0.0:
        n = min(n, spread / share.standard_error**2)
    centre = (p + t * t / (2 * n)) / (1 + t * t / n)
    reach = t / (1 + t * t / n) * math.sqrt(spread / n + t * t / (4 * n * n))
    return max(centre - reach, 0.0), min(centre + reach, 1.0)


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """Mean of a - b over the samples that both have, and how many samples of either side found no partner."""

    difference: Estimate
    num_unpaired_a: int
    num_unpaired_b: int


PairKey = tuple[str, int]


def paired_difference(
    values_a: ArrayLike, keys_a: Sequence[PairKey], values_b: ArrayLike, keys_b: Sequence[PairKey]
) -> PairedDifference:
    """The mean difference a - b over samples of equal (prompt id, seed), its error clustered by prompt.

    Samples that are unscored (NaN) on either side, or that only one side has, are left out and counted. For a
    Frechet distance the values are influences: then the difference of the two distances has this error
    (`Estimate.moved_to`). Raises ValueError when a side names one (prompt id, seed) twice.
    """
    a = _by_key("a", values_a, keys_a)
    b = _by_key("b", values_b, keys_b)
    shared = [key for key in a if key in b]
    estimate = clustered_mean(
        [a[key] - b[key] for key in shared], np.array([key[0] for key in shared], dtype=str)
    )
    return PairedDifference(
        difference=estimate,
        num_unpaired_a=len(keys_a) - len(shared),
        num_unpaired_b=len(keys_b) - len(shared),
    )


def _by_key(side: str, values: ArrayLike, keys: Sequence[PairKey]) -> dict[PairKey, float]:
    x = np.asarray(values, dtype=np.float64)
    if x.shape != (len(keys),):
        raise ValueError(f"side {side}: {x.shape} values for {len(keys)} keys; there must be one for each")
    seen: set[PairKey] = set()
    for key in keys:
        if key in seen:
            raise ValueError(
                f"side {side}: prompt {key[0]!r} with seed {key[1]} appears twice; pairs must be unique"
            )
        seen.add(key)
    return {key: float(value) for key, value in zip(keys, x, strict=True) if np.isfinite(value)}
