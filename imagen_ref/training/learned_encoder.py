"""A text encoder that learns with the network: a control for the paper's frozen ones (section 2.1)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn

from imagen_ref.text.embedding import TextEmbedding, TextEncoder
from imagen_ref.text.folder import FolderEncoder
from imagen_ref.training.series import Trained

FOLDER = "text_encoder"


class LearnedEncoder:
    """A text encoder whose states carry gradients to its weights; the encoder that it starts from stays.

    It runs without dropout, so that a step draws no random numbers but its own.

    Raises:
        ValueError: for states that come from a cache, and for weights in another precision than float32.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        if not isinstance(encoder, FolderEncoder):
            raise ValueError(
                "training.learn_encoder: states from a cache do not learn; write text_cache=false"
            )
        self._encoder = copy.copy(encoder)
        self._encoder.release()
        self.model = self._encoder.model.requires_grad_(True)
        for weight in self.model.parameters():
            if weight.dtype != torch.float32:
                raise ValueError(
                    f"training.learn_encoder: the encoder is in {weight.dtype}; load it in float32"
                )

    @property
    def dim(self) -> int:
        """Width of the states."""
        return self._encoder.dim

    @property
    def max_length(self) -> int:
        """Tokens kept of a prompt."""
        return self._encoder.max_length

    @property
    def identity(self) -> dict[str, str | int]:
        """That of the encoder that it started from."""
        return self._encoder.identity

    def encode(self, prompts: Sequence[str]) -> TextEmbedding:
        """Token states, with gradients."""
        return self._encoder.embed(prompts)

    def truncated(self, prompts: Sequence[str]) -> list[int]:
        """Positions of the prompts that are longer than `max_length`."""
        return self._encoder.truncated(prompts)

    def release(self) -> None:
        """Nothing: what was learned is nowhere else."""

    def with_network(self, network: nn.Module) -> nn.ModuleDict:
        """All that learns, as one module."""
        return nn.ModuleDict({"network": network, FOLDER: self.model})

    def save(self, folder: Path, trained: Trained) -> Trained:
        """Writes the encoder as a Hugging Face folder, `folder/text_encoder`.

        Args:
            folder: of the training.
            trained: with the averages of `with_network`.

        Returns:
            The network's part of it, whose stage names that encoder.
        """
        target, new = folder / FOLDER, folder / f"{FOLDER}.partial"
        model = copy.deepcopy(self.model)
        model.load_state_dict(_part(trained.average, FOLDER))
        model.save_pretrained(new)  # type: ignore[operator]
        self._encoder.tokenizer.save_pretrained(new)
        target.mkdir(exist_ok=True)
        for path in sorted(new.iterdir()):
            path.replace(target / path.name)
        new.rmdir()
        identity = type(self._encoder)(target, max_length=self.max_length).identity
        stage = replace(trained.stage, text_encoder=identity)
        return replace(trained, stage=stage, average=_part(trained.average, "network"))


def _part(state: Mapping[str, Tensor], name: str) -> dict[str, Tensor]:
    prefix = f"{name}."
    return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
