"""Graded degradations, like those of generated samples; at strength 1 a person still just reads a scene."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

Pixels = NDArray[np.float64]

# What strength 1 stands for, in a picture of side 64 with small things 13 pixels across.
MAX_BLUR = 1.3  # standard deviation in pixels
MAX_NOISE = 0.10  # standard deviation, pixels in [0, 1]
MIN_JPEG_QUALITY = 35  # at strength 0 it is 95
MAX_SATURATION = 0.45  # saturation is multiplied by 1 - this or 1 + this
MAX_WOBBLE = 0.75  # standard deviation of the displacement in pixels, smooth over about 3 pixels


def blur(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:  # noqa: ARG001
    """Gaussian blur."""
    sigma = MAX_BLUR * strength * pixels.shape[0] / 64
    return np.asarray(ndimage.gaussian_filter(pixels, (sigma, sigma, 0), mode="nearest"))


def noise(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """White Gaussian noise in every channel."""
    return np.asarray(pixels + rng.normal(0, MAX_NOISE * strength, pixels.shape))


def jpeg(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:  # noqa: ARG001
    """JPEG with subsampled colour, at quality 95 down to 35."""
    quality = round(95 - (95 - MIN_JPEG_QUALITY) * strength)
    buffer = io.BytesIO()
    Image.fromarray(_to_bytes(pixels)).save(buffer, "JPEG", quality=quality)
    return np.asarray(Image.open(buffer), dtype=np.float64) / 255


def saturation(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Colours drawn towards grey or pushed away from it, by chance."""
    gray = pixels.mean(axis=-1, keepdims=True)
    factor = 1 + MAX_SATURATION * strength * (1 if rng.random() < 0.5 else -1)
    return np.asarray(gray + (pixels - gray) * factor)


def wobble(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """Wobbly edges: every pixel is fetched from a smoothly random place near by."""
    side = pixels.shape[0]
    scale = side / 64
    field = rng.normal(0, 1, (2, side, side))
    field = ndimage.gaussian_filter(field, (0, 3 * scale, 3 * scale), mode="nearest")
    field *= MAX_WOBBLE * strength * scale / field.std()
    rows, columns = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    where = np.stack([rows + field[0], columns + field[1]])
    channels = [ndimage.map_coordinates(pixels[..., c], where, order=1, mode="nearest") for c in range(3)]
    return np.stack(channels, axis=-1)


def mixed(pixels: Pixels, strength: float, rng: np.random.Generator) -> Pixels:
    """All of them at once, each at half its strength."""
    for step in (wobble, blur, saturation, noise, jpeg):
        pixels = np.clip(step(pixels, 0.5 * strength, rng), 0, 1)
    return pixels


DEGRADATIONS: dict[str, Callable[[Pixels, float, np.random.Generator], Pixels]] = {
    "blur": blur,
    "noise": noise,
    "jpeg": jpeg,
    "saturation": saturation,
    "wobble": wobble,
    "mixed": mixed,
}


def degrade(
    image: NDArray[np.uint8], kind: str, strength: float, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The degraded picture, uint8 RGB of the same shape; strength 0 changes (almost) nothing.

    Raises ValueError for an unknown kind or a strength outside 0..2.
    """
    if kind not in DEGRADATIONS:
        raise ValueError(f"kind: {kind!r} is not one of {', '.join(DEGRADATIONS)}")
    if not 0 <= strength <= 2:
        raise ValueError(f"strength: {strength} is not within 0 to 2")
    return _to_bytes(DEGRADATIONS[kind](np.asarray(image, dtype=np.float64) / 255, strength, rng))


def _to_bytes(pixels: Pixels) -> NDArray[np.uint8]:
    return np.asarray(np.rint(np.clip(pixels, 0, 1) * 255), dtype=np.uint8)
