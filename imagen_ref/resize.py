"""The one resize, and the 8-bit boundary.

Images are uint8 [B,H,W,3] outside the model and float32 [B,3,H,W] in [-1, 1] inside it.
"""

import torch
from torch import Tensor
from torch.nn import functional


def resize(images: Tensor, side: int) -> Tensor:
    """Resize float [B,C,H,H] to float32 [B,C,side,side]: bilinear, antialiased, half-pixel centres.

    Data, training and sampling all use this one. Raises ValueError for images that are not square.
    """
    height, width = images.shape[-2:]
    if height != width:
        raise ValueError(f"image of {width}x{height} pixels: crop it to a square first")
    if height == side:
        return images.float()
    return functional.interpolate(
        images.float(), size=(side, side), mode="bilinear", antialias=True, align_corners=False
    )


def to_float(images: Tensor) -> Tensor:
    """Scale uint8 [B,H,W,3] to float32 [B,3,H,W]: 0..255 becomes -1..1."""
    assert images.dtype == torch.uint8, "a float image here would be scaled twice"
    return images.permute(0, 3, 1, 2).float() / 127.5 - 1.0


def to_uint8(images: Tensor) -> Tensor:
    """Quantise float [B,3,H,W] to uint8 [B,H,W,3]: -1..1 becomes 0..255, rounded to nearest, clipped.

    Raises ValueError for NaN, which has no 8-bit value.
    """
    broken = images.isnan().flatten(start_dim=1).any(dim=1)
    if broken.any():
        rows = ", ".join(str(row) for row in broken.nonzero().flatten().tolist())
        raise ValueError(f"images {rows} of the batch hold NaN: the model diverged, check its weights")
    return _levels(images).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def through_8_bits(images: Tensor) -> Tensor:
    """`to_float(to_uint8(images))` for images without NaN: a GPU need not wait for the check."""
    return _levels(images) / 127.5 - 1.0


def _levels(images: Tensor) -> Tensor:
    return ((images.float() + 1.0) * 127.5).round().clamp(0, 255)
