"""Squared maximum mean discrepancy between two sets of features, in blocks, with its error.

    MMD^2 = E k(x, x') + E k(y, y') - 2 E k(x, y)        (Gretton et al. 2012, JMLR 13)

unbiased (a U-statistic: x is not x', as in KID, Binkowski et al. 2018, arXiv:1801.01401) or with the
diagonals (a V-statistic, as in CMMD, Jayasumana et al. 2024, arXiv:2401.09603). No n x n matrix is ever held.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Kernel = Callable[[Array, Array], Array]

BLOCK = 1024


@dataclass(frozen=True, kw_only=True)
class Discrepancy:
    """MMD^2, and what each vector of either side adds to it to first order: the means of both are 0.

    The variance of MMD^2 is that of mean(influence_x) plus that of mean(influence_y).
    """

    value: float
    influence_x: Array
    influence_y: Array


def polynomial(a: Array, b: Array) -> Array:
    """KID's kernel (a.b / d + 1)^3 of rows [n, d] and [m, d]: [n, m]."""
    product = a @ b.T
    product /= a.shape[1]
    product += 1.0
    return np.asarray(product * product * product)


def gaussian(a: Array, b: Array, *, sigma: float) -> Array:
    """exp(-|a - b|^2 / (2 sigma^2)) of rows [n, d] and [m, d]: [n, m]."""
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2.0 * (a @ b.T)
    return np.asarray(np.exp(np.clip(squares, 0.0, None) / (-2.0 * sigma * sigma)))


def discrepancy(x: ArrayLike, y: ArrayLike, kernel: Kernel, *, unbiased: bool) -> Discrepancy:
    """MMD^2 of x [n, d] and y [m, d]. Raises ValueError where a side has fewer than two vectors.

    Vectors are read as float64 block by block, so float32 arrays (memory-mapped ones too) do not grow.
    """
    a, b = np.asarray(x), np.asarray(y)
    n, m = len(a), len(b)
    if min(n, m) < 2:
        raise ValueError(f"vectors: {n} and {m}; a discrepancy takes at least two on either side")
    within_x, within_y = _row_sums(a, a, kernel, drop=unbiased), _row_sums(b, b, kernel, drop=unbiased)
    across_x, across_y = _both_sums(a, b, kernel)
    pairs_x, pairs_y = (n - 1, m - 1) if unbiased else (n, m)
    mean_x, mean_y, cross = (
        within_x.sum() / (n * pairs_x),
        within_y.sum() / (m * pairs_y),
        across_x.sum() / (n * m),
    )
    return Discrepancy(
        value=float(mean_x + mean_y - 2.0 * cross),
        influence_x=2.0 * ((within_x / pairs_x - mean_x) - (across_x / m - cross)),
        influence_y=2.0 * ((within_y / pairs_y - mean_y) - (across_y / n - cross)),
    )


def _row_sums(a: NDArray[np.floating], b: NDArray[np.floating], kernel: Kernel, *, drop: bool) -> Array:
    """sum_j k(a_i, b_j) for every i, without j = i where `drop`."""
    sums = np.zeros(len(a))
    for rows in _blocks(len(a)):
        left = a[rows].astype(np.float64)
        for columns in _blocks(len(b)):
            values = kernel(left, b[columns].astype(np.float64))
            if drop and rows == columns:
                np.fill_diagonal(values, 0.0)
            sums[rows] += values.sum(axis=1)
    return sums


def _both_sums(a: NDArray[np.floating], b: NDArray[np.floating], kernel: Kernel) -> tuple[Array, Array]:
    """Row and column sums of k(a, b)."""
    by_row, by_column = np.zeros(len(a)), np.zeros(len(b))
    for rows in _blocks(len(a)):
        left = a[rows].astype(np.float64)
        for columns in _blocks(len(b)):
            values = kernel(left, b[columns].astype(np.float64))
            by_row[rows] += values.sum(axis=1)
            by_column[columns] += values.sum(axis=0)
    return by_row, by_column


def _blocks(count: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]
