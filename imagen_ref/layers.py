"""What both networks are built from: embedding of the noise level, residual block, attention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

KeyValue = tuple[Tensor, Tensor]

LARGE_SCORES = 512 * 512
"""Queries times keys from which `attend` counts as large on a CPU."""
SCORES_AT_ONCE = 2**22
"""How many of their scores are made at a time."""

# Marks a setting that came after the first checkpoints: at its default a checkpoint does not name it.
LATER = {"later": True}


@dataclass(frozen=True, kw_only=True)
class TextContext:
    """Text as the network reads it, made once per stage and not once per step.

    Attributes:
        pooled: [B, E] vector added to the noise-level embedding.
        keys_values: for each attention layer in order, keys and values of the text, each
            [B, heads, L + 1, head_dim]; none for a network that reads the pooled vector alone.
        visible: [B, L + 1] bool; the first position is the learned null token and always visible.
    """

    pooled: Tensor
    keys_values: tuple[KeyValue | None, ...]
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


def attend(query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None) -> Tensor:
    """Scaled dot-product attention [B, heads, Q, D] over the keys that `visible` [B, 1, 1, K] lets be seen.

    None lets all be seen.

    On a CPU it runs in float32 whatever autocast says: the bfloat16 kernel there is slower. Large maps of
    bfloat16 that need no gradient are multiplied out instead, in half the time; their scores are bfloat16.
    """
    if query.device.type != "cpu":
        return F.scaled_dot_product_attention(query, key, value, attn_mask=visible)
    is_large = query.shape[2] * key.shape[2] >= LARGE_SCORES
    if is_large and query.dtype == torch.bfloat16 and not torch.is_grad_enabled():
        return _multiplied_out(query, key, value, visible)
    with torch.autocast("cpu", enabled=False):
        return F.scaled_dot_product_attention(query.float(), key.float(), value.float(), attn_mask=visible)


def _multiplied_out(query: Tensor, key: Tensor, value: Tensor, visible: Tensor | None) -> Tensor:
    """`attend` in the dtype of the query, a few megabytes of scores at a time: they stay in the cache."""
    batch, heads, length, width = query.shape
    hidden = None if visible is None else torch.where(visible, 0.0, -math.inf).to(query.dtype)
    attended = torch.empty_like(query)
    most = max(1, SCORES_AT_ONCE // (heads * key.shape[2]))
    for row in range(batch):
        for start in range(0, length, most):
            some = slice(start, start + most)
            scores = (query[row, :, some] / math.sqrt(width)) @ key[row].transpose(1, 2)
            if hidden is not None:
                scores += hidden[row]
            attended[row, :, some] = scores.softmax(dim=-1) @ value[row]
    return attended


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


class ResBlock(nn.Module):
    """GroupNorm, SiLU, 3x3 convolution, twice, with the embedding as scale and shift in between.

    Args:
        channels_in: channels of the input.
        channels: channels of the output.
        emb_dim: width of the embedding; 0 for a block without one (Efficient U-Net).
        resample: "up", "down" or "none": BigGAN resampling by 2 inside the block.
        conv_skip: whether the other branch is a 1x1 convolution even where the channels stay the same.
    """

    def __init__(
        self,
        channels_in: int,
        channels: int,
        *,
        emb_dim: int,
        resample: str = "none",
        conv_skip: bool = False,
    ) -> None:
        super().__init__()
        self.resample = resample
        self.norm_in = group_norm(channels_in)
        self.conv_in = nn.Conv2d(channels_in, channels, 3, padding=1)
        self.embed = nn.Linear(emb_dim, 2 * channels) if emb_dim else None
        self.norm_out = group_norm(channels)
        self.conv_out = zero_init(nn.Conv2d(channels, channels, 3, padding=1))
        conv_skip = conv_skip or channels_in != channels
        self.skip = nn.Conv2d(channels_in, channels, 1) if conv_skip else nn.Identity()

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
        text_width: width of the token states; 0 for pixels alone.
        text_norm: False leaves out the LayerNorm on the token states.
        over_self: False leaves the text alone as keys (the 256 -> 1024 network of the paper).
        hidden: width of a feed-forward after the attention; 0 for none.
    """

    def __init__(
        self,
        channels: int,
        *,
        head_dim: int,
        text_width: int,
        text_norm: bool = True,
        over_self: bool = True,
        hidden: int = 0,
    ) -> None:
        super().__init__()
        assert over_self or text_width, "nothing to attend to"
        self.num_heads = max(1, channels // head_dim)
        self.over_self = over_self
        self.norm = group_norm(channels)
        self.query = nn.Conv2d(channels, channels, 1)
        self.key_value = nn.Conv2d(channels, 2 * channels, 1) if over_self else None
        self.text_norm = nn.LayerNorm(text_width) if text_width and text_norm else nn.Identity()
        self.text_key_value = nn.Linear(text_width, 2 * channels) if text_width else None
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

    def text_keys_values(self, states: Tensor) -> KeyValue | None:
        """Keys and values of the text [B, heads, L, head_dim]: the same at every step, so made once."""
        if self.text_key_value is None:
            return None
        key, value = split_heads(self.text_key_value(self.text_norm(states)), 2, self.num_heads)
        return key, value

    def forward(self, x: Tensor, text: KeyValue | None, visible: Tensor) -> Tensor:
        """[B, C, H, W] -> the same shape."""
        batch, channels, height, width = x.shape
        tokens = self.norm(x)
        (query,) = split_heads(_flat(self.query(tokens)), 1, self.num_heads)
        parts: list[KeyValue] = []
        if self.key_value is not None:
            own_key, own_value = split_heads(_flat(self.key_value(tokens)), 2, self.num_heads)
            parts.append((own_key, own_value))
        if text is not None:
            parts.append(text)
        key = torch.cat([key for key, _ in parts], dim=2).to(query.dtype)
        value = torch.cat([value for _, value in parts], dim=2).to(query.dtype)
        mask = None if text is None else visible[:, None, None, :]
        if mask is not None and self.key_value is not None:
            mask = F.pad(mask, (height * width, 0), value=True)
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
