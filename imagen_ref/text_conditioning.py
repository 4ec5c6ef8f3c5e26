"""The text on its way into a network: LayerNorm, projection, null token, pooling (Imagen, appendix F.1)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from imagen_ref.layers import attend, split_heads
from imagen_ref.text.embedding import TextEmbedding

# How a network reads text (Imagen, figure A.13a): by attention to its tokens with a pooled vector beside it,
# or by that vector alone, pooled by attention or as a mean.
TEXT_CONDITIONING = ("cross_attention", "attention_pooling", "mean_pooling")


def check_text_conditioning(kind: str) -> None:
    """ValueError when `kind` is not one of TEXT_CONDITIONING."""
    if kind not in TEXT_CONDITIONING:
        raise ValueError(
            f"text_conditioning={kind!r} does not exist: write one of {', '.join(TEXT_CONDITIONING)}"
        )


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


class MeanPool(nn.Module):
    """Token states [B, L, D] -> one vector [B, dim]: their mean, then a linear map."""

    def __init__(self, width: int, dim: int) -> None:
        super().__init__()
        self.out = nn.Linear(width, dim)

    def forward(self, states: Tensor, visible: Tensor) -> Tensor:
        """Mean over the visible tokens; over the first, which stands for no text, if there are none."""
        counted = torch.cat([~visible[:, 1:].any(1, keepdim=True), visible[:, 1:]], dim=1)
        weights = counted / counted.sum(1, keepdim=True)
        out: Tensor = self.out((states * weights[..., None].to(states.dtype)).sum(1))
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
        norm: False leaves out the LayerNorms.
        mean: whether the vector is the tokens' mean instead of a learned query's attention over them.
    """

    def __init__(
        self,
        text_dim: int,
        width: int,
        emb_dim: int,
        *,
        whiten: bool = False,
        norm: bool = True,
        mean: bool = False,
    ) -> None:
        super().__init__()
        self.text_dim = text_dim
        self.whitening = Whitening(text_dim) if whiten else None
        self.norm = nn.LayerNorm(text_dim) if norm else nn.Identity()
        self.project = nn.Linear(text_dim, width)
        self.null = nn.Parameter(torch.randn(width) * 0.5)
        self.token_norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.pool = MeanPool(width, emb_dim) if mean else AttentionPool(width, emb_dim, max(1, width // 64))

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
