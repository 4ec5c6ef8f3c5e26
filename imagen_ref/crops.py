"""Random crops: 256 -> 1024 learns from 64 -> 256 crops and samples at full size (Imagen, section 2.4)."""

from __future__ import annotations

import torch
from torch import Tensor


def random_crops(images: Tensor, side: int, *, factor: int, generator: torch.Generator) -> Tensor:
    """A random square of each image: uint8 [B, H, H, 3] -> [B, side, side, 3], on the images' device.

    Offsets are multiples of `factor`, so that the crop's low-resolution version has the pixels of the whole
    image's but for its border.

    Args:
        images: at the stage's full side.
        side: of the crops, a multiple of `factor`.
        factor: by how much the stage enlarges.
        generator: draws the offsets; its device does not matter.

    Raises:
        ValueError: for images smaller than the crops.
    """
    height, width = images.shape[1:3]
    if min(height, width) < side:
        raise ValueError(f"image of {width}x{height} pixels: crops of {side}x{side} need a larger one")
    draws = torch.rand(len(images), 2, generator=generator, device=generator.device, dtype=torch.float64)
    places = torch.tensor([(height - side) // factor + 1, (width - side) // factor + 1], device=draws.device)
    offsets = ((draws * places).long() * factor).tolist()
    return torch.stack(
        [
            image[top : top + side, left : left + side]
            for image, (top, left) in zip(images, offsets, strict=True)
        ]
    )
