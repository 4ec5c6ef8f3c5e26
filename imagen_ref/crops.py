"""Random crops: 256 -> 1024 learns from 64 -> 256 crops and samples at full size (Imagen, section 2.4)."""

from __future__ import annotations

import torch
from torch import Tensor


def random_crops(
    images: Tensor, side: int, *, factor: int, generator: torch.Generator, candidates: int = 1
) -> Tensor:
    """A random square of each image: `take_crops` of what `draw_places` gave."""
    return take_crops(images, side, factor=factor, places=draw_places(len(images), candidates, generator))


def draw_places(batch_size: int, candidates: int, generator: torch.Generator) -> Tensor:
    """Where crops may lie, float64 [B, candidates, 2]: 0 is the first row or column, towards 1 the last."""
    shape = (batch_size, candidates, 2)
    return torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float64)


def take_crops(images: Tensor, side: int, *, factor: int, places: Tensor) -> Tensor:
    """A square of each image: uint8 [B, H, H, 3] -> [B, side, side, 3], on the images' device.

    Offsets are multiples of `factor`, so that the crop's low-resolution version has the pixels of the whole
    image's but for its border.

    Args:
        images: at the stage's full side.
        side: of the crops, a multiple of `factor`.
        factor: by how much the stage enlarges.
        places: what `draw_places` gave. Of an image's candidates the one whose pixels vary most is taken:
            less empty background (an assumption: the paper takes any place, which is one candidate).

    Raises:
        ValueError: for images smaller than the crops.
    """
    height, width = images.shape[1:3]
    if min(height, width) < side:
        raise ValueError(f"image of {width}x{height} pixels: crops of {side}x{side} need a larger one")
    counts = torch.tensor([(height - side) // factor + 1, (width - side) // factor + 1], device=places.device)
    offsets = ((places * counts).long() * factor).tolist()
    crops = torch.stack(
        [
            torch.stack([image[top : top + side, left : left + side] for top, left in tries])
            for image, tries in zip(images, offsets, strict=True)
        ]
    )
    varied = crops.float().flatten(start_dim=2).var(dim=2).argmax(dim=1)
    return crops[torch.arange(len(crops), device=crops.device), varied]
