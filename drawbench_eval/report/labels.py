"""Where small labels go beside points so that they cover neither each other nor the points."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

_ANGLES = (45, 135, -45, -135, 0, 180, 90, -90, 20, 160, -20, -160)
_REACHES = (1.0, 1.6, 2.4)


@dataclass(frozen=True, kw_only=True)
class Placed:
    """The centre of a label in the units of the points."""

    index: int
    x: float
    y: float


def place_labels(
    points: Array, sizes: Array, obstacles: Array, *, gap: float, bounds: tuple[float, float, float, float]
) -> tuple[Placed, ...]:
    """A place for the label of each point, greedily in the order given; a label that fits nowhere is left
    out.

    points, sizes: [n, 2], centre of a point and width and height of its label; obstacles: [m, 2] points
    to keep clear of (markers, samples along lines); gap: distance between point and label; bounds: x0,
    y0, x1, y1 of the panel. All in one unit, pixels for example.
    """
    boxes: list[tuple[float, float, float, float]] = []
    placed = []
    for index, ((x, y), (width, height)) in enumerate(zip(points, sizes, strict=True)):
        best, least = None, np.inf
        for angle, reach in ((angle, reach) for reach in _REACHES for angle in _ANGLES):
            centre = _beside(x, y, width, height, angle, gap * reach)
            box = (
                centre[0] - width / 2,
                centre[1] - height / 2,
                centre[0] + width / 2,
                centre[1] + height / 2,
            )
            if not _inside(box, bounds) or any(_overlap(box, other) for other in boxes):
                continue
            cost = _covered(box, obstacles) + 0.3 * reach
            if cost < least:
                best, least = (centre, box), cost
        # A label that touches a line at a corner is still readable; one that lies across it is not.
        if best is not None and least < 3:
            boxes.append(best[1])
            placed.append(Placed(index=index, x=best[0][0], y=best[0][1]))
    return tuple(placed)


def _beside(x: float, y: float, width: float, height: float, angle: int, gap: float) -> tuple[float, float]:
    dx, dy = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    return float(x + dx * (gap + width / 2)), float(y + dy * (gap + height / 2))


def _inside(box: Sequence[float], bounds: Sequence[float]) -> bool:
    return box[0] >= bounds[0] and box[1] >= bounds[1] and box[2] <= bounds[2] and box[3] <= bounds[3]


def _overlap(a: Sequence[float], b: Sequence[float]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _covered(box: Sequence[float], obstacles: Array) -> int:
    inside = (
        (obstacles[:, 0] > box[0])
        & (obstacles[:, 0] < box[2])
        & (obstacles[:, 1] > box[1])
        & (obstacles[:, 1] < box[3])
    )
    return int(inside.sum())
