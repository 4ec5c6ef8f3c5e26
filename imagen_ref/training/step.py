"""One step of the optimiser, on this rank's rows of the batch, micro-batch by micro-batch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from imagen_ref.crops import take_crops
from imagen_ref.data import Batch
from imagen_ref.loss import Draw, diffusion_loss, draw
from imagen_ref.resize import resize, to_float, to_uint8
from imagen_ref.stage import StageConfig
from imagen_ref.text.embedding import TextEncoder
from imagen_ref.training.config import TrainConfig, learning_rate
from imagen_ref.training.ranks import Ranks, gradient_sharing


@dataclass(frozen=True, kw_only=True)
class Learner:
    """What learns, and how.

    Attributes:
        stage: what is trained.
        config: how.
        encoder: the text encoder.
        network: the network, on its device.
        predict: `imagen_ref.loss.predict`, compiled or shared among ranks.
        optimizer: of all that learns: the network, and the encoder where it does.
        ranks: which of the batch's rows are learned from here.
    """

    stage: StageConfig
    config: TrainConfig
    encoder: TextEncoder
    network: Any
    predict: Callable[..., Tensor]
    optimizer: torch.optim.Optimizer
    ranks: Ranks


class Learned(NamedTuple):
    """A step's mean loss over all ranks and its gradient's norm before clipping; on a GPU still to come."""

    loss: Tensor
    grad_norm: Tensor


def train_step(learner: Learner, batch: Batch, step: int) -> Learned:
    """Learns from this rank's rows of the batch of `step`.

    The noise is that of the whole batch, drawn from (seed, step) on every rank and cut by rows: neither the
    number of ranks nor that of micro-batches changes it.
    """
    config = learner.config
    device = next(learner.network.parameters()).device
    random = draw(
        learner.stage.on_crops,
        config.batch_size,
        text_dropout=config.text_dropout,
        generator=torch.Generator(device).manual_seed(_step_seed(config.seed, step)),
        aug_level_power=config.aug_level_power,
        noisy_share=config.noisy_share,
        max_aug_level=config.max_aug_level,
        crop_candidates=config.crop_candidates,
    )[learner.ranks.rows(config.batch_size)]
    images = batch.images.to(device, non_blocking=True)
    for group in learner.optimizer.param_groups:
        group["lr"] = learning_rate(step, config)
    learner.optimizer.zero_grad(set_to_none=True)
    each = len(images) // config.accumulate
    losses = []
    for part in range(config.accumulate):
        rows = slice(part * each, (part + 1) * each)
        with gradient_sharing(learner.predict, last=part == config.accumulate - 1):
            loss = _loss(learner, images[rows], batch.captions[rows], random[rows])
            (loss / config.accumulate).backward()  # type: ignore[no-untyped-call]
        losses.append(loss.detach())
    learning = [weight for group in learner.optimizer.param_groups for weight in group["params"]]
    norm = torch.nn.utils.clip_grad_norm_(learning, config.grad_clip)
    learner.optimizer.step()
    return Learned(learner.ranks.mean(torch.stack(losses).mean()), norm)


def _loss(learner: Learner, images: Tensor, captions: list[str], random: Draw) -> Tensor:
    config = learner.config
    text = learner.encoder.encode(captions).to(images.device)
    images = _crops(learner.stage, images, random.places)
    with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=config.precision == "bfloat16"):
        return diffusion_loss(
            learner.network,
            learner.stage.on_crops,
            images,
            text,
            random,
            max_weight=config.max_loss_weight,
            predict=learner.predict,
        )


def _crops(stage: StageConfig, images: Tensor, places: Tensor) -> Tensor:
    """The crops that a stage with a crop_side learns from; else the images."""
    if stage.crop_side is None or stage.low_res_side is None:
        return images
    if images.shape[1] != stage.side:
        images = to_uint8(resize(to_float(images), stage.side))
    return take_crops(images, stage.crop_side, factor=stage.side // stage.low_res_side, places=places)


def _step_seed(seed: int, step: int) -> int:
    return int.from_bytes(hashlib.sha256(f"train {seed} {step}".encode()).digest()[:8], "big")
