"""The diffusion loss of one stage: squared error of the prediction (Ho et al. 2020; Imagen, section 2)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from imagen_ref.augmentation import augment
from imagen_ref.efficient_unet import EfficientUNet
from imagen_ref.parameterization import training_target
from imagen_ref.resize import resize, to_float, to_uint8
from imagen_ref.stage import StageConfig
from imagen_ref.text.embedding import TextEmbedding
from imagen_ref.unet import UNet


@dataclass(frozen=True, kw_only=True)
class Draw:
    """The random part of one training step, per sample.

    Attributes:
        t: times in [0, 1], [B].
        eps: the noise, [B, 3, side, side].
        drop_text: [B] bool, whether the text is dropped.
        aug_level: [B] in [0, 1]; used by super-resolution stages only.
        low_res_noise: noise of the augmentation, [B, 3, s, s].
    """

    t: Tensor
    eps: Tensor
    drop_text: Tensor
    aug_level: Tensor
    low_res_noise: Tensor


def draw(config: StageConfig, batch_size: int, *, text_dropout: float, generator: torch.Generator) -> Draw:
    """A step's randomness. Times are stratified: one in each of `batch_size` equal parts of [0, 1]."""
    side, low = config.side, config.low_res_side or 1
    strata = torch.arange(batch_size) + torch.rand(batch_size, generator=generator)
    return Draw(
        t=strata / batch_size,
        eps=torch.randn(batch_size, 3, side, side, generator=generator),
        drop_text=torch.rand(batch_size, generator=generator) < text_dropout,
        aug_level=torch.rand(batch_size, generator=generator),
        low_res_noise=torch.randn(batch_size, 3, low, low, generator=generator),
    )


def diffusion_loss(
    network: UNet | EfficientUNet,
    config: StageConfig,
    images: Tensor,
    text: TextEmbedding,
    random: Draw,
    *,
    max_weight: float = 1.0,
) -> Tensor:
    """Mean squared error of the stage's prediction, a scalar.

    Each sample's error is weighted by 1 / alpha^2, at most `max_weight`. At 1 that is the paper's loss. With
    eps-prediction 1 / alpha^2 turns the error of eps into that of v (Salimans & Ho 2022), which says more
    about the noisy end, where the text decides what is drawn: short trainings learn to read sooner.

    Args:
        network: the network being trained.
        config: its stage.
        images: uint8 [B, H, H, 3] at any side from which the stage's sides follow by the one resize.
        text: embeddings of the captions, before dropping.
        random: what `draw` gave.
        max_weight: at least 1.
    """
    full = to_float(images)
    x = resize(full, config.side)
    schedule = config.make_schedule()
    alpha, sigma = (level.view(-1, 1, 1, 1) for level in (schedule.alpha(random.t), schedule.sigma(random.t)))
    z = alpha * x + sigma * random.eps
    low_res, aug_logsnr = None, None
    if config.low_res_side is not None:
        # 8 bits between the stages, in training as in sampling.
        seen = to_float(to_uint8(resize(full, config.low_res_side)))
        noisy, aug_logsnr = augment(seen, random.aug_level, random.low_res_noise)
        low_res = resize(noisy, config.side)
    context = network.condition(text.drop(random.drop_text))
    out: Tensor = network(z, schedule.logsnr(random.t), context, low_res, aug_logsnr)
    target = training_target(config.prediction, x, random.eps, alpha, sigma)
    weight = alpha.square().reciprocal().clamp(max=max_weight)
    return (weight * (out.float() - target).square()).mean()
