"""The cluster bootstrap by totals: whole clusters are drawn with replacement, and no row is ever copied.

A statistic of sums over rows needs of each cluster only its own sums s_c. A draw counts how often each
cluster came, w ~ Multinomial(C; 1/C, ..., 1/C), and its totals are sum_c w_c s_c: a matrix product for many
draws at once (Efron and Tibshirani 1993, An Introduction to the Bootstrap, section 8).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drawbench_eval.stats.clustered import Array

NUM_DRAWS = 10_000
# Numbers held at once; blocks that stay in a processor's cache are three times as fast as large ones.
BLOCK = 2**18
# A statistic that is undefined in a larger share of the draws has no interval.
MOST_UNDEFINED = 0.05


def cluster_sums(columns: ArrayLike, clusters: ArrayLike) -> Array:
    """The sums [C, m] of columns [n, m] in each of the C clusters of labels [n], in the labels' order."""
    rows = np.asarray(columns, dtype=np.float64)
    labels = np.asarray(clusters)
    if rows.ndim != 2 or labels.shape != rows.shape[:1]:
        raise ValueError(f"columns and clusters: shapes {rows.shape} and {labels.shape}; [n, m] and [n]")
    names, index = np.unique(labels, return_inverse=True)
    sums = np.empty((len(names), rows.shape[1]))
    for column in range(rows.shape[1]):
        sums[:, column] = np.bincount(index, weights=rows[:, column], minlength=len(names))
    return sums


def cluster_draws(num_clusters: int, num_draws: int, *, seed: int, width: int = 1) -> Iterator[Array]:
    """How often each cluster comes in each draw: blocks [b, C] with `num_draws` rows in all.

    The draws depend on the seed alone; `width`, how many numbers a caller makes of each draw, only keeps the
    blocks small.
    """
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK // max(num_clusters, width, 1))
    for start in range(0, num_draws, block):
        rows = min(block, num_draws - start)
        drawn: NDArray[np.int64] = rng.integers(num_clusters, size=(rows, num_clusters))
        drawn += np.arange(rows)[:, None] * num_clusters
        counts = np.bincount(drawn.ravel(), minlength=rows * num_clusters)
        yield counts.reshape(rows, num_clusters).astype(np.float64)


def bootstrap(
    sums: Array, statistic: Callable[[Array], Array], *, seed: int, num_draws: int = NUM_DRAWS
) -> Array:
    """A statistic of the totals of resampled clusters: [num_draws], or [num_draws, q] of q statistics.

    `sums` [C, m] are one cluster's a row; `statistic` turns totals [b, m] into values [b] or [b, q].
    """
    clusters, width = sums.shape
    blocks = cluster_draws(clusters, num_draws, seed=seed, width=width)
    return np.concatenate([statistic(weights @ sums) for weights in blocks])


def percentile_interval(draws: Array, level: float = 0.95) -> tuple[float, float]:
    """The quantiles of draws [d] that leave (1 - level)/2 on either side.

    Draws in which the statistic is undefined (NaN) are left out; where they are more than one in twenty the
    interval is undefined too.
    """
    defined = draws[~np.isnan(draws)]
    if len(defined) == 0 or len(draws) - len(defined) > MOST_UNDEFINED * len(draws):
        return math.nan, math.nan
    low, high = np.quantile(defined, ((1 - level) / 2, (1 + level) / 2))
    return float(low), float(high)


def ratio(totals: Array) -> Array:
    """The first of two totals over the second; NaN where the second is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(totals[..., 1] != 0, totals[..., 0] / totals[..., 1], np.nan))


def bootstrap_mean(values: ArrayLike, clusters: ArrayLike, *, seed: int, num_draws: int = NUM_DRAWS) -> Array:
    """Means of values [n] under resampled clusters [n]: [num_draws]. One cluster has no spread: NaN."""
    x = np.asarray(values, dtype=np.float64)
    sums = cluster_sums(np.column_stack([x, np.ones_like(x)]), clusters)
    if len(sums) < 2:
        return np.full(num_draws, np.nan)
    return bootstrap(sums, ratio, seed=seed, num_draws=num_draws)
