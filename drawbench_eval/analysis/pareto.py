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
    """The lowest distance that a curve reaches at each level of alignment: [..., levels], NaN outside its
    range.

    The curve is the polygon through its points [..., points] in the order given (by weight). Where
    alignment turns down again the curve passes a level twice, and the better passage counts: that is the
    setting one would use. Leading dimensions are many curves at once.
    """
    levels = np.asarray(levels, dtype=np.float64)
    best = np.full(levels.shape, np.nan)
    for index in range(alignment.shape[-1] - 1):
        a0, a1 = alignment[..., index, None], alignment[..., index + 1, None]
        d0, d1 = distance[..., index, None], distance[..., index + 1, None]
        inside = (levels >= np.minimum(a0, a1)) & (levels <= np.maximum(a0, a1))
        flat = a0 == a1
        share = np.clip((levels - a0) / np.where(flat, 1.0, a1 - a0), 0.0, 1.0)
        here = np.where(flat, np.minimum(d0, d1), (1 - share) * d0 + share * d1)
        best = np.where(inside, np.fmin(best, here), best)
    return best


def overlap(a: Array, b: Array) -> tuple[Array, Array]:
    """Lower and upper end of the alignment that both curves reach; upper <= lower where they share no
    range.
    """
    return np.maximum(a.min(axis=-1), b.min(axis=-1)), np.minimum(a.max(axis=-1), b.max(axis=-1))


def matched_difference(
    first: tuple[Array, Array], second: tuple[Array, Array], *, num_levels: int = 21
) -> tuple[Array, Array]:
    """How far the first curve's distance lies above the second's at matched alignment.

    Each curve is (alignment, distance), [..., points] each, in order of weight. Over `num_levels` equally
    spaced levels of the range that both reach: the mean difference, and the share of levels where the first
    is at or below the second; NaN where the ranges do not overlap. Leading dimensions are many pairs at once.
    """
    low, high = overlap(first[0], second[0])
    steps = np.linspace(0.0, 1.0, num_levels)
    # Clipped, because the last level may lie a rounding error above the range.
    levels = np.clip(low[..., None] + steps * (high - low)[..., None], low[..., None], high[..., None])
    gap = lowest_at(levels, *first) - lowest_at(levels, *second)
    shared = (high > low) & (first[0].shape[-1] > 1) & (second[0].shape[-1] > 1)
    mean = np.where(shared, gap.mean(axis=-1), np.nan)
    return mean, np.where(shared, (gap <= 0).mean(axis=-1), np.nan)
