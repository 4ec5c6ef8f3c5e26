"""Augmentation of the low-resolution image: noise (Imagen, section 2.4) or blur (Ho et al. 2022).

A kind is one function (low_res [B,3,H,W], level [B], noise) -> corrupted and one line in AUGMENTATIONS.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from imagen_ref.schedules import CosineSchedule

AUGMENTATION_SCHEDULE = CosineSchedule()
# Deviation of the blur at level 1, in low-resolution pixels (an assumption: Ho et al. 2022 blur by 0.4 to
# 0.6, which are levels 0.2 to 0.3, where Imagen's noise looks best too).
BLUR_DEVIATION = 2.0
_BLUR_RADIUS = 6


def augment(
    low_res: Tensor, aug_level: Tensor, noise: Tensor, *, kind: str = "noise"
) -> tuple[Tensor, Tensor]:
    """The corrupted image and the log-SNR [B] that tells the network how corrupted.

    low_res float [B,3,H,W] in [-1, 1] (so noise is added after normalising), aug_level [B] in [0, 1], one
    level a sample, noise standard normal, like low_res. Level 0 gives the image back bit for bit. Call it
    once per sample and keep the result: all sampling steps and both guidance halves see the same corruption.

    kind noise: alpha x + sigma noise at the time `aug_level` of the variance-preserving cosine process;
    level 1 is pure noise. kind blur: a Gaussian of deviation 2 `aug_level` pixels; the noise is not read, and
    the log-SNR is that of the same level of noise: for the network it is a name of the level.
    Raises ValueError for a level outside [0, 1] or an unknown kind.
    """
    assert noise.shape == low_res.shape
    assert aug_level.shape == low_res.shape[:1]
    outside = ~((aug_level >= 0) & (aug_level <= 1))
    if outside.any():
        raise ValueError(f"aug_level={aug_level[outside][0].item():g}: write a level from 0 to 1")
    return corrupt(low_res, aug_level, noise, kind=kind)


def corrupt(
    low_res: Tensor, aug_level: Tensor, noise: Tensor, *, kind: str = "noise"
) -> tuple[Tensor, Tensor]:
    """`augment` of levels that are known to be in [0, 1]: training draws them, and a GPU need not wait."""
    check_augmentation(kind)
    x = low_res.float()
    level = aug_level.to(device=x.device, dtype=torch.float32)
    corrupted = AUGMENTATIONS[kind](x, level, noise)
    return torch.where(level.view(-1, 1, 1, 1) == 0, x, corrupted), AUGMENTATION_SCHEDULE.logsnr(level)


def drop_low_res(low_res: Tensor, aug_logsnr: Tensor, dropped: Tensor) -> tuple[Tensor, Tensor]:
    """(low_res, aug_logsnr) with the rows where `dropped` [B] is True zeroed and called pure noise.

    One write-up of the paper mentions such a dropout in training; it is off by default.
    """
    nothing = AUGMENTATION_SCHEDULE.logsnr(torch.ones_like(aug_logsnr))
    return torch.where(dropped.view(-1, 1, 1, 1), 0.0, low_res), torch.where(dropped, nothing, aug_logsnr)


def check_augmentation(kind: str) -> None:
    """ValueError when `kind` is not in AUGMENTATIONS."""
    if kind not in AUGMENTATIONS:
        raise ValueError(f"augmentation={kind!r} does not exist: write one of {', '.join(AUGMENTATIONS)}")


def _noise(x: Tensor, level: Tensor, noise: Tensor) -> Tensor:
    column = level.view(-1, 1, 1, 1)
    return AUGMENTATION_SCHEDULE.alpha(column) * x + AUGMENTATION_SCHEDULE.sigma(column) * noise


def _blur(x: Tensor, level: Tensor, _noise: Tensor) -> Tensor:
    """Rows, then columns, each sample by its own kernel; what lies outside repeats the border."""
    batch, channels, height, width = x.shape
    offsets = torch.arange(-_BLUR_RADIUS, _BLUR_RADIUS + 1, device=x.device)
    # Level 0 is replaced by the caller; its deviation only has to be a number.
    deviation = (BLUR_DEVIATION * level).clamp(min=1e-3)[:, None]
    kernel = torch.softmax(-0.5 * (offsets / deviation).square(), dim=1).repeat_interleave(channels, 0)
    flat = F.pad(x.reshape(1, batch * channels, height, width), [_BLUR_RADIUS] * 4, mode="replicate")
    rows = F.conv2d(flat, kernel[:, None, None, :], groups=batch * channels)
    return F.conv2d(rows, kernel[:, None, :, None], groups=batch * channels).view_as(x)


AUGMENTATIONS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {"noise": _noise, "blur": _blur}
