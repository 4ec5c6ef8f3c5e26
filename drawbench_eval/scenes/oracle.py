"""The oracle: an image -> what is to be seen in it, or that it cannot be read.

A classical reader. It knows the world's words and what they mean (facts.py) and takes nothing from the
code that draws: no palette, no layout, no outline. Colours are named by color_naming, forms by
shape_reading. Strict by intent: what a careful viewer could not name with confidence makes the image
unreadable, which counts against the image and never for it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.scenes.color_naming import name_background, name_color
from drawbench_eval.scenes.facts import Reading, SeenThing, size_word
from drawbench_eval.scenes.segment import FRAGMENT, Piece, segment
from drawbench_eval.scenes.shape_reading import fit_shape

SIDE = 64
# More pieces than this are debris and not a scene.
_MOST_THINGS = 8
# A best word whose error is above this share of the next one's is looked at again, by lightness alone.
_SURE = 0.3


def read(image: NDArray[np.uint8]) -> Reading:
    """What is seen in a uint8 RGB image [H, W, 3]; other sides are resized to 64 first.

    Raises ValueError for anything but a uint8 RGB image.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(f"image: {image.dtype} {image.shape} is not a uint8 RGB image [H, W, 3]")
    found = segment(_at_side(image))
    background = name_background(found.ground)
    if found.problem is not None:
        return Reading(background=background, unreadable=found.problem)
    if len(found.pieces) > _MOST_THINGS:
        return Reading(background=background, unreadable=f"{len(found.pieces)} pieces")
    things = []
    for piece in found.pieces:
        thing = _name(piece)
        if isinstance(thing, str):
            return Reading(background=background, unreadable=thing)
        things.append(thing)
    return Reading(things=tuple(things), background=background)


def _at_side(image: NDArray[np.uint8]) -> NDArray[np.float64]:
    if image.shape[:2] != (SIDE, SIDE):
        from PIL import Image

        image = np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return np.asarray(image, dtype=np.float64) / 255


def _name(piece: Piece) -> SeenThing | str:
    """The thing that a piece is, or the reason why it has no name."""
    if piece.area < FRAGMENT:
        return "a fragment"
    color = name_color(piece.rgb)
    if color is None:
        return "a colour without a name"
    fit = fit_shape(piece.coverage)
    if fit is None:
        return "a fragment"
    if fit.problem is not None:
        return fit.problem
    if fit.error > _SURE * fit.runner_up_error:
        second = fit_shape(piece.by_lightness)
        if second is not None and second.problem is None and second.shape != fit.shape:
            return f"{fit.shape} by its hue, {second.shape} by its lightness"
    diameter = fit.diameter / SIDE
    return SeenThing(
        shape=fit.shape,
        color=color,
        size=size_word(diameter),
        x=(fit.x + 0.5) / SIDE,
        y=(fit.y + 0.5) / SIDE,
        diameter=diameter,
    )
