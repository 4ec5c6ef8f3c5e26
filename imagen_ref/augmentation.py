"""Noise conditioning augmentation of the low-resolution image (Imagen, section 2.4; Ho et al. 2022)."""

import torch
from torch import Tensor

from imagen_ref.schedules import CosineSchedule

AUGMENTATION_SCHEDULE = CosineSchedule()


def augment(low_res: Tensor, aug_level: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """The corrupted image alpha x + sigma noise, and the log-SNR [B] that tells the network how corrupted.

    low_res float [B,3,H,W] in [-1, 1] (so noise is added after normalising), aug_level [B] in [0, 1], one
    level a sample, read as the time of the variance-preserving cosine process; noise standard normal, like
    low_res. Level 0 gives the image back bit for bit, level 1 is pure noise. Call it once per sample and
    keep the result: all sampling steps and both guidance halves see the same corruption.
    Raises ValueError for a level outside [0, 1].
    """
    assert noise.shape == low_res.shape
    assert aug_level.shape == low_res.shape[:1]
    outside = ~((aug_level >= 0) & (aug_level <= 1))
    if outside.any():
        raise ValueError(f"aug_level={aug_level[outside][0].item():g}: write a level from 0 to 1")
    x = low_res.float()
    level = aug_level.to(device=x.device, dtype=torch.float32)
    column = level.view(-1, 1, 1, 1)
    noisy = AUGMENTATION_SCHEDULE.alpha(column) * x + AUGMENTATION_SCHEDULE.sigma(column) * noise
    return torch.where(column == 0, x, noisy), AUGMENTATION_SCHEDULE.logsnr(level)
