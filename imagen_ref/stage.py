"""One trained stage of a cascade: a network and everything that sampling from it needs to know."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imagen_ref.augmentation import augment, check_augmentation
from imagen_ref.checkpoint import read_config, read_weights, write_checkpoint
from imagen_ref.denoiser import Denoiser, guided_context
from imagen_ref.efficient_unet import EfficientUNet, EfficientUNetConfig
from imagen_ref.layers import LATER
from imagen_ref.noise import SampleNoise
from imagen_ref.parameterization import check_prediction
from imagen_ref.precision import autocast_dtype, cast_once
from imagen_ref.resize import resize, through_8_bits, to_float, to_uint8
from imagen_ref.samplers import SamplerSettings, sample
from imagen_ref.schedules import Schedule, make_schedule
from imagen_ref.text.embedding import TextEmbedding, null_embedding
from imagen_ref.unet import UNet, UNetConfig

NETWORKS: dict[str, type[UNetConfig] | type[EfficientUNetConfig]] = {
    "unet": UNetConfig,
    "efficient_unet": EfficientUNetConfig,
}


@dataclass(frozen=True, kw_only=True)
class StageConfig:
    """What a stage is, apart from its weights.

    Attributes:
        name: "base", "sr64", "sr256": also what its noise is drawn under.
        network: shape of the network; its class decides which one.
        low_res_side: side of the image it starts from; None for a base stage.
        prediction: eps (the paper's), x0 or v.
        schedule: cosine or linear.
        logsnr_min, logsnr_max: where the log-SNR is clamped (an assumption: the paper does not say).
        text_encoder: identity of the frozen encoder it was trained with; empty before training.
        augmentation: what corrupts the low-resolution image: noise (the paper's) or blur.
        low_res_dropout: share of training samples whose low-resolution image is dropped (an assumption: one
            write-up of the paper mentions it; off).
        crop_side: side of the random crops that training sees; None for whole images. Sampling always makes
            whole images.
    """

    name: str
    network: UNetConfig | EfficientUNetConfig
    low_res_side: int | None = None
    prediction: str = "eps"
    schedule: str = "cosine"
    logsnr_min: float = -20.0
    logsnr_max: float = 20.0
    text_encoder: Mapping[str, str | int] = field(default_factory=dict)
    augmentation: str = field(default="noise", metadata=LATER)
    low_res_dropout: float = field(default=0.0, metadata=LATER)
    crop_side: int | None = field(default=None, metadata=LATER)

    def __post_init__(self) -> None:
        check_prediction(self.prediction)
        check_augmentation(self.augmentation)
        if not 0 <= self.low_res_dropout < 1:
            raise ValueError(f"low_res_dropout: {self.low_res_dropout:g}; write a share from 0 to below 1")
        if self.low_res_side is not None and self.side % self.low_res_side:
            raise ValueError(
                f"low_res_side: {self.low_res_side} does not divide the stage's side of {self.side}"
            )
        takes_low_res = isinstance(self.network, EfficientUNetConfig) or self.network.low_res
        if takes_low_res != (self.low_res_side is not None):
            raise ValueError(
                f"stage {self.name}: low_res_side={self.low_res_side}, but its network "
                f"{'needs' if takes_low_res else 'takes no'} low-resolution image"
            )
        if self.crop_side is not None:
            self._check_crops(self.crop_side)

    @property
    def side(self) -> int:
        """Side of the images that come out."""
        return self.network.side

    @property
    def on_crops(self) -> StageConfig:
        """The sizes that training works at: this stage as if a crop were the whole image.

        The weights are the same at every side; a network is always made from the whole stage.
        """
        if self.crop_side is None or self.low_res_side is None:
            return self
        low_res_side = self.crop_side * self.low_res_side // self.side
        network = replace(self.network, side=self.crop_side)
        return replace(self, network=network, low_res_side=low_res_side, crop_side=None)

    def _check_crops(self, crop_side: int) -> None:
        if self.low_res_side is None:
            raise ValueError(f"crop_side: {crop_side}, but stage {self.name} has no low-resolution image")
        halvings = (
            len(self.network.channels)
            if isinstance(self.network, EfficientUNetConfig)
            else len(self.network.channel_mult) - 1
        )
        step = math.lcm(2**halvings, self.side // self.low_res_side)
        if not 0 < crop_side <= self.side or crop_side % step:
            raise ValueError(f"crop_side: {crop_side}; write a multiple of {step} up to {self.side}")

    def make_schedule(self) -> Schedule:
        """The noise schedule."""
        return make_schedule(self.schedule, self.logsnr_min, self.logsnr_max)

    def make_network(self) -> UNet | EfficientUNet:
        """The network with fresh weights."""
        if isinstance(self.network, UNetConfig):
            return UNet(self.network)
        return EfficientUNet(self.network)

    def to_json(self) -> dict[str, Any]:
        """A JSON form that `stage_config` reads back.

        Settings that came after the first checkpoints are left out at their defaults, so that a checkpoint
        of the same stage keeps its bytes.
        """
        kind = next(kind for kind, config in NETWORKS.items() if isinstance(self.network, config))
        return {**_named(self), "network": {"kind": kind, **_named(self.network)}}


def stage_config(data: Mapping[str, Any]) -> StageConfig:
    """A StageConfig from its JSON form. Raises ValueError for an unknown network or field."""
    values = dict(data)
    network = dict(values.pop("network", {}))
    kind = network.pop("kind", None)
    if kind not in NETWORKS:
        raise ValueError(f"network.kind: {kind!r} is not one of {', '.join(NETWORKS)}")
    shape: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in network.items()
    }
    try:
        return StageConfig(network=NETWORKS[kind](**shape), **values)
    except TypeError as error:
        raise ValueError(f"stage {values.get('name', '?')}: {error}") from error


def _named(config: StageConfig | UNetConfig | EfficientUNetConfig) -> dict[str, Any]:
    """The fields of a configuration, without later ones at their defaults."""
    unsaid = {
        each.name
        for each in fields(config)
        if each.metadata == LATER and getattr(config, each.name) == each.default
    }
    return {name: value for name, value in asdict(config).items() if name not in unsaid}


class Stage:
    """A network with its configuration, ready to sample."""

    def __init__(
        self, config: StageConfig, network: UNet | EfficientUNet, *, weights_sha256: str = ""
    ) -> None:
        self.config = config
        self.network = network
        self.weights_sha256 = weights_sha256

    @staticmethod
    def load(path: Path, *, device: torch.device | str = "cpu") -> Stage:
        """A stage from a safetensors file that `save_stage` wrote.

        Raises:
            ValueError: for a missing, truncated, changed or foreign file.
        """
        config = read_stage_config(path)
        network = config.make_network()
        weights = read_weights(path, network.state_dict())
        network.load_state_dict({name: tensor.float() for name, tensor in weights.state.items()})
        # Convolutions on a CPU are 7 to 20 % faster with channels last.
        network.requires_grad_(False).eval().to(device=device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return Stage(config, network, weights_sha256=weights.sha256)

    def sample(
        self,
        text: TextEmbedding,
        seeds: Sequence[int],
        settings: SamplerSettings,
        *,
        low_res: NDArray[np.uint8] | None = None,
        precision: str = "float32",
    ) -> NDArray[np.uint8]:
        """Images uint8 [B, side, side, 3], one for each text and seed; they do not depend on the batch.

        Args:
            text: embeddings of B prompts.
            seeds: one a sample; with the stage's name it fixes the sample's noise.
            settings: guidance, thresholding and sampler.
            low_res: uint8 [B, s, s, 3], for a super-resolution stage.
            precision: "float32" or "bfloat16": of the network's forward; all else is float32.
        """
        device = next(self.network.parameters()).device
        noise = SampleNoise(seeds, self.config.name, device)
        conditioning, aug_logsnr = self._low_res(low_res, seeds, settings, noise)
        dtype = autocast_dtype(precision)
        with torch.no_grad(), cast_once(self.network, dtype):
            null = null_embedding(1, text.states.shape[-1]).to(device)
            text = text.to(device)
            context = guided_context(self.network, text, null, settings.guidance_weight)
            always = settings.guidance_t_min == 0 and settings.guidance_t_max == 1
            denoiser = Denoiser(
                network=self.network,
                schedule=self.config.make_schedule(),
                prediction=self.config.prediction,
                context=context,
                guidance_weight=settings.guidance_weight,
                threshold=settings.threshold,
                percentile=settings.percentile,
                interpolation=settings.interpolation,
                low_res=conditioning,
                aug_logsnr=aug_logsnr,
                autocast_dtype=dtype,
                guidance_t_min=settings.guidance_t_min,
                guidance_t_max=settings.guidance_t_max,
                plain_context=None if always else self.network.condition(text),
            )
            x0 = sample(denoiser, (3, self.config.side, self.config.side), noise, settings)
        images: NDArray[np.uint8] = to_uint8(x0).cpu().numpy()
        return images

    def _low_res(
        self,
        images: NDArray[np.uint8] | None,
        seeds: Sequence[int],
        settings: SamplerSettings,
        noise: SampleNoise,
    ) -> tuple[Tensor | None, Tensor | None]:
        """The augmented low-resolution image at this stage's side, drawn once per sample.

        A corruption has noise of its own, so that all else is drawn as without it, and ends in 8 bits as if
        the image came so from a file.
        """
        if self.config.low_res_side is None:
            return None, None
        x = self._checked(images, noise)
        if settings.corruption:
            hidden = SampleNoise(seeds, f"{self.config.name} corruption", noise.device)
            level = torch.full((len(x),), settings.corruption, device=noise.device)
            x = through_8_bits(augment(x, level, hidden.normal(x.shape[1:]))[0])
        levels = torch.full((len(x),), settings.aug_level, device=noise.device)
        augmented, aug_logsnr = augment(x, levels, noise.normal(x.shape[1:]), kind=self.config.augmentation)
        return resize(augmented, self.config.side), aug_logsnr

    def _checked(self, images: NDArray[np.uint8] | None, noise: SampleNoise) -> Tensor:
        """The images as float32 [B, 3, s, s]. ValueError where they are missing or of another size."""
        side = self.config.low_res_side
        if images is None:
            raise ValueError(f"stage {self.config.name}: it starts from {side}x{side} images, got none")
        if images.dtype != np.uint8 or images.shape[1:] != (side, side, 3):
            shape = "x".join(map(str, images.shape[1:]))
            raise ValueError(
                f"stage {self.config.name}: it starts from {side}x{side} images, got {images.dtype} of "
                f"{shape}; uint8 of {side}x{side}x3 is needed"
            )
        # A copy, because torch takes no array that cannot be written, as Pillow's are.
        return to_float(torch.from_numpy(images.copy())).to(noise.device)


def read_stage_config(path: Path) -> StageConfig:
    """What stage a file that `save_stage` wrote holds; its weights are not read.

    Raises:
        ValueError: for a missing, truncated or foreign file.
    """
    content = read_config(path)
    try:
        return stage_config(content)
    except ValueError as error:
        raise ValueError(f"checkpoint {path}: {error}") from error


def save_stage(
    path: Path,
    config: StageConfig,
    state: Mapping[str, Tensor],
    *,
    dtype: torch.dtype = torch.float16,
    training: Mapping[str, int] | None = None,
) -> None:
    """Writes weights and configuration as one safetensors file, atomically.

    `training` says how far the weights were trained, for `checkpoint.read_training`.
    """
    write_checkpoint(path, config.to_json(), state, dtype=dtype, training=training)
