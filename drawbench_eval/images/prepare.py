"""What happens to an image before any extractor sees it: crop, resize, codec. Part of every protocol."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

_FILTERS = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


@dataclass(frozen=True, kw_only=True)
class Preparation:
    """Crop, then resize to `size` x `size` by Pillow's (antialiased) `filter`, then `codec`.

    size: None leaves the native size. crop: "center" takes the middle square of the short side's length,
    "squash" lets the resize change the aspect ratio, "none" refuses to (an image that is not square is an
    error when it must be resized). codec: "jpeg" encodes and decodes with `quality` and 4:2:0 chroma, for
    figures that were measured on such files.
    """

    size: int | None = None
    crop: Literal["none", "center", "squash"] = "none"
    filter: Literal["nearest", "box", "bilinear", "bicubic", "lanczos"] = "bicubic"
    codec: Literal["none", "jpeg"] = "none"
    quality: int = 95

    def __post_init__(self) -> None:
        if self.size is not None and not 1 <= self.size <= 4096:
            raise ValueError(f"size: {self.size}; it must be 1 to 4096, or null for the native size")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"quality: {self.quality}; it must be 1 to 100")

    @property
    def is_identity(self) -> bool:
        """Whether images stay as they are."""
        return self.size is None and self.crop != "center" and self.codec == "none"

    def identity(self, prefix: str) -> Mapping[str, str | int | None]:
        """What can change the pixels, under `prefix`: settings that are not used are left null."""
        return {
            f"{prefix}.size": self.size,
            f"{prefix}.crop": self.crop if self.size is not None or self.crop == "center" else "none",
            f"{prefix}.filter": None if self.size is None else self.filter,
            f"{prefix}.codec": "none" if self.codec == "none" else f"{self.codec} q{self.quality} 4:2:0",
        }

    def apply(self, image: Pixels) -> Pixels:
        """The prepared image, uint8 RGB. Raises ValueError where the aspect ratio would have to change."""
        if self.is_identity:
            return image
        picture = Image.fromarray(image)
        if self.crop == "center":
            picture = _middle(picture)
        if self.size is not None and picture.size != (self.size, self.size):
            width, height = picture.size
            if width != height and self.crop == "none":
                raise ValueError(
                    f"{width}x{height} is not square and crop is none; choose crop=center or crop=squash"
                )
            picture = picture.resize((self.size, self.size), _FILTERS[self.filter])
        if self.codec == "jpeg":
            buffer = io.BytesIO()
            picture.save(buffer, format="JPEG", quality=self.quality, subsampling="4:2:0")
            picture = Image.open(buffer)
        return np.asarray(picture.convert("RGB"), dtype=np.uint8)


def _middle(picture: Image.Image) -> Image.Image:
    width, height = picture.size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return picture.crop((left, top, left + side, top + side))
