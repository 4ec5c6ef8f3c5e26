"""A frozen T5 encoder (Raffel et al. 2020; Imagen, section 2.1), from any Hugging Face T5 folder."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from imagen_ref.text.embedding import TextEmbedding, collate


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
        missing = [name for name in ("config.json", "tokenizer.json") if not (self._folder / name).is_file()]
        if missing:
            raise ValueError(f"text encoder {self._folder}: no {missing[0]} there; a Hugging Face T5 folder is needed")
        self._tokenizer = AutoTokenizer.from_pretrained(self._folder)
        self._model = T5EncoderModel.from_pretrained(self._folder, dtype=dtype).to(device).eval()
        self._model.requires_grad_(False)
        self._device = torch.device(device)
        self._max_length = max_length

    @property
    def dim(self) -> int:
        """Width of the states."""
        return int(self._model.config.d_model)

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
            states = self._model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
            for row, index in enumerate(spoken):
                rows[index] = states[row, batch["attention_mask"][row].bool()].float().cpu()
        return collate(rows)

    def truncated(self, prompts: Sequence[str]) -> list[int]:
        """Positions of the prompts with more tokens than `max_length`."""
        lengths = [len(ids) for ids in self._tokenizer(list(prompts))["input_ids"]]
        return [index for index, length in enumerate(lengths) if length > self._max_length]


def _folder_sha256(folder: Path) -> str:
    """SHA-256 over the weight files and the tokenizer, in name order."""
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), *folder.glob("tokenizer.json")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
