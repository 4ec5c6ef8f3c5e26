"""Fronts and curves in two metrics: what is not dominated, and one curve against another at a level."""

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def pareto_front(x: Array, y: Array, *, x_higher: bool = False, y_higher: bool = True) -> NDArray[np.bool_]:
    """Which points are on the front: booleans [..., n] for points `x`, `y` of shape [..., n].

    A point is dominated when another is at least as good in both metrics and better in one, so of two equal
    points both stay. By default lower x and higher y are better. A point with a NaN is never on the front.
    Leading dimensions are many fronts at once.
    """
    a = np.asarray(x, dtype=np.float64) * (1 if x_higher else -1)
    b = np.asarray(y, dtype=np.float64) * (1 if y_higher else -1)
    known = ~np.isnan(a) & ~np.isnan(b)
    if a.shape[-1] == 0:
        return known
    a, b = np.where(known, a, -np.inf), np.where(known, b, -np.inf)
    # From the best x down, a point is on the front where its y exceeds all before it.
    order = np.lexsort((-b, -a), axis=-1)
    a, b = np.take_along_axis(a, order, axis=-1), np.take_along_axis(b, order, axis=-1)
    best = np.maximum.accumulate(b, axis=-1)
    kept = np.ones(a.shape, dtype=np.bool_)
    kept[..., 1:] = b[..., 1:] > best[..., :-1]
    # Equal points stand side by side, and share what holds for the first of them.
    new = np.ones(a.shape, dtype=np.bool_)
    new[..., 1:] = (a[..., 1:] != a[..., :-1]) | (b[..., 1:] != b[..., :-1])
    first = np.maximum.accumulate(np.where(new, np.arange(a.shape[-1]), 0), axis=-1)
    front = np.empty_like(kept)
    np.put_along_axis(front, order, np.take_along_axis(kept, first, axis=-1), axis=-1)
    return front & known


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


def front_at(levels: Array, alignment: Array, distance: Array) -> Array:
    """The lowest distance that a curve reaches at each level of alignment or above it: [..., levels].

    That is the curve's own front. NaN above the highest alignment it reaches. As in `lowest_at`, the curve is
    the polygon through its points [..., points].
    """
    levels = np.asarray(levels, dtype=np.float64)
    at_points = np.where(alignment[..., None, :] >= levels[..., :, None], distance[..., None, :], np.inf)
    beyond = at_points.min(axis=-1)
    found: Array = np.fmin(lowest_at(levels, alignment, distance), np.where(np.isinf(beyond), np.nan, beyond))
    return found


def overlap(a: Array, b: Array) -> tuple[Array, Array]:
    """Lower and upper end of the alignment that both curves reach; upper <= lower where they share no
    range.
    """
    return np.maximum(a.min(axis=-1), b.min(axis=-1)), np.minimum(a.max(axis=-1), b.max(axis=-1))


def shared_levels(first: tuple[Array, Array], second: tuple[Array, Array], num_levels: int) -> Array:
    """Levels [..., num_levels] of the alignment that both curves (alignment, distance) reach, NaN for none.

    They are the middles of equal steps: at the very ends, noise alone decides which passage of a curve that
    turns down is met.
    """
    low, high = overlap(first[0], second[0])
    shared = (high > low) & (first[0].shape[-1] > 1) & (second[0].shape[-1] > 1)
    levels = low[..., None] + (np.arange(num_levels) + 0.5) / num_levels * (high - low)[..., None]
    inside: Array = np.where(shared[..., None], levels, np.nan)
    return inside


def matched_difference(
    first: tuple[Array, Array], second: tuple[Array, Array], *, num_levels: int = 21
) -> tuple[Array, Array]:
    """How far the first curve's distance lies above the second's at matched alignment.

    Each curve is (alignment, distance), [..., points] each, in order of weight. Over `num_levels` levels
    of the range that both reach: the mean difference, and the share of levels where the first
    is at or below the second; NaN where the ranges do not overlap. Leading dimensions are many pairs at once.
    """
    levels = shared_levels(first, second, num_levels)
    gap = lowest_at(levels, *first) - lowest_at(levels, *second)
    apart = np.isnan(levels).any(axis=-1)
    return gap.mean(axis=-1), np.where(apart, np.nan, (gap <= 0).mean(axis=-1))
