"""The diffusion loss of one stage: squared error of the prediction (Ho et al. 2020; Imagen, section 2)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial

import torch
from torch import Tensor

from imagen_ref.augmentation import corrupt, drop_low_res
from imagen_ref.crops import draw_places
from imagen_ref.efficient_unet import EfficientUNet
from imagen_ref.parameterization import training_target
from imagen_ref.resize import resize, through_8_bits, to_float
from imagen_ref.stage import StageConfig
from imagen_ref.text.embedding import TextEmbedding
from imagen_ref.unet import UNet

NOISY_FROM = 0.8


@dataclass(frozen=True, kw_only=True)
class Draw:
    """The random part of one training step, per sample.

    Attributes:
        t: times in [0, 1], [B].
        eps: the noise, [B, 3, side, side].
        drop_text: [B] bool, whether the text is dropped.
        aug_level: [B] in [0, 1]; used by super-resolution stages only.
        low_res_noise: noise of the augmentation, [B, 3, s, s].
        drop_low_res: [B] bool, whether the low-resolution image is dropped.
        places: where crops may lie, see `draw_places`; used by stages with a crop_side only.
    """

    t: Tensor
    eps: Tensor
    drop_text: Tensor
    aug_level: Tensor
    low_res_noise: Tensor
    drop_low_res: Tensor
    places: Tensor

    def __getitem__(self, rows: slice) -> Draw:
        return Draw(**{each.name: getattr(self, each.name)[rows] for each in fields(self)})


def draw(
    config: StageConfig,
    batch_size: int,
    *,
    text_dropout: float,
    generator: torch.Generator,
    aug_level_power: float = 1.0,
    max_aug_level: float = 1.0,
    crop_candidates: int = 1,
    noisy_share: float = 0.0,
) -> Draw:
    """A step's randomness, on the generator's device (whose kind decides which numbers they are).

    Times are stratified: one in each of `batch_size` equal parts of [0, 1]. A share `noisy_share` of them is
    then moved into the noisiest fifth (`towards_noise`); 0 is the paper's uniform time. Augmentation levels
    are u to the `aug_level_power` for a uniform u, times `max_aug_level`: 1 and 1 are the paper's random
    level, a higher power sees little corruption often, and a largest level of 0 is training without
    augmentation.
    """
    side, low = config.side, config.low_res_side or 1
    uniform = partial(torch.rand, batch_size, generator=generator, device=generator.device)
    normal = partial(torch.randn, generator=generator, device=generator.device)
    even = (torch.arange(batch_size, device=generator.device) + uniform()) / batch_size
    return Draw(
        t=towards_noise(even, noisy_share),
        eps=normal(batch_size, 3, side, side),
        drop_text=uniform() < text_dropout,
        aug_level=max_aug_level * uniform().pow(aug_level_power),
        low_res_noise=normal(batch_size, 3, low, low),
        drop_low_res=uniform() < config.low_res_dropout,
        places=draw_places(batch_size, crop_candidates, generator),
    )


def towards_noise(t: Tensor, share: float) -> Tensor:
    """Uniform times to times of which a `share` is uniform on [0.8, 1] and the rest on [0, 1], in order.

    What stands where is decided at the noisy end, in few of uniform times (an assumption: not in the paper).
    """
    if share == 0:
        return t
    before = NOISY_FROM * (1 - share)
    noisy = 1 - (1 - t) * (1 - NOISY_FROM) / (1 - before)
    return noisy if share == 1 else torch.where(t < before, t / (1 - share), noisy)


def predict(
    network: UNet | EfficientUNet,
    z: Tensor,
    logsnr: Tensor,
    states: Tensor,
    mask: Tensor,
    low_res: Tensor | None,
    aug_logsnr: Tensor | None,
) -> Tensor:
    """The network's prediction straight from the text's states and mask: all that training can compile."""
    context = network.condition(TextEmbedding(states=states, mask=mask))
    out: Tensor = network(z, logsnr, context, low_res, aug_logsnr)
    return out


def diffusion_loss(
    network: UNet | EfficientUNet,
    config: StageConfig,
    images: Tensor,
    text: TextEmbedding,
    random: Draw,
    *,
    max_weight: float = 1.0,
    predict: Callable[..., Tensor] = predict,
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
        predict: `predict`, or what a compiler made of it.
    """
    full = to_float(images)
    x = resize(full, config.side)
    schedule = config.make_schedule()
    alpha, sigma = (level.view(-1, 1, 1, 1) for level in (schedule.alpha(random.t), schedule.sigma(random.t)))
    z = alpha * x + sigma * random.eps
    low_res, aug_logsnr = None, None
    if config.low_res_side is not None:
        # 8 bits between the stages, in training as in sampling.
        seen = through_8_bits(resize(full, config.low_res_side))
        corrupted = corrupt(seen, random.aug_level, random.low_res_noise, kind=config.augmentation)
        noisy, aug_logsnr = drop_low_res(*corrupted, random.drop_low_res)
        low_res = resize(noisy, config.side)
    heard = text.drop(random.drop_text)
    out = predict(network, z, schedule.logsnr(random.t), heard.states, heard.mask, low_res, aug_logsnr)
    target = training_target(config.prediction, x, random.eps, alpha, sigma)
    weight = alpha.square().reciprocal().clamp(max=max_weight)
    return (weight * (out.float() - target).square()).mean()
