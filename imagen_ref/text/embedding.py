"""What a text encoder gives to the networks: token states and a mask, and their null."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class TextEmbedding:
    """Token states of a batch of prompts.

    Attributes:
        states: [B, L, D] float; rows where the mask is False are zero.
        mask: [B, L] bool, True for a token of the prompt.
    """

    states: Tensor
    mask: Tensor

    def __post_init__(self) -> None:
        assert self.states.ndim == 3
        assert self.mask.shape == self.states.shape[:2]
        assert self.mask.dtype == torch.bool

    def __len__(self) -> int:
        return self.states.shape[0]

    def __getitem__(self, rows: slice | Sequence[int] | Tensor) -> TextEmbedding:
        index = rows if isinstance(rows, slice | Tensor) else torch.as_tensor(rows)
        return TextEmbedding(states=self.states[index], mask=self.mask[index])

    def to(self, device: torch.device | str) -> TextEmbedding:
        """The same embedding on another device."""
        return TextEmbedding(states=self.states.to(device), mask=self.mask.to(device))

    def drop(self, dropped: Tensor) -> TextEmbedding:
        """The embedding with the rows where `dropped` [B] is True replaced by the null embedding.

        A dropped row has no visible token, so nothing of the prompt, its length included, is left
        (Imagen, section 2.2: text is dropped for classifier-free guidance).
        """
        mask = self.mask & ~dropped[:, None]
        return TextEmbedding(states=self.states * mask[..., None], mask=mask)


class TextEncoder(Protocol):
    """A frozen text encoder."""

    @property
    def dim(self) -> int:
        """Width D of the states."""

    @property
    def max_length(self) -> int:
        """Tokens kept of a prompt."""

    @property
    def identity(self) -> dict[str, str | int]:
        """Name, revision or folder name, weights hash and length: what a checkpoint records."""

    def encode(self, prompts: Sequence[str]) -> TextEmbedding:
        """Token states of the prompts, padded to the longest of them."""

    def truncated(self, prompts: Sequence[str]) -> list[int]:
        """Positions of the prompts that are longer than `max_length`."""

    def release(self) -> None:
        """Frees the weights; the next `encode` reads them again."""


def null_embedding(batch: int, dim: int, *, length: int = 1) -> TextEmbedding:
    """The embedding of no text: zero states, nothing visible. The length changes nothing."""
    return TextEmbedding(
        states=torch.zeros(batch, length, dim), mask=torch.zeros(batch, length, dtype=torch.bool)
    )


def collate(states: Sequence[Tensor]) -> TextEmbedding:
    """Unpadded states, each [L_i, D] and possibly of length 0, as one batch padded with zeros."""
    longest = max([1, *(len(one) for one in states)])
    dim = states[0].shape[-1]
    batch = torch.zeros(len(states), longest, dim, dtype=states[0].dtype)
    mask = torch.zeros(len(states), longest, dtype=torch.bool)
    for row, one in enumerate(states):
        batch[row, : len(one)] = one
        mask[row, : len(one)] = True
    return TextEmbedding(states=batch, mask=mask)
