"""The Efficient U-Net of the super-resolution stages (Imagen, appendix B.1 and figures A.27-A.30)."""

from __future__ import annotations

import math
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
    zero_init,
)
from imagen_ref.text.embedding import TextEmbedding
from imagen_ref.text_conditioning import TextConditioner, check_text_conditioning

SKIP_SCALE = 1 / math.sqrt(2)


@dataclass(frozen=True, kw_only=True)
class EfficientUNetConfig:
    """Shape of an Efficient U-Net.

    Attributes:
        side: side of the output in pixels.
        channels: channels of each level; every level halves the side before its convolutions.
        num_res_blocks: residual blocks of each level: more where the side is small.
        stem_channels: channels of the first convolution, at full side.
        num_heads: heads of the attention at the lowest level.
        over_self: False leaves only the text to attend to (256 -> 1024).
        text_dim: width of the text encoder's states.
        text_width: width that the states are projected to.
        whiten_text: whether the states are whitened first (an assumption: not in the paper).
        text_conditioning: cross_attention, or what the paper compares it with: attention_pooling or
            mean_pooling, where one vector is all that the network sees of the text.
        text_norm: LayerNorm on the states, False for the ablation.
        conv_skip: whether the second branch of every residual block is a 1x1 convolution, as figure A.27
            shows it, also where it could be the identity.
    """

    side: int
    channels: tuple[int, ...] = (128, 256, 512, 1024)
    num_res_blocks: tuple[int, ...] = (2, 4, 8, 8)
    stem_channels: int = 128
    num_heads: int = 8
    over_self: bool = True
    text_dim: int = 4096
    text_width: int = 512
    whiten_text: bool = False
    text_conditioning: str = field(default="cross_attention", metadata=LATER)
    text_norm: bool = field(default=True, metadata=LATER)
    conv_skip: bool = field(default=False, metadata=LATER)

    def __post_init__(self) -> None:
        check_text_conditioning(self.text_conditioning)
        if not self.over_self and self.text_conditioning != "cross_attention":
            raise ValueError(
                f"text_conditioning={self.text_conditioning!r} with over_self=False leaves nothing to attend "
                "to; set one of them back"
            )


class EfficientUNet(nn.Module):
    """z_t, log-SNR, text and an augmented low-resolution image -> the prediction [B, 3, side, side].

    The network is convolutional: it also runs at sides other than `config.side` (training on crops).
    """

    def __init__(self, config: EfficientUNetConfig) -> None:
        super().__init__()
        self.config = config
        features = config.channels[0]
        emb_dim = 4 * features
        self.noise_level = NoiseLevelEmbedding(features, emb_dim)
        self.aug_level = NoiseLevelEmbedding(features, emb_dim)
        self.text = TextConditioner(
            config.text_dim,
            config.text_width,
            emb_dim,
            whiten=config.whiten_text,
            norm=config.text_norm,
            mean=config.text_conditioning == "mean_pooling",
        )
        self.conv_in = nn.Conv2d(6, config.stem_channels, 3, padding=1)
        widths = [config.stem_channels, *config.channels]
        lowest = len(config.channels) - 1
        self.down = nn.ModuleList(
            _DBlock(config, widths[level], widths[level + 1], level, emb_dim, attend=level == lowest)
            for level in range(len(config.channels))
        )
        self.up = nn.ModuleList(
            _UBlock(config, widths[level + 1], widths[level], level, emb_dim, attend=level == lowest)
            for level in reversed(range(len(config.channels)))
        )
        self.last = ResBlock(config.stem_channels, config.stem_channels, emb_dim=emb_dim)
        self.conv_out = zero_init(nn.Conv2d(config.stem_channels, 3, 3, padding=1))

    def condition(self, text: TextEmbedding) -> TextContext:
        """Everything the network needs of the text, once for all steps of a stage."""
        states, visible, pooled = self.text(text)
        attentions = [module for module in self.modules() if isinstance(module, TextAttention)]
        keys_values = tuple(layer.text_keys_values(states) for layer in attentions)
        return TextContext(pooled=pooled, keys_values=keys_values, visible=visible)

    def forward(
        self,
        z: Tensor,
        logsnr: Tensor,
        context: TextContext,
        low_res: Tensor | None = None,
        aug_logsnr: Tensor | None = None,
    ) -> Tensor:
        """The prediction for a batch; arguments as for `UNet.forward`, low_res always there."""
        assert low_res is not None
        assert aug_logsnr is not None
        emb = self.noise_level(logsnr) + self.aug_level(aug_logsnr) + context.pooled
        layers = iter(context.keys_values)
        stem = h = self.conv_in(torch.cat([z, low_res], dim=1))
        skips = []
        for block in self.down:
            h = block(h, emb, layers, context.visible)
            skips.append(h)
        for index, block in enumerate(self.up):
            skip = skips.pop()
            h = skip if index == 0 else (h + skip) * SKIP_SCALE
            h = block(h, emb, layers, context.visible)
        # The noise is a matter of single pixels, which no level below sees: the stem is joined once more
        # at full side (an assumption: the paper's figures show no layer there).
        out: Tensor = self.conv_out(self.last((h + stem) * SKIP_SCALE, emb))
        return out


class _DBlock(nn.Module):
    """Downsample by a strided convolution, combine embeddings, residual blocks, attention (figure A.28)."""

    def __init__(
        self,
        config: EfficientUNetConfig,
        channels_in: int,
        channels: int,
        level: int,
        emb_dim: int,
        *,
        attend: bool,
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels_in, channels, 3, stride=2, padding=1)
        self.body = _Body(config, channels, config.num_res_blocks[level], emb_dim, attend=attend)

    def forward(self, x: Tensor, emb: Tensor, layers: Iterator[KeyValue | None], visible: Tensor) -> Tensor:
        out: Tensor = self.body(self.conv(x), emb, layers, visible)
        return out


class _UBlock(nn.Module):
    """Combine embeddings, residual blocks, attention, then upsample and convolve (figure A.29)."""

    def __init__(
        self,
        config: EfficientUNetConfig,
        channels: int,
        channels_out: int,
        level: int,
        emb_dim: int,
        *,
        attend: bool,
    ) -> None:
        super().__init__()
        self.body = _Body(config, channels, config.num_res_blocks[level], emb_dim, attend=attend)
        self.conv = nn.Conv2d(channels, channels_out, 3, padding=1)

    def forward(self, x: Tensor, emb: Tensor, layers: Iterator[KeyValue | None], visible: Tensor) -> Tensor:
        x = self.body(x, emb, layers, visible)
        # Enlarging comes last, so that the convolution runs on the small map (appendix B.1).
        return F.interpolate(self.conv(x), scale_factor=2.0, mode="bilinear", align_corners=False)


class _Body(nn.Module):
    """What both blocks share: embeddings in, residual blocks, optional attention."""

    def __init__(
        self, config: EfficientUNetConfig, channels: int, num_blocks: int, emb_dim: int, *, attend: bool
    ) -> None:
        super().__init__()
        self.combine = nn.Linear(emb_dim, 2 * channels)
        self.blocks = nn.ModuleList(
            ResBlock(channels, channels, emb_dim=0, conv_skip=config.conv_skip) for _ in range(num_blocks)
        )
        self.attention = (
            TextAttention(
                channels,
                head_dim=max(1, channels // config.num_heads),
                text_width=config.text_width if config.text_conditioning == "cross_attention" else 0,
                text_norm=config.text_norm,
                over_self=config.over_self,
                hidden=2 * channels,
            )
            if attend
            else None
        )

    def forward(self, x: Tensor, emb: Tensor, layers: Iterator[KeyValue | None], visible: Tensor) -> Tensor:
        scale, shift = self.combine(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
        x = x * (1 + scale) + shift
        for block in self.blocks:
            x = block(x)
        if self.attention is not None:
            x = self.attention(x, next(layers), visible)
        return x
