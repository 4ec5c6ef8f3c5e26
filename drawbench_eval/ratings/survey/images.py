"""Images as raters see them: one longest side, one JPEG setting, nothing of the file that they came from.

Encoding anew drops metadata, where pipelines write model names and prompts, and makes every model's images
alike in format and size.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drawbench_eval.files import atomic_path
from drawbench_eval.images.loading import load_ahead
from drawbench_eval.ratings.survey.trials import Shown
from drawbench_eval.samples import SampleSet

Pixels = NDArray[np.uint8]

# A spoilt image keeps this many pixels of its longer side, and is stretched back.
SPOILT_SIDE = 14


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """The longer side of images in sets and of single ones, in pixels at most, and the JPEG quality.

    Smaller images stay as large as they are. Colour is not subsampled.
    """

    set_side: int
    single_side: int
    quality: int

    def __post_init__(self) -> None:
        for name in ("set_side", "single_side"):
            if not 32 <= getattr(self, name) <= 4096:
                raise ValueError(f"{name}: {getattr(self, name)} is not 32 to 4096 pixels")
        if not 1 <= self.quality <= 100:
            raise ValueError(f"quality: {self.quality} is not 1 to 100")


def write_images(
    shown: Sequence[Shown], samples: Mapping[str, SampleSet], folder: Path, *, quality: int
) -> Mapping[str, str]:
    """Writes `folder/CODE.jpg` of each, atomically; gives code -> reason for those that cannot be shown.

    What is there already is not written again.
    """
    write = partial(_write, samples=samples, folder=folder, quality=quality)
    reasons = load_ahead(write, shown)
    return {image.code: reason for image, reason in zip(shown, reasons, strict=True) if reason is not None}


def image_path(folder: Path, shown: Shown) -> Path:
    """Where `write_images` puts it."""
    return folder / f"{shown.code}.jpg"


def encode(image: Pixels, *, max_side: int, quality: int, spoilt: bool = False) -> bytes:
    """JPEG of uint8 RGB [height, width, 3], shrunk (Lanczos) where its longer side is above `max_side`."""
    picture = Image.fromarray(image)
    size = _shrunk(picture.size, max_side)
    if spoilt:
        picture = picture.resize(_shrunk(picture.size, SPOILT_SIDE), Image.Resampling.BOX)
    if picture.size != size:
        picture = picture.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    picture.save(buffer, format="JPEG", quality=quality, subsampling="4:4:4", optimize=True)
    return buffer.getvalue()


def _write(shown: Shown, *, samples: Mapping[str, SampleSet], folder: Path, quality: int) -> str | None:
    path = image_path(folder, shown)
    if path.exists():
        return None
    loaded = samples[shown.contestant].load(shown.sample)
    if loaded.image is None:
        return f"{loaded.status}: {loaded.detail}"
    data = encode(loaded.image, max_side=shown.max_side, quality=quality, spoilt=shown.spoilt)
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return None


def _shrunk(size: tuple[int, int], max_side: int) -> tuple[int, int]:
    longer = max(size)
    if longer <= max_side:
        return size
    width, height = (max(round(side * max_side / longer), 1) for side in size)
    return width, height
