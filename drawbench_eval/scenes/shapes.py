"""Signed distances of the world's shapes: negative inside, in units of the shape's outer radius.

Every shape is centred at the origin and about as large as the unit circle (corners reach 1.0 to 1.17, so that
different shapes look equally large); y points down.
Closed forms follow the usual two-dimensional distance functions (disc, box, polygon, capsule).
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

RING_HOLE = 0.5
STROKE = 0.17


def _polygon(x: Array, y: Array, corners: list[tuple[float, float]]) -> Array:
    """Distance to a closed polygon, signed by the even-odd rule."""
    nearest = np.full_like(x, np.inf)
    inside = np.zeros(x.shape, dtype=bool)
    for (ax, ay), (bx, by) in zip(corners, corners[1:] + corners[:1], strict=True):
        ex, ey, wx, wy = bx - ax, by - ay, x - ax, y - ay
        along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
        nearest = np.minimum(nearest, np.hypot(wx - ex * along, wy - ey * along))
        crosses = (ay <= y) != (by <= y)
        if ey != 0:
            inside ^= crosses & (wx < ex * wy / ey)
    return np.where(inside, -nearest, nearest)


def _box(x: Array, y: Array, half_width: float, half_height: float) -> Array:
    dx, dy = np.abs(x) - half_width, np.abs(y) - half_height
    return np.hypot(np.maximum(dx, 0), np.maximum(dy, 0)) + np.minimum(np.maximum(dx, dy), 0)


def _circle(x: Array, y: Array) -> Array:
    return np.hypot(x, y) - 1.0


def _square(x: Array, y: Array) -> Array:
    half = np.sqrt(0.5) * 1.08
    return _box(x, y, half, half)


def _triangle(x: Array, y: Array) -> Array:
    turns = [-np.pi / 2 + k * 2 * np.pi / 3 for k in range(3)]
    return _polygon(x, y, [(float(np.cos(a)), float(np.sin(a)) + 0.12) for a in turns])


def _star(x: Array, y: Array) -> Array:
    turns = [(-np.pi / 2 + k * np.pi / 5, 1.0 if k % 2 == 0 else 0.45) for k in range(10)]
    return _polygon(x, y, [(r * float(np.cos(a)), r * float(np.sin(a))) for a, r in turns])


def _cross(x: Array, y: Array) -> Array:
    return np.minimum(_box(x, y, 0.94, 0.3), _box(x, y, 0.3, 0.94))


def _ring(x: Array, y: Array) -> Array:
    middle = (1 + RING_HOLE) / 2
    return np.abs(np.hypot(x, y) - middle) - (1 - RING_HOLE) / 2


_ARC = [(0.66 * float(np.cos(a)), 0.8 * float(np.sin(a))) for a in np.linspace(0.25 * np.pi, 1.75 * np.pi, 9)]

# Letters as strokes: lists of points joined by straight capsules.
_STROKES: dict[str, list[list[tuple[float, float]]]] = {
    "A": [[(-0.62, 0.78), (0.0, -0.8), (0.62, 0.78)], [(-0.4, 0.26), (0.4, 0.26)]],
    "C": [_ARC],
    "E": [[(0.5, -0.78), (-0.5, -0.78), (-0.5, 0.78), (0.5, 0.78)], [(-0.5, 0.0), (0.36, 0.0)]],
    "H": [[(-0.55, -0.78), (-0.55, 0.78)], [(0.55, -0.78), (0.55, 0.78)], [(-0.55, 0.0), (0.55, 0.0)]],
    "L": [[(-0.48, -0.8), (-0.48, 0.78), (0.52, 0.78)]],
    "T": [[(-0.62, -0.76), (0.62, -0.76)], [(0.0, -0.76), (0.0, 0.82)]],
    "X": [[(-0.58, -0.78), (0.58, 0.78)], [(-0.58, 0.78), (0.58, -0.78)]],
    "Z": [[(-0.56, -0.76), (0.56, -0.76), (-0.56, 0.76), (0.56, 0.76)]],
}


def _letter(letter: str) -> Callable[[Array, Array], Array]:
    def distance(x: Array, y: Array) -> Array:
        nearest = np.full_like(x, np.inf)
        for stroke in _STROKES[letter]:
            for (ax, ay), (bx, by) in pairwise(stroke):
                ex, ey, wx, wy = bx - ax, by - ay, x - ax, y - ay
                along = np.clip((wx * ex + wy * ey) / (ex * ex + ey * ey), 0, 1)
                nearest = np.minimum(nearest, np.hypot(wx - ex * along, wy - ey * along))
        return nearest - STROKE

    return distance


DISTANCES: dict[str, Callable[[Array, Array], Array]] = {
    "circle": _circle,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "cross": _cross,
    "ring": _ring,
    **{f"letter {letter}": _letter(letter) for letter in _STROKES},
}
