"""Fronts and curves in two metrics: what is not dominated, and one curve against another at a level."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def pareto_front(x: Array, y: Array, *, x_higher: bool = False, y_higher: bool = True) -> NDArray[np.bool_]:
    """Which points are on the front: shape [n] booleans for points `x`, `y` of shape [n].

    A point is dominated when another is at least as good in both metrics and better in one, so of two equal
    points both stay. By default lower x and higher y are better. A point with a NaN is never on the front.
    """
    a = np.asarray(x, dtype=np.float64) * (1 if x_higher else -1)
    b = np.asarray(y, dtype=np.float64) * (1 if y_higher else -1)
    at_least = (a[None, :] >= a[:, None]) & (b[None, :] >= b[:, None])
    better = (a[None, :] > a[:, None]) | (b[None, :] > b[:, None])
    dominated = (at_least & better).any(axis=1)
    return ~dominated & ~np.isnan(a) & ~np.isnan(b)


def lowest_at(levels: Array, alignment: Array, distance: Array) -> Array:
    """The lowest distance that a curve reaches at each level of alignment: [levels], NaN outside its range.

    The curve is the polygon through its points in the order given (by weight). Where alignment turns down
    again the curve passes a level twice, and the better passage counts: that is the setting one would use.
    """
    levels = np.asarray(levels, dtype=np.float64)
    best = np.full(levels.shape, np.nan)
    for a0, a1, d0, d1 in zip(alignment[:-1], alignment[1:], distance[:-1], distance[1:], strict=True):
        inside = (levels >= min(a0, a1)) & (levels <= max(a0, a1))
        if a0 == a1:
            here = np.full(levels.shape, min(d0, d1))
        else:
            share = np.clip((levels - a0) / (a1 - a0), 0.0, 1.0)
            here = (1 - share) * d0 + share * d1
        best = np.where(inside, np.fmin(best, here), best)
    return best


def overlap(a: Array, b: Array) -> tuple[float, float] | None:
    """The range of alignment that both curves reach, or None where they share no more than a point."""
    low, high = max(float(np.min(a)), float(np.min(b))), min(float(np.max(a)), float(np.max(b)))
    return (low, high) if high > low else None


def matched_difference(
    first: tuple[Array, Array], second: tuple[Array, Array], *, num_levels: int = 21
) -> tuple[float, float] | None:
    """How far the first curve's distance lies above the second's at matched alignment.

    Each curve is (alignment, distance) in order of weight. Over `num_levels` equally spaced levels of the
    range that both reach: the mean difference, and the share of levels where the first is at or below the
    second. None where the ranges do not overlap.
    """
    shared = overlap(first[0], second[0])
    if shared is None or min(len(first[0]), len(second[0])) < 2:
        return None
    levels = np.linspace(*shared, num_levels)
    gap = lowest_at(levels, *first) - lowest_at(levels, *second)
    return float(np.mean(gap)), float(np.mean(gap <= 0))
