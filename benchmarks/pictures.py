"""Images to measure with: coloured textures under grain, about as dear to decode as photographs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

STANDINS = Path(__file__).parents[1] / "tests" / "standins"

_AT_ONCE = 50


def write_folder(folder: Path, count: int, *, side: int, seed: int, brighter: int = 0) -> Path:
    """`count` images of side x side, PNG and JPEG in turn, where they are not there already."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, image in enumerate(_pictures(count, side=side, seed=seed)):
        picture = Image.fromarray(np.clip(image.astype(np.int16) + brighter, 0, 255).astype(np.uint8))
        if index % 2:
            picture.save(folder / f"{index:06d}.jpg", quality=90)
        else:
            picture.save(folder / f"{index:06d}.png")
    return folder


def _pictures(count: int, *, side: int, seed: int) -> Iterator[NDArray[np.uint8]]:
    if str(STANDINS) not in sys.path:
        sys.path.insert(0, str(STANDINS))
    from random_inception import textures

    rng = np.random.default_rng(seed)
    for start in range(0, count, _AT_ONCE):
        many = min(_AT_ONCE, count - start)
        for image in textures(many, sides=(side,), seed=seed * 1_000_003 + start):
            grain = rng.normal(0.0, 6.0, image.shape).astype(np.float32)
            yield np.clip(image + grain, 0, 255).astype(np.uint8)
