"""The base U-Net: the ADM layout (Dhariwal & Nichol 2021) with text (Imagen, appendix F.1)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagen_ref.layers import (
    LATER,
    KeyValue,
    NoiseLevelEmbedding,
    ResBlock,
    TextAttention,
    TextContext,
    group_norm,
    zero_init,
)
from imagen_ref.text.embedding import TextEmbedding
from imagen_ref.text_conditioning import TextConditioner, check_text_conditioning


@dataclass(frozen=True, kw_only=True)
class UNetConfig:
    """Shape of a U-Net.

    Attributes:
        side: side of the images in pixels.
        channels: channels at full side.
        channel_mult: channels per level as multiples of `channels`; each level halves the side.
        num_res_blocks: residual blocks per level on the way down (one more on the way up).
        attention_sides: sides of feature maps at which attention follows every block.
        head_dim: channels per attention head (64 in the paper).
        text_dim: width of the text encoder's states.
        text_width: width that the states are projected to.
        whiten_text: whether the states are whitened first (an assumption: not in the paper).
        low_res: whether a low-resolution image and its augmentation level condition the network.
        noise_skip: whether the answer is sigma z + alpha times the output instead of the output. For
            eps-prediction sigma z is the noise to be expected in z, and what is left to learn has one scale
            at every noise level (that of v, Salimans & Ho 2022; an assumption: not in the paper).
        text_conditioning: cross_attention, or what the paper compares it with: attention_pooling or
            mean_pooling, where one vector is all that the network sees of the text.
        text_norm: LayerNorm on the states, False for the ablation.
    """

    side: int
    channels: int
    channel_mult: tuple[int, ...] = (1, 2, 3, 4)
    num_res_blocks: int = 3
    attention_sides: tuple[int, ...] = (32, 16, 8)
    head_dim: int = 64
    text_dim: int = 4096
    text_width: int = 512
    whiten_text: bool = False
    low_res: bool = False
    noise_skip: bool = False
    text_conditioning: str = field(default="cross_attention", metadata=LATER)
    text_norm: bool = field(default=True, metadata=LATER)

    def __post_init__(self) -> None:
        check_text_conditioning(self.text_conditioning)


class UNet(nn.Module):
    """z_t, log-SNR and text -> the network's prediction (eps, x0 or v), [B, 3, side, side]."""

    def __init__(self, config: UNetConfig) -> None:
        super().__init__()
        self.config = config
        emb_dim = 4 * config.channels
        self.noise_level = NoiseLevelEmbedding(config.channels, emb_dim)
        self.aug_level = NoiseLevelEmbedding(config.channels, emb_dim) if config.low_res else None
        self.text = TextConditioner(
            config.text_dim,
            config.text_width,
            emb_dim,
            whiten=config.whiten_text,
            norm=config.text_norm,
            mean=config.text_conditioning == "mean_pooling",
        )
        self.conv_in = nn.Conv2d(6 if config.low_res else 3, config.channels, 3, padding=1)
        self.down = nn.ModuleList()
        self.up = nn.ModuleList()
        widths = [config.channels * mult for mult in config.channel_mult]
        skips, channels, side = [config.channels], config.channels, config.side
        for level, width in enumerate(widths):
            for _ in range(config.num_res_blocks):
                self.down.append(_Step(config, channels, width, side, emb_dim))
                channels = width
                skips.append(channels)
            if level < len(widths) - 1:
                self.down.append(_Step(config, channels, channels, 0, emb_dim, resample="down"))
                side //= 2
                skips.append(channels)
        self.middle_in = _Step(config, channels, channels, side, emb_dim, attend=True)
        self.middle_out = _Step(config, channels, channels, 0, emb_dim)
        for level, width in reversed(list(enumerate(widths))):
            for block in range(config.num_res_blocks + 1):
                self.up.append(_Step(config, channels + skips.pop(), width, side, emb_dim))
                channels = width
                if level and block == config.num_res_blocks:
                    self.up.append(_Step(config, channels, channels, 0, emb_dim, resample="up"))
                    side *= 2
        self.norm_out = group_norm(channels)
        self.conv_out = zero_init(nn.Conv2d(channels, 3, 3, padding=1))

    def condition(self, text: TextEmbedding) -> TextContext:
        """Everything the network needs of the text, once for all steps of a stage."""
        states, visible, pooled = self.text(text)
        steps = [*self.down, self.middle_in, *self.up]
        keys_values = tuple(s.attention.text_keys_values(states) for s in steps if s.attention is not None)
        return TextContext(pooled=pooled, keys_values=keys_values, visible=visible)

    def forward(
        self,
        z: Tensor,
        logsnr: Tensor,
        context: TextContext,
        low_res: Tensor | None = None,
        aug_logsnr: Tensor | None = None,
    ) -> Tensor:
        """The prediction for a batch.

        Args:
            z: noisy images [B, 3, side, side].
            logsnr: noise level of each [B].
            context: what `condition` gave for these B prompts.
            low_res: the augmented low-resolution image, already at this side, for a network built with one.
            aug_logsnr: log-SNR of its augmentation [B].
        """
        noisy = z
        emb = self.noise_level(logsnr) + context.pooled
        if self.aug_level is not None:
            assert low_res is not None
            assert aug_logsnr is not None
            emb = emb + self.aug_level(aug_logsnr)
            z = torch.cat([z, low_res], dim=1)
        layers = iter(context.keys_values)
        h = self.conv_in(z)
        skips = [h]
        for step in self.down:
            h = step(h, emb, layers, context.visible)
            skips.append(h)
        h = self.middle_in(h, emb, layers, context.visible)
        h = self.middle_out(h, emb, layers, context.visible)
        for step in self.up:
            if step.resample != "up":
                h = torch.cat([h, skips.pop()], dim=1)
            h = step(h, emb, layers, context.visible)
        out: Tensor = self.conv_out(F.silu(self.norm_out(h)))
        if not self.config.noise_skip:
            return out
        alpha, sigma = (torch.sigmoid(level).sqrt().view(-1, 1, 1, 1) for level in (logsnr, -logsnr))
        return sigma * noisy + alpha * out.float()


class _Step(nn.Module):
    """A residual block and, where the side asks for it, attention."""

    def __init__(
        self,
        config: UNetConfig,
        channels_in: int,
        channels: int,
        side: int,
        emb_dim: int,
        *,
        resample: str = "none",
        attend: bool = False,
    ) -> None:
        super().__init__()
        self.resample = resample
        self.block = ResBlock(channels_in, channels, emb_dim=emb_dim, resample=resample)
        attend = attend or side in config.attention_sides
        self.attention = (
            TextAttention(
                channels,
                head_dim=config.head_dim,
                text_width=config.text_width if config.text_conditioning == "cross_attention" else 0,
                text_norm=config.text_norm,
            )
            if attend
            else None
        )

    def forward(self, x: Tensor, emb: Tensor, layers: Iterator[KeyValue | None], visible: Tensor) -> Tensor:
        x = self.block(x, emb)
        if self.attention is None:
            return x
        out: Tensor = self.attention(x, next(layers), visible)
        return out
