"""Bytes -> uint8 RGB, by one stated rule.

Orientation from EXIF is applied. Gray becomes three equal channels, a palette its colours. Alpha is dropped
and not blended, as every peer does. 16-bit gray is scaled by 1/257 (a plain conversion would clip it to
white); of 16-bit colour, and of 16-bit gray with alpha, Pillow gives the high byte, which is within 1 of
that. 32-bit and floating-point pixels have no stated range and are refused. CMYK goes through Pillow's
conversion. Of an animation the first frame counts. An image of more than `MAX_PIXELS` is refused by its
header, before it is decoded; a truncated one is refused.
"""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

Pixels = NDArray[np.uint8]

# 8192 x 8192: below the size at which Pillow begins to warn. Hiding its warning here would need
# `warnings.catch_warnings`, which changes the filters of the whole process and is not safe among threads.
MAX_PIXELS = 1 << 26

_SIXTEEN_BIT = ("I;16", "I;16B", "I;16L", "I;16N")


def decode(data: bytes, name: str, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """uint8 RGB [height, width, 3] of an encoded image.

    Raises ValueError, naming `name`, for what is no image, is truncated, or has more than `max_pixels`.
    """
    if not data:
        raise ValueError(f"{name}: an empty file (0 bytes); it must be an image")
    try:
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
            if width * height > max_pixels:
                raise ValueError(f"{width}x{height} pixels; at most {max_pixels} are read")
            return to_rgb(image)
    except UnidentifiedImageError as error:
        # Pillow's own message is the address of a buffer.
        raise ValueError(f"{name}: not a readable image (no known format)") from error
    # Pillow's readers raise SyntaxError for some damaged files, and their warnings where warnings are errors.
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError, Warning) as error:
        raise ValueError(f"{name}: not a readable image ({error})") from error


def to_rgb(image: Image.Image) -> Pixels:
    """uint8 RGB of an opened image, by the rule above. Raises ValueError for 32-bit pixels."""
    # "I" is 32 bits, but these two formats hold at most 16.
    if image.mode == "F" or (image.mode == "I" and image.format not in ("PNG", "PPM")):
        raise ValueError("32-bit pixels have no stated range; give 8 or 16 bits a channel")
    upright = ImageOps.exif_transpose(image)
    if upright.mode in _SIXTEEN_BIT or upright.mode == "I":
        return _from_gray(np.asarray(upright).astype(np.float64))
    # Alpha is dropped; where a palette's entries have it, Pillow would warn that it is.
    upright.info.pop("transparency", None)
    return np.asarray(upright.convert("RGB"), dtype=np.uint8)


def _from_gray(values: NDArray[np.float64]) -> Pixels:
    """16-bit values 0 to 65535 as 8 bits: rounded, not cut."""
    gray = np.rint(np.clip(values, 0, 65535) / 257).astype(np.uint8)
    return np.repeat(gray[..., None], 3, axis=2)
