"""What both networks are built from: embeddings of noise level and text, residual block, attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagen_ref.text.embedding import TextEmbedding

KeyValue = tuple[Tensor, Tensor]


@dataclass(frozen=True, kw_only=True)
class TextContext:
    """Text as the network reads it, made once per stage and not once per step.

    Attributes:
        pooled: [B, E] vector added to the noise-level embedding.
        keys_values: for each attention layer in order, keys and values of the text, each
            [B, heads, L + 1, head_dim].
        visible: [B, L + 1] bool; the first position is the learned null token and always visible.
    """

    pooled: Tensor
    keys_values: tuple[KeyValue, ...]
    visible: Tensor


class GroupNorm32(nn.GroupNorm):
    """GroupNorm computed in float32 under autocast too (Dhariwal & Nichol 2021): exact, faster on CPUs."""

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, H, W] of any dtype -> float32."""
        return super().forward(x.float())


def group_norm(channels: int) -> GroupNorm32:
    """GroupNorm over at most 32 groups of at least 4 channels each."""
    fitting = (g for g in (32, 16, 12, 8, 6, 4, 3, 2) if channels % g == 0 and channels // g >= 4)
    return GroupNorm32(next(fitting, 1), channels)


def attend(query: Tensor, key: Tensor, value: Tensor, visible: Tensor) -> Tensor:
    """Scaled dot-product attention [B, heads, Q, D] over the keys that `visible` [B, 1, 1, K] lets be seen.

    On a CPU it runs in float32 whatever autocast says: the bfloat16 kernel there is several times slower.
    """
    if query.device.type == "cpu":
        with torch.autocast("cpu", enabled=False):
            return F.scaled_dot_product_attention(
                query.float(), key.float(), value.float(), attn_mask=visible
            )
    return F.scaled_dot_product_attention(query, key, value, attn_mask=visible)


def zero_init(module: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    """The module with zero weights, so that a block starts as the identity (Dhariwal & Nichol 2021)."""
    nn.init.zeros_(module.weight)
    if module.bias is not None:
        nn.init.zeros_(module.bias)
    return module


class NoiseLevelEmbedding(nn.Module):
    """log-SNR [B] -> [B, dim]: sinusoids of the cosine time that has this log-SNR, then a small network."""

    def __init__(self, features: int, dim: int) -> None:
        super().__init__()
        self.features = features
        self.net = nn.Sequential(nn.Linear(features, dim), nn.SiLU(), nn.Linear(dim, dim))

    def forward(self, logsnr: Tensor) -> Tensor:
        """Embedding of each sample's noise level, computed from float32."""
        time = torch.atan(torch.exp(-0.5 * logsnr.float())) * (2000 / math.pi)
        half = self.features // 2
        rates = torch.exp(-math.log(10_000) * torch.arange(half, device=logsnr.device) / half)
        angles = time[:, None] * rates[None]
        embedded: Tensor = self.net(torch.cat([angles.cos(), angles.sin()], dim=1))
        return embedded


class AttentionPool(nn.Module):
    """Token states [B, L, D] -> one vector [B, dim]: a learned query attends over the visible tokens."""

    def __init__(self, width: int, dim: int, num_heads: int) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.query = nn.Parameter(torch.randn(width) / math.sqrt(width))
        self.key_value = nn.Linear(width, 2 * width)
        self.out = nn.Linear(width, dim)

    def forward(self, states: Tensor, visible: Tensor) -> Tensor:
        """Pooled states; positions where `visible` is False have no influence."""
        batch, _, width = states.shape
        key, value = split_heads(self.key_value(states), 2, self.num_heads)
        query = self.query.view(1, self.num_heads, 1, -1).expand(batch, -1, -1, -1).to(key.dtype)
        pooled = attend(query, key, value, visible[:, None, None, :])
        out: Tensor = self.out(pooled.reshape(batch, width))
        return out


class Whitening(nn.Module):
    """Token states -> states with mean 0 and nearly uncorrelated dimensions of variance 1, by a fixed map.

    An assumption of the scale model, not in the paper. A small encoder puts most of its variance into a few
    directions and what the words mean into the rest; a network that trains for minutes reads the rest too
    late. Until `fit` has seen states the map is the identity.
    """

    mean: Tensor
    matrix: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(dim))
        self.register_buffer("matrix", torch.eye(dim))

    def fit(self, states: Tensor, *, floor: float = 1e-3) -> None:
        """Takes the map from states [N, D]: their principal axes, each divided by its standard deviation.

        Args:
            states: at least two, of many prompts; padding left out.
            floor: added to every variance, as a share of the largest: axes that are rounding stay small.

        Raises:
            FloatingPointError: for states that are not finite.
        """
        if not torch.isfinite(states).all():
            raise FloatingPointError("text encoder: its states are not finite")
        rows = states.double()
        variances, axes = torch.linalg.eigh(torch.cov(rows.T))
        scale = (variances.clamp(min=0) + floor * variances[-1]).rsqrt()
        self.mean.copy_(rows.mean(0))
        self.matrix.copy_(axes * scale)

    def forward(self, states: Tensor) -> Tensor:
        """[..., D] -> the same shape, in float32 under autocast too: large parts cancel here."""
        with torch.autocast(states.device.type, enabled=False):
            return (states.float() - self.mean) @ self.matrix


class TextConditioner(nn.Module):
    """A text embedding -> token states of the network's width behind a null token, and a pooled vector.

    LayerNorm stands before projection and pooling (Imagen, appendix F.1). With every token masked only the
    null token is left, so no-text has one well-defined meaning that does not depend on a prompt's length.

    Args:
        text_dim: width of the encoder's states.
        width: width of the token states that the network attends to.
        emb_dim: width of the pooled vector.
        whiten: whether a fixed `Whitening` comes first; `train_stage` fits it to the training captions.
    """

    def __init__(self, text_dim: int, width: int, emb_dim: int, *, whiten: bool = False) -> None:
        super().__init__()
        self.text_dim = text_dim
        self.whitening = Whitening(text_dim) if whiten else None
        self.norm = nn.LayerNorm(text_dim)
        self.project = nn.Linear(text_dim, width)
        self.null = nn.Parameter(torch.randn(width) * 0.5)
        self.token_norm = nn.LayerNorm(width)
        self.pool = AttentionPool(width, emb_dim, num_heads=max(1, width // 64))

    def forward(self, text: TextEmbedding) -> tuple[Tensor, Tensor, Tensor]:
        """(states [B, L + 1, width], visible [B, L + 1], pooled [B, emb_dim]).

        Raises:
            ValueError: for an embedding of another width than the network was built for.
        """
        if text.states.shape[-1] != self.text_dim:
            raise ValueError(
                f"text encoder: its states are {text.states.shape[-1]} wide, this network was "
                f"built for {self.text_dim}"
            )
        states = text.states if self.whitening is None else self.whitening(text.states)
        states = self.project(self.norm(states))
        null = self.null.to(states.dtype).expand(len(text), 1, -1)
        states = self.token_norm(torch.cat([null, states], dim=1))
        visible = F.pad(text.mask, (1, 0), value=True)
        return states, visible, self.pool(states, visible)


class ResBlock(nn.Module):
    """GroupNorm, SiLU, 3x3 convolution, twice, with the embedding as scale and shift in between.

    Args:
        channels_in: channels of the input.
        channels: channels of the output.
        emb_dim: width of the embedding; 0 for a block without one (Efficient U-Net).
        resample: "up", "down" or "none": BigGAN resampling by 2 inside the block.
    """

    def __init__(self, channels_in: int, channels: int, *, emb_dim: int, resample: str = "none") -> None:
        super().__init__()
        self.resample = resample
        self.norm_in = group_norm(channels_in)
        self.conv_in = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.embed = nn.Linear(emb_dim, 2 * channels) if emb_dim else None
        self.norm_out = group_norm(channels)
        self.conv_out = zero_init(nn.Conv2d(channels, channels, 3, padding=1))
        self.skip = nn.Conv2d(channels_in, channels, 1) if channels_in != channels else nn.Identity()

    def forward(self, x: Tensor, emb: Tensor | None = None) -> Tensor:
        """[B, C_in, H, W] -> [B, C, H', W']."""
        h = F.silu(self.norm_in(x))
        if self.resample != "none":
            h, x = resample(h, self.resample), resample(x, self.resample)
        h = self.norm_out(self.conv_in(h))
        if self.embed is not None and emb is not None:
            scale, shift = self.embed(F.silu(emb))[:, :, None, None].chunk(2, dim=1)
            h = h * (1 + scale) + shift
        out: Tensor = self.skip(x) + self.conv_out(F.silu(h))
        return out


def resample(x: Tensor, direction: str) -> Tensor:
    """By a factor of two: nearest neighbour up, average down."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest") if direction == "up" else F.avg_pool2d(x, 2)


class TextAttention(nn.Module):
    """Attention of pixels over pixels and text tokens together, text concatenated to the keys and values.

    Args:
        channels: channels of the feature map.
        head_dim: channels per head.
        text_width: width of the token states.
        over_self: False leaves the text alone as keys (the 256 -> 1024 network of the paper).
        hidden: width of a feed-forward after the attention; 0 for none.
    """

    def __init__(
        self, channels: int, *, head_dim: int, text_width: int, over_self: bool = True, hidden: int = 0
    ) -> None:
        super().__init__()
        self.num_heads = max(1, channels // head_dim)
        self.over_self = over_self
        self.norm = group_norm(channels)
        self.query = nn.Conv2d(channels, channels, 1)
        self.key_value = nn.Conv2d(channels, 2 * channels, 1) if over_self else None
        self.text_norm = nn.LayerNorm(text_width)
        self.text_key_value = nn.Linear(text_width, 2 * channels)
        self.out = zero_init(nn.Conv2d(channels, channels, 1))
        self.feed_forward = (
            nn.Sequential(
                group_norm(channels),
                nn.Conv2d(channels, hidden, 1),
                nn.GELU(),
                zero_init(nn.Conv2d(hidden, channels, 1)),
            )
            if hidden
            else None
        )

    def text_keys_values(self, states: Tensor) -> KeyValue:
        """Keys and values of the text [B, heads, L, head_dim]: the same at every step, so made once."""
        key, value = split_heads(self.text_key_value(self.text_norm(states)), 2, self.num_heads)
        return key, value

    def forward(self, x: Tensor, text: KeyValue, visible: Tensor) -> Tensor:
        """[B, C, H, W] -> the same shape."""
        batch, channels, height, width = x.shape
        tokens = self.norm(x)
        (query,) = split_heads(_flat(self.query(tokens)), 1, self.num_heads)
        key, value = text
        mask = visible[:, None, None, :]
        if self.key_value is not None:
            own_key, own_value = split_heads(_flat(self.key_value(tokens)), 2, self.num_heads)
            key, value = torch.cat([own_key, key], dim=2), torch.cat([own_value, value], dim=2)
            mask = F.pad(mask, (height * width, 0), value=True)
        key, value = key.to(query.dtype), value.to(query.dtype)
        attended = attend(query, key, value, mask)
        merged = attended.transpose(2, 3).reshape(batch, channels, height, width)
        x = x + self.out(merged)
        return x if self.feed_forward is None else x + self.feed_forward(x)


def _flat(x: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, H * W, C]."""
    return x.flatten(2).transpose(1, 2)


def split_heads(x: Tensor, parts: int, num_heads: int) -> Sequence[Tensor]:
    """[B, L, parts * heads * head_dim] -> `parts` tensors [B, heads, L, head_dim]."""
    batch, length, _ = x.shape
    return x.view(batch, length, parts, num_heads, -1).permute(2, 0, 3, 1, 4).unbind(0)
