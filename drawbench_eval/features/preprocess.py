"""The four ways in which the field brings an image to Inception's 299 x 299. They are not interchangeable.

| mode | as | resize | range |
|---|---|---|---|
| `clean` | clean-fid "clean" | Pillow bicubic on float32, antialiased, clipped to 0..255 | (x - 128) / 128 |
| `tf1` | torch-fidelity, the TF reference | TF1 bilinear: half a pixel off, no antialias | (x - 128) / 128 |
| `torch` | pytorch-fid | torch bilinear, no antialias | x / 127.5 - 1 |
| `torch_antialias` | torchmetrics >= 1.8 | torch bilinear, antialias | (x - 128) / 128 |
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]
Network = NDArray[np.float32]

SIDE = 299


def preprocess(image: Pixels, resize: str) -> Network:
    """uint8 RGB [H, W, 3] -> float32 [3, 299, 299] in the range that Inception wants."""
    resized = RESIZES[resize](image)
    if resize == "torch":
        return resized / np.float32(127.5) - np.float32(1)
    return (resized - np.float32(128)) / np.float32(128)


def clean(image: Pixels, side: int = SIDE) -> Network:
    """Pillow's bicubic on each channel in float32: uint8 [H, W, 3] -> float32 [3, side, side], 0 to 255."""
    channels = [
        Image.fromarray(np.ascontiguousarray(image[..., index], dtype=np.float32)).resize(
            (side, side), Image.Resampling.BICUBIC
        )
        for index in range(3)
    ]
    return np.stack([np.asarray(channel) for channel in channels]).clip(0, 255)


def _tf1(image: Pixels) -> Network:
    x = image.astype(np.float32)
    y0, y1, dy = _taps(x.shape[0])
    x0, x1, dx = _taps(x.shape[1])
    across = x[:, x0] + (x[:, x1] - x[:, x0]) * dx[None, :, None]
    down = across[y0] + (across[y1] - across[y0]) * dy[:, None, None]
    return np.ascontiguousarray(down.transpose(2, 0, 1))


def _taps(length: int) -> tuple[NDArray[np.int64], NDArray[np.int64], Network]:
    """For every output position the two input positions and the weight of the second."""
    position = np.arange(SIDE, dtype=np.float32) * np.float32(length / SIDE)
    low = position.astype(np.int64)
    return low, np.minimum(low + 1, length - 1), position - low.astype(np.float32)


def _torch(image: Pixels, *, antialias: bool = False) -> Network:
    x = torch.from_numpy(np.ascontiguousarray(image.transpose(2, 0, 1))).float()[None]
    resized = torch.nn.functional.interpolate(
        x, size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=antialias
    )
    result: Network = resized[0].numpy()
    return result


def _torch_antialias(image: Pixels) -> Network:
    return _torch(image, antialias=True)


RESIZES: dict[str, Callable[[Pixels], Network]] = {
    "clean": clean,
    "tf1": _tf1,
    "torch": _torch,
    "torch_antialias": _torch_antialias,
}
