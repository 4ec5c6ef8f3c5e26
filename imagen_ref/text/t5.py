"""A frozen T5 encoder (Raffel et al. 2020; Imagen, section 2.1), from any Hugging Face T5 folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from imagen_ref.text.embedding import TextEmbedding, collate

FAMILIES = ("t5", "mt5")


class T5Encoder:
    """The encoder half of a T5 and its tokenizer.

    Args:
        folder: a Hugging Face folder with config.json, model.safetensors and tokenizer files.
        max_length: tokens kept of a prompt, the end token included (an assumption: the paper does not say).
        dtype: float32 or bfloat16. float16 is refused: T5 overflows in it.

    Raises:
        ValueError: for float16, or a folder that does not hold a T5.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        max_length: int = 128,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        if dtype == torch.float16:
            raise ValueError("text encoder precision: T5 overflows in float16; use bfloat16 or float32")
        from transformers import AutoTokenizer, T5EncoderModel

        self._folder = Path(folder)
        _check_folder(self._folder)
        self._tokenizer = AutoTokenizer.from_pretrained(self._folder)
        try:
            model: Any = T5EncoderModel.from_pretrained(
                self._folder, dtype=dtype, use_safetensors=True, local_files_only=True
            )
        except SafetensorError as error:
            raise ValueError(
                f"text encoder {self._folder}: its weights are damaged or cut short ({error})"
            ) from error
        self._dim = int(model.config.d_model)
        self._model: nn.Module = model.to(device).eval().requires_grad_(False)
        self._device = torch.device(device)
        self._max_length = max_length

    @property
    def dim(self) -> int:
        """Width of the states."""
        return self._dim

    @property
    def max_length(self) -> int:
        """Tokens kept of a prompt, the end token included."""
        return self._max_length

    @property
    def identity(self) -> dict[str, str | int]:
        """What a checkpoint records of its encoder."""
        return {
            "family": "t5",
            "name": self._folder.name,
            "weights_sha256": _folder_sha256(self._folder),
            "max_length": self._max_length,
        }

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> TextEmbedding:
        """Last hidden states, always computed with the attention mask.

        An empty prompt has no tokens at all: it is the null embedding.
        """
        spoken = [index for index, prompt in enumerate(prompts) if prompt.strip()]
        rows: list[Tensor] = [torch.zeros(0, self.dim)] * len(prompts)
        if spoken:
            batch = self._tokenizer(
                [prompts[index] for index in spoken],
                padding=True,
                truncation=True,
                max_length=self._max_length,
                return_tensors="pt",
            ).to(self._device)
            mask = batch["attention_mask"]
            states = self._model(input_ids=batch["input_ids"], attention_mask=mask).last_hidden_state
            for row, index in enumerate(spoken):
                rows[index] = states[row, mask[row].bool()].float().cpu()
        return collate(rows)

    def truncated(self, prompts: Sequence[str]) -> list[int]:
        """Positions of the prompts with more tokens than `max_length`."""
        lengths = [len(ids) for ids in self._tokenizer(list(prompts))["input_ids"]]
        return [index for index, length in enumerate(lengths) if length > self._max_length]


def _check_folder(folder: Path) -> None:
    """Raises ValueError for a folder that is not a T5 in safetensors; nothing of it would be unpickled."""
    for pattern in ("config.json", "tokenizer.json", "*.safetensors"):
        if not any(folder.glob(pattern)):
            raise ValueError(f"text encoder {folder}: no {pattern} there; a Hugging Face T5 folder is needed")
    # transformers would build a T5 of fresh weights from another model's folder, with no more than a warning.
    family = json.loads((folder / "config.json").read_text()).get("model_type")
    if family not in FAMILIES:
        raise ValueError(f"text encoder {folder}: a {family} model, not one of {', '.join(FAMILIES)}")


def _folder_sha256(folder: Path) -> str:
    """SHA-256 over the weight files and the tokenizer, in name order."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("tokenizer.json")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
