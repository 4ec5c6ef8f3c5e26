"""Precision, recall, density and coverage: how two sets of features lie in each other's neighbourhoods.

With NND_k(v) the distance of v to its k-th nearest neighbour in its own set (itself not counted):

    precision = share of generated x with |x - y| < NND_k(y) for some reference y
    recall    = share of reference y with |x - y| < NND_k(x) for some generated x
    density   = mean over generated x of (number of reference y with |x - y| < NND_k(y)) / k
    coverage  = share of reference y with |x - y| < NND_k(y) for some generated x

(Kynkaanniemi et al. 2019, arXiv:1904.06991; Naeem et al. 2020, arXiv:2002.09797). Distances are taken in
blocks, float64; no n x n matrix is ever held.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

BLOCK = 1024


@dataclass(frozen=True, kw_only=True)
class Neighborhoods:
    """Per vector: what the four measures are means of.

    realistic [n]: generated vectors inside the reference's manifold (precision). density [n]. recalled [m]:
    reference vectors inside the generated manifold (recall). covered [m]: reference vectors with a generated
    one in their own ball (coverage).
    """

    realistic: Flags
    density: Array
    recalled: Flags
    covered: Flags


def neighborhoods(generated: ArrayLike, reference: ArrayLike, *, k: int = 5) -> Neighborhoods:
    """The neighbourhoods of generated [n, d] and reference [m, d].

    Raises ValueError where either side has no k-th neighbour.
    """
    x, y = _centred(np.asarray(generated), np.asarray(reference))
    if min(len(x), len(y)) <= k:
        raise ValueError(f"vectors: {len(x)} and {len(y)}; with k = {k} either side needs at least {k + 1}")
    radius_x, radius_y = kth_distance(x, k), kth_distance(y, k)
    density = np.zeros(len(x))
    recalled, covered = np.zeros(len(y), dtype=np.bool_), np.zeros(len(y), dtype=np.bool_)
    for rows in _blocks(len(x)):
        for columns in _blocks(len(y)):
            squares = _squares(x[rows], y[columns])
            inside_y = squares < radius_y[None, columns]
            density[rows] += inside_y.sum(axis=1)
            covered[columns] |= inside_y.any(axis=0)
            recalled[columns] |= (squares < radius_x[rows, None]).any(axis=0)
    return Neighborhoods(realistic=density > 0, density=density / k, recalled=recalled, covered=covered)


def kth_distance(vectors: Array, k: int) -> Array:
    """The squared distance of each vector [n, d] to its k-th nearest other: [n]."""
    radii = np.empty(len(vectors))
    for rows in _blocks(len(vectors)):
        best: Array = np.full((rows.stop - rows.start, k), np.inf)
        for columns in _blocks(len(vectors)):
            squares = _squares(vectors[rows], vectors[columns])
            if rows == columns:
                np.fill_diagonal(squares, np.inf)
            both = np.concatenate([best, squares], axis=1)
            best = np.partition(both, k - 1, axis=1)[:, :k]
        radii[rows] = best.max(axis=1)
    return radii


def _centred(x: NDArray[np.floating], y: NDArray[np.floating]) -> tuple[Array, Array]:
    """Both sets about the reference's mean: |a|^2 + |b|^2 - 2 a.b would cancel far from the origin."""
    mean = y.mean(axis=0, dtype=np.float64)
    return x - mean, y - mean


def _squares(a: Array, b: Array) -> Array:
    squares = np.square(a).sum(1)[:, None] + np.square(b).sum(1)[None] - 2.0 * (a @ b.T)
    return np.asarray(np.clip(squares, 0.0, None))


def _blocks(count: int) -> list[slice]:
    return [slice(start, min(start + BLOCK, count)) for start in range(0, count, BLOCK)]
