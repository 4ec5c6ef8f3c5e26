"""Images as a caller has them -> uint8 RGB arrays. What could be read in two ways is refused, not guessed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drawbench_eval.images.decode import Pixels, to_rgb

# Float images that a network or a codec has overshot by less than this are clipped, as rounding would.
_OVERSHOOT = 1e-3


def as_pixels(images: Any) -> list[Pixels]:
    """uint8 RGB [height, width, 3] of every image.

    images: a batch (torch tensor [n, 3, H, W] or array [n, H, W, 3]), or a sequence of Pillow images, arrays
    or tensors of any sizes. Integers must be uint8. Floats must lie in [0, 1] and are scaled by 255 and
    rounded; a batch in [-1, 1] or in [0, 255] is an error, because halving or saturating it in silence would
    still give a number.

    Raises ValueError naming the image, its type, shape and range.
    """
    items: Sequence[Any] = images if isinstance(images, list | tuple) else list(images)
    return [_one(item, index) for index, item in enumerate(items)]


def _one(item: Any, index: int) -> Pixels:
    if isinstance(item, Image.Image):
        return to_rgb(item)
    channels_first = hasattr(item, "detach")
    array: NDArray[Any] = np.asarray(item.detach().cpu().numpy() if channels_first else item)
    if array.ndim != 3 or array.shape[0 if channels_first else 2] != 3 or 0 in array.shape:
        layout = "[3, height, width]" if channels_first else "[height, width, 3]"
        raise ValueError(f"image {index}: shape {list(array.shape)}; it must be RGB {layout}")
    if channels_first:
        array = array.transpose(1, 2, 0)
    return np.ascontiguousarray(array if array.dtype == np.uint8 else _from_floats(array, index))


def _from_floats(array: NDArray[Any], index: int) -> Pixels:
    if not np.issubdtype(array.dtype, np.floating):
        raise ValueError(f"image {index}: {array.dtype}; it must be uint8, or floats in [0, 1]")
    low, high = float(array.min()), float(array.max())
    if not (low >= -_OVERSHOOT and high <= 1 + _OVERSHOOT):
        raise ValueError(f"image {index}: floats from {low:g} to {high:g}; they must lie in [0, 1]")
    return np.asarray(np.rint(np.clip(array, 0, 1) * 255), dtype=np.uint8)
