"""Ideal figures: what each shape word means, drawn from the word's own definition, and what it does not.

A disc, a rectangle about as wide as tall, a triangle on its base, a five-pointed star, a plus with arms of
any plausible width, an annulus with a hole of any plausible width, the capital letters of DejaVu Sans (the
font that matplotlib carries) in several widths and weights; each a little turned or stretched. And a few
figures that have no word in this world, so that an oval is not taken for a circle.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.scenes.facts import LETTERS

Array = NDArray[np.float64]

CANVAS = 72  # pixels across a figure's canvas, which spans [-SPAN, SPAN]
SPAN = 1.5


def figures() -> Iterator[tuple[str, Array]]:
    """Every ideal figure, as its word and a canvas [CANVAS, CANVAS] with values in [0, 1]."""
    fine = 3
    axis = ((np.arange(CANVAS * fine) + 0.5) / (CANVAS * fine) * 2 - 1) * SPAN
    x, y = np.meshgrid(axis, axis)

    def shrink(inside: NDArray[np.bool_]) -> Array:
        return np.asarray(inside.reshape(CANVAS, fine, CANVAS, fine).mean(axis=(1, 3)))

    for aspect in (0.85, 1.0, 1.18):
        u, v = x * aspect**0.5, y / aspect**0.5
        yield "circle", shrink(np.hypot(u, v) < 1)
        for turn in (-10.0, 0.0, 10.0):
            a, b = _turned(u, v, turn)
            yield "square", shrink(np.maximum(np.abs(a), np.abs(b)) < 0.72)
            yield "triangle", shrink(_regular(a, b, 3))
    for turn in (-10.0, 0.0, 10.0):
        a, b = _turned(x, y, turn)
        for inner in (0.38, 0.5):  # 0.38 is the pentagram's own
            yield "star", shrink(_star(a, b, inner))
        for arm in (0.2, 0.28, 0.37):
            wide, tall = np.abs(a), np.abs(b)
            yield "cross", shrink((np.maximum(wide, tall) < 0.95) & (np.minimum(wide, tall) < arm))
    for hole in (0.3, 0.42, 0.54, 0.66):
        for aspect in (0.9, 1.0, 1.1):
            radius = np.hypot(x * aspect, y / aspect)
            yield "ring", shrink((radius < 1) & (radius > hole))
    for letter in LETTERS:
        for canvas in _letter(letter):
            yield f"letter {letter}", canvas
    for u, v in ((x, y * 1.65), (x * 1.65, y)):
        yield "an oval", shrink(np.hypot(u, v) < 1)
        yield "a rectangle", shrink(np.maximum(np.abs(u), np.abs(v)) < 0.8)
    yield "a diamond", shrink(np.abs(x) + np.abs(y) < 1)
    yield "a star with four points", shrink(np.abs(x) ** 0.6 + np.abs(y) ** 0.6 < 1)
    for u, v in ((y, x), (x, -y), (-y, x)):
        yield "a triangle on its corner", shrink(_regular(u, v, 3))
    for u in (x, -x, y, -y):
        yield "half a disc", shrink((np.hypot(x, y) < 1) & (u > 0))
        yield "half a ring", shrink((np.hypot(x, y) < 1) & (np.hypot(x, y) > 0.5) & (u > 0))


def _turned(x: Array, y: Array, degrees: float) -> tuple[Array, Array]:
    c, s = float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))
    return c * x - s * y, s * x + c * y


def _regular(x: Array, y: Array, corners: int) -> NDArray[np.bool_]:
    """A regular polygon with a corner on top, inscribed in the unit circle."""
    inside = np.ones(x.shape, dtype=bool)
    for k in range(corners):
        angle = -np.pi / 2 + (k + 0.5) * 2 * np.pi / corners
        inside &= x * np.cos(angle) + y * np.sin(angle) < np.cos(np.pi / corners)
    return inside


def _star(x: Array, y: Array, inner: float) -> NDArray[np.bool_]:
    """A five-pointed star with a point on top; `inner` is the radius of its notches."""
    fifth = 2 * np.pi / 5
    angle = np.abs((np.arctan2(y, x) + np.pi / 2 + fifth / 2) % fifth - fifth / 2)
    radius = np.hypot(x, y)
    u, v = radius * np.cos(angle), radius * np.sin(angle)
    notch_u, notch_v = inner * np.cos(fifth / 2), inner * np.sin(fifth / 2)
    return np.asarray((u - 1) * notch_v - v * (notch_u - 1) < 0)


def _letter(letter: str) -> Iterator[Array]:
    """A capital in three weights and four widths, its height spanning the unit circle's."""
    import matplotlib
    from PIL import Image, ImageDraw, ImageFont

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    font = ImageFont.truetype(str(path), 200)
    left, top, right, bottom = font.getbbox(letter)
    for stroke in (2, 9, 16):
        for width in (0.72, 0.86, 1.0, 1.16):
            pad = stroke + 2
            size = (int(right - left) + 2 * pad, int(bottom - top) + 2 * pad)
            image = Image.new("L", size, 0)
            pen = ImageDraw.Draw(image)
            pen.text((pad - left, pad - top), letter, font=font, fill=255, stroke_width=stroke)
            per_unit = CANVAS / (2 * SPAN)
            scale = 1.7 * per_unit / size[1]
            small = image.resize(
                (max(1, round(size[0] * scale * width)), round(size[1] * scale)), Image.Resampling.BOX
            )
            canvas = Image.new("L", (CANVAS, CANVAS), 0)
            canvas.paste(small, ((CANVAS - small.width) // 2, (CANVAS - small.height) // 2))
            yield np.asarray(canvas, dtype=np.float64) / 255
