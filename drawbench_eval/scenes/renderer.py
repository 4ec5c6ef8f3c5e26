"""A scene -> pixels: antialiased, at any side from 16 to 256, the same scene at every side.

Pixels are set to be like photographs where thresholding is concerned: the distribution of the 99.5 %
quantile of |x| (x in [-1, 1]) over images is close to that over COCO photographs (DESIGN: median 0.96 at
16x16 and 0.98 at 64x64, at the limit in 26 % and 38 % of images). The palette "saturated" is the control
in which every image sits at the limit.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.scenes.layout import Scene, Thing
from drawbench_eval.scenes.shapes import DISTANCES

Array = NDArray[np.float64]

# Pixels are computed at no less than this side and averaged down: a small picture is the large one from afar.
INNER_SIDE = 64
_GRAIN_SIDE = 64
# The share of pictures whose ends clip, as an overexposed photograph's do.
_CLIPPED_SHARE = 0.37

PALETTES: dict[str, dict[str, tuple[float, float, float]]] = {
    "natural": {
        "red": (0.74, 0.16, 0.15),
        "orange": (0.88, 0.48, 0.13),
        "yellow": (0.86, 0.77, 0.18),
        "green": (0.20, 0.55, 0.25),
        "cyan": (0.20, 0.68, 0.72),
        "blue": (0.17, 0.32, 0.72),
        "purple": (0.46, 0.21, 0.62),
        "pink": (0.90, 0.50, 0.68),
        "white": (0.87, 0.87, 0.86),
        "gray": (0.52, 0.52, 0.53),
        "black": (0.11, 0.11, 0.12),
    },
    "saturated": {
        "red": (1.0, 0.0, 0.0),
        "orange": (1.0, 0.5, 0.0),
        "yellow": (1.0, 0.95, 0.0),
        "green": (0.0, 0.8, 0.0),
        "cyan": (0.0, 0.9, 1.0),
        "blue": (0.0, 0.15, 1.0),
        "purple": (0.5, 0.0, 0.85),
        "pink": (1.0, 0.4, 0.75),
        "white": (1.0, 1.0, 1.0),
        "gray": (0.5, 0.5, 0.5),
        "black": (0.0, 0.0, 0.0),
    },
}


def render(scene: Scene, side: int, *, palette: str = "natural") -> NDArray[np.uint8]:
    """The picture of a scene: uint8 RGB [side, side, 3].

    Raises ValueError for a side outside 16..256 or one below 64 that does not divide into it, and for an
    unknown palette.
    """
    if not 16 <= side <= 256 or (side < INNER_SIDE and INNER_SIDE % side):
        raise ValueError(f"side: {side} must be 16, 32 or within 64 to 256")
    if palette not in PALETTES:
        raise ValueError(f"palette: {palette!r} is not one of {', '.join(PALETTES)}")
    inner = max(side, INNER_SIDE)
    pixels = _paint(scene, inner, PALETTES[palette], plain=palette == "saturated")
    if inner != side:
        k = inner // side
        pixels = pixels.reshape(side, k, side, k, 3).mean(axis=(1, 3))
    return np.asarray(np.rint(np.clip(pixels, 0, 1) * 255), dtype=np.uint8)


def _paint(scene: Scene, side: int, palette: dict[str, tuple[float, float, float]], *, plain: bool) -> Array:
    rng = np.random.default_rng(scene.seed)
    centres = (np.arange(side) + 0.5) / side
    x, y = np.meshgrid(centres, centres)
    angle = rng.uniform(0, 2 * np.pi)
    light = np.array([np.cos(angle), np.sin(angle)])
    slope, clipped, exposure = rng.uniform(0.0, 0.22), rng.random() < _CLIPPED_SHARE, rng.uniform(1.18, 1.38)
    coarse = rng.normal(0, 0.024, (6, 6))
    grain = rng.normal(0, 0.007, (_GRAIN_SIDE, _GRAIN_SIDE, 3))
    pixels = np.broadcast_to(np.asarray(palette[scene.background]), (side, side, 3)).copy()
    if not plain:
        shade = 1 + slope * ((x - 0.5) * light[0] + (y - 0.5) * light[1]) * 2
        pixels = pixels * shade[..., None] + (_interpolate(coarse, x, y) * (0.4 + pixels.mean()))[..., None]
    for thing in scene.things:
        _draw(pixels, thing, light, palette, plain=plain)
    if not plain:
        cells = (centres * _GRAIN_SIDE).astype(int)
        contrast = (pixels - 0.5) * exposure
        pixels = 0.5 + (contrast * 1.15 if clipped else _shoulder(contrast)) + grain[np.ix_(cells, cells)]
    return pixels


def _shoulder(contrast: Array) -> Array:
    """A film's soft ends: beyond 0.36 from mid grey, values approach 0.5 and do not clip."""
    size = np.abs(contrast)
    return np.asarray(
        np.sign(contrast) * np.where(size < 0.36, size, 0.36 + 0.128 * np.tanh((size - 0.36) / 0.128))
    )


def _interpolate(grid: Array, x: Array, y: Array) -> Array:
    """Bilinear look-up of a small square grid over the unit square."""
    n = grid.shape[0]
    gx, gy = np.clip(x * n - 0.5, 0, n - 1.001), np.clip(y * n - 0.5, 0, n - 1.001)
    ix, iy = gx.astype(int), gy.astype(int)
    fx, fy = gx - ix, gy - iy
    top = grid[iy, ix] * (1 - fx) + grid[iy, ix + 1] * fx
    return np.asarray(top * (1 - fy) + (grid[iy + 1, ix] * (1 - fx) + grid[iy + 1, ix + 1] * fx) * fy)


def _draw(
    pixels: Array, thing: Thing, light: Array, palette: dict[str, tuple[float, float, float]], *, plain: bool
) -> None:
    """Paints one thing, with its soft shadow, over the pixels in its neighbourhood."""
    side = pixels.shape[0]
    reach = thing.radius * 1.35
    lo_x, hi_x = _window(thing.x, reach, side)
    lo_y, hi_y = _window(thing.y, reach, side)
    u, v = np.meshgrid(
        ((np.arange(lo_x, hi_x) + 0.5) / side - thing.x) / thing.radius,
        ((np.arange(lo_y, hi_y) + 0.5) / side - thing.y) / thing.radius,
    )
    per_pixel = side * thing.radius
    distance = DISTANCES[thing.shape](u, v)
    cover = np.clip(0.5 - distance * per_pixel, 0, 1)[..., None]
    patch = pixels[lo_y:hi_y, lo_x:hi_x]
    base = np.asarray(palette[thing.color])
    if plain:
        patch[:] = patch * (1 - cover) + base * cover
        return
    fallen = DISTANCES[thing.shape](u + 0.16 * light[0], v + 0.16 * light[1])
    shadow = 0.34 * np.clip(0.6 - fallen * 3.5, 0, 1)[..., None]
    patch *= 1 - shadow
    toward = u * light[0] + v * light[1]
    rim = 1 - 0.16 * np.clip(1 + distance / 0.14, 0, 1)
    glint = 0.34 * np.exp(-((u - 0.38 * light[0]) ** 2 + (v - 0.38 * light[1]) ** 2) / 0.05)
    color = base * ((1 + 0.14 * toward) * rim)[..., None]
    color = color + (1 - color) * glint[..., None]
    patch[:] = patch * (1 - cover) + color * cover


def _window(centre: float, reach: float, side: int) -> tuple[int, int]:
    return max(0, int((centre - reach) * side)), min(side, int(np.ceil((centre + reach) * side)) + 1)
