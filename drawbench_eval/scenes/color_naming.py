"""The colour word a person would use for a colour, from OKLCh hue, lightness and chroma.

OKLab is Ottosson's perceptual space (https://bottosson.github.io/posts/oklab/). The sectors follow the
hues, lightness and chroma of the colours that people named with these words in the xkcd colour survey
(2010, the table that matplotlib carries as XKCD_COLORS; a test holds the agreement). Between two sectors,
and where a person would say brown, olive, maroon or grey, there is no word: None.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Linear sRGB -> cone responses -> OKLab (Ottosson 2020).
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)

# Below this chroma a colour reads as a tinted grey.
MIN_CHROMA = 0.045


@dataclass(frozen=True, kw_only=True)
class Sector:
    """Where one colour word is used: hue in degrees (may pass 360), lightness, and the least chroma."""

    word: str
    hue: tuple[float, float]
    lightness: tuple[float, float]
    chroma: float = MIN_CHROMA


SECTORS = (
    Sector(word="red", hue=(12, 39), lightness=(0.33, 0.68)),
    Sector(word="pink", hue=(12, 30), lightness=(0.71, 1.0)),
    Sector(word="orange", hue=(41, 74), lightness=(0.58, 0.88)),
    Sector(word="yellow", hue=(80, 116), lightness=(0.70, 1.0), chroma=0.08),
    Sector(word="green", hue=(119, 168), lightness=(0.2, 0.95)),
    Sector(word="cyan", hue=(176, 224), lightness=(0.45, 1.0)),
    Sector(word="blue", hue=(229, 285), lightness=(0.15, 0.85)),
    Sector(word="purple", hue=(288, 331), lightness=(0.15, 0.75)),
    Sector(word="pink", hue=(333, 372), lightness=(0.57, 1.0)),
)


def oklch(rgb: Array) -> Array:
    """From sRGB in [0, 1], shape [..., 3], to OKLab lightness, chroma and hue in degrees within [0, 360)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((np.maximum(rgb, 0.0) + 0.055) / 1.055) ** 2.4)
    lab = np.cbrt(linear @ _CONES.T) @ _OKLAB.T
    hue = np.degrees(np.arctan2(lab[..., 2], lab[..., 1])) % 360
    return np.stack([lab[..., 0], np.hypot(lab[..., 1], lab[..., 2]), hue], axis=-1)


def name_color(rgb: Array) -> str | None:
    """The one word for this sRGB colour ([3], in [0, 1]), or None where people would not agree on it."""
    lightness, chroma, hue = (float(value) for value in oklch(np.asarray(rgb, dtype=np.float64)))
    for sector in SECTORS:
        low, high = sector.hue
        inside = low <= hue <= high or low <= hue + 360 <= high
        if inside and chroma >= sector.chroma and sector.lightness[0] <= lightness <= sector.lightness[1]:
            return sector.word
    return None


def name_background(rgb: Array) -> str | None:
    """white, gray or black for a nearly neutral colour, or None between them or for a tinted one."""
    lightness, chroma, _ = (float(value) for value in oklch(np.asarray(rgb, dtype=np.float64)))
    if chroma > MIN_CHROMA:
        return None
    if lightness < 0.34:
        return "black"
    if lightness > 0.82:
        return "white"
    return "gray" if 0.40 < lightness < 0.77 else None
