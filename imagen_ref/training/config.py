"""How a stage is trained: the settings, and the learning rate that follows from them."""

from __future__ import annotations

from dataclasses import dataclass

from imagen_ref.precision import PRECISIONS
from imagen_ref.stage import StageConfig
from imagen_ref.training.optimizer import OPTIMIZERS


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a stage is trained.

    Attributes:
        num_steps: optimiser steps in all.
        batch_size: images a step, over all devices and micro-batches.
        accumulate: micro-batches that a step's images are taken in; the result is that of one batch but for
            rounding, with the memory of one micro-batch.
        optimizer: adamw (the scale model's), adafactor (the paper's base) or adam (its super-resolution).
        warmup_steps: linear warm-up of the learning rate.
        decay_steps: linear decay to zero over the last steps; 0 keeps the rate constant.
        beta2: of adam and adamw; 0.999 in the paper.
        weight_decay: of adamw and adafactor; 0 in the paper.
        grad_clip: largest norm of the gradient.
        text_dropout: share of captions replaced by the null embedding (0.1 in the paper).
        aug_level_power: see `draw`; 1 is the paper's uniform level (more is an assumption).
        max_aug_level: see `draw`; 0 trains super-resolution without augmentation (figure A.11b).
        noisy_share: see `draw`; 0 is the paper's uniform time (more is an assumption).
        crop_candidates: see `take_crops`; for stages with a crop_side.
        max_loss_weight: see `diffusion_loss`; 1 is the paper's loss. More is for eps-prediction only.
        ema_decay: of the averaged weights that are saved (an assumption: the paper does not say).
        checkpoint_every: steps between checkpoints.
        series_every: steps between averaged weights that stay, `<name>-<step>.safetensors`; 0 keeps none.
        keep_checkpoints: how many of that series stay, the newest; null keeps all.
        precision: "float32" or "bfloat16" autocast.
        checkpoint_activations: whether activations are computed again in the backward pass instead of kept:
            the same gradients, less memory, about a third more time.
        num_workers: processes that make batches ahead; 0 makes them between the steps.
        compiled: whether the network is compiled (torch.compile): a minute at the start, faster steps.
        learn_encoder: whether the text encoder learns with the network, at the same rate (a control: the
            paper's is frozen); its averaged weights are `<folder>/text_encoder`.
        fresh_text: whether only what does not read the text starts from the initial weights: a start of equal
            worth for every encoder and every way of conditioning on text (an assumption: not in the paper).
        tensorboard: whether losses go to `<folder>/tensorboard` too (extra tensorboard).
    """

    num_steps: int
    batch_size: int
    learning_rate: float
    accumulate: int = 1
    optimizer: str = "adamw"
    warmup_steps: int = 100
    decay_steps: int = 0
    beta2: float = 0.99
    weight_decay: float = 0.01
    grad_clip: float = 1.0
    text_dropout: float = 0.1
    aug_level_power: float = 1.0
    max_aug_level: float = 1.0
    crop_candidates: int = 1
    noisy_share: float = 0.0
    max_loss_weight: float = 1.0
    ema_decay: float = 0.9999
    checkpoint_every: int = 200
    series_every: int = 0
    keep_checkpoints: int | None = None
    precision: str = "float32"
    seed: int = 0
    checkpoint_activations: bool = False
    num_workers: int = 0
    compiled: bool = False
    learn_encoder: bool = False
    fresh_text: bool = False
    tensorboard: bool = False

    def __post_init__(self) -> None:
        for name in ("num_steps", "batch_size", "accumulate", "crop_candidates", "checkpoint_every"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)}; write 1 or more")
        if self.batch_size % self.accumulate:
            raise ValueError(f"accumulate: {self.accumulate} does not divide batch_size={self.batch_size}")
        if self.optimizer not in OPTIMIZERS:
            raise ValueError(f"optimizer: {self.optimizer} is not one of {', '.join(OPTIMIZERS)}")
        if self.optimizer == "adam" and self.weight_decay:
            raise ValueError(
                f"weight_decay: {self.weight_decay:g} is not for adam; write 0, or optimizer=adamw"
            )
        if self.precision not in PRECISIONS:
            raise ValueError(f"precision: {self.precision} is not one of {', '.join(PRECISIONS)}")
        if not 0 <= self.text_dropout <= 1:
            raise ValueError(f"text_dropout: {self.text_dropout:g}; write a share from 0 to 1")
        if self.aug_level_power <= 0:
            raise ValueError(f"aug_level_power: {self.aug_level_power:g}; write a number above 0")
        if not 0 <= self.noisy_share <= 1:
            raise ValueError(f"noisy_share: {self.noisy_share:g}; write a share from 0 to 1")
        if not 0 <= self.max_aug_level <= 1:
            raise ValueError(f"max_aug_level: {self.max_aug_level:g}; write a level from 0 to 1")
        if self.series_every < 0:
            raise ValueError(f"series_every: {self.series_every}; write a number of steps, or 0 for none")
        if self.series_every and self.learn_encoder:
            raise ValueError(
                f"series_every: {self.series_every} keeps networks alone; with learn_encoder it must be 0"
            )
        if self.keep_checkpoints is not None and self.keep_checkpoints < 1:
            raise ValueError(f"keep_checkpoints: {self.keep_checkpoints}; write 1 or more, or null for all")


def check_fits(config: TrainConfig, stage: StageConfig) -> None:
    """Raises ValueError for settings that the stage has no use for."""
    if config.max_loss_weight != 1 and stage.prediction != "eps":
        raise ValueError(
            f"training.max_loss_weight: {config.max_loss_weight} is for eps-prediction; with "
            f"{stage.prediction} it must be 1"
        )
    if config.crop_candidates != 1 and stage.crop_side is None:
        raise ValueError(
            f"training.crop_candidates: {config.crop_candidates} is for stages that train on crops; set "
            "stage.crop_side, or write 1"
        )
    if stage.low_res_side is None:
        for name in ("aug_level_power", "max_aug_level"):
            if getattr(config, name) != 1:
                raise ValueError(
                    f"training.{name}: {getattr(config, name):g} is for super-resolution; with a base stage "
                    "it must be 1"
                )


def learning_rate(step: int, config: TrainConfig) -> float:
    """The rate at a step, counted from 0: warm-up, plateau, linear decay."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    left = (config.num_steps - step) / config.decay_steps if config.decay_steps else 1.0
    return config.learning_rate * warm * min(1.0, left)
