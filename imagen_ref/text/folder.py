"""A Hugging Face folder as a frozen text encoder: what all families have in common."""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from imagen_ref.text.embedding import TextEmbedding, null_embedding

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
# What a tokenizer can be made from, in the order in which it is preferred.
VOCABULARIES = ("tokenizer.json", "spiece.model", "tokenizer.model", "vocab.txt", "vocab.json")
_CHUNK_BYTES = 1 << 22


class FolderEncoder(ABC):
    """A frozen encoder from a folder with config.json, safetensors weights and a tokenizer.

    A family is a subclass of a few lines: the model types it takes, its model class and which states it
    gives. The weights are read at the first `encode`, and again at the first one after `release`.

    Args:
        folder: the Hugging Face folder.
        max_length: tokens kept of a prompt, special ones included; the family's usual number by default
            (an assumption for T5: the paper does not say).
        dtype: float32 or bfloat16 of the weights; the states are float32 either way.
        device: where the model runs, and where its states are.
        pad_to_multiple_of: batches are padded to a multiple of this, so that a compiled network sees few
            lengths.
        name: what to call it in a checkpoint; by default the folder's name.
        revision: the commit it was fetched at; empty for a folder of one's own.

    Raises:
        ValueError: for another dtype, a folder that does not hold a model of the family, damaged weights, or
            a length that the model has no positions for.
    """

    family: ClassVar[str]
    model_types: ClassVar[tuple[str, ...]]
    usual_length: ClassVar[int] = 128
    # Weights that a file may lack because the states do not depend on them, by a part of their names.
    unread: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        folder: str | Path,
        *,
        max_length: int | None = None,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
        pad_to_multiple_of: int = 1,
        name: str = "",
        revision: str = "",
    ) -> None:
        self._folder = Path(folder)
        self._max_length = self.usual_length if max_length is None else max_length
        self._dtype, self._device = dtype, torch.device(device)
        self._pad_to_multiple_of = pad_to_multiple_of
        self._name, self._revision = name or self._folder.name, revision
        self._check_dtype()
        _check_folder(self._folder, self.family, self.model_types)
        from transformers import AutoConfig, AutoTokenizer

        self._config: Any = AutoConfig.from_pretrained(self._folder, local_files_only=True)
        limit, padded = self._num_positions(), -(-self._max_length // pad_to_multiple_of) * pad_to_multiple_of
        if not 1 <= padded <= limit:
            raise ValueError(
                f"text encoder {self._folder}: max_length {self._max_length}, padded to a multiple of "
                f"{pad_to_multiple_of}; it takes 1 to {limit} tokens"
            )
        self._tokenizer: Any = AutoTokenizer.from_pretrained(self._folder, local_files_only=True)
        # Padding stands behind the prompt, so that positions do not depend on the batch; the end is cut.
        self._tokenizer.padding_side = self._tokenizer.truncation_side = "right"
        if self._tokenizer.pad_token is None:
            # Masked out, so any token will do.
            self._tokenizer.pad_token = self._tokenizer.eos_token
        self._model: nn.Module | None = None

    @property
    def dim(self) -> int:
        """Width of the states."""
        return int(self._config.hidden_size)

    @property
    def max_length(self) -> int:
        """Tokens kept of a prompt, special ones included."""
        return self._max_length

    @cached_property
    def identity(self) -> dict[str, str | int]:
        """What a checkpoint records of its encoder: a revision and another precision than float32 if any."""
        identity: dict[str, str | int] = {
            "family": self.family,
            "name": self._name,
            "weights_sha256": _folder_sha256(self._folder),
            "max_length": self._max_length,
        }
        if self._revision:
            identity["revision"] = self._revision
        if self._dtype != torch.float32:
            identity["precision"] = str(self._dtype).removeprefix("torch.")
        return identity

    @property
    def model(self) -> nn.Module:
        """The model, frozen; read from the folder where it is not there yet."""
        return self._loaded()

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, a Hugging Face one."""
        return self._tokenizer

    @torch.no_grad()
    def encode(self, prompts: Sequence[str]) -> TextEmbedding:
        """float32 states on the encoder's device, always computed with the attention mask.

        An empty prompt has no tokens at all: it is the null embedding.
        """
        return self.embed(prompts)

    def embed(self, prompts: Sequence[str]) -> TextEmbedding:
        """As `encode`, with gradients to weights that ask for them."""
        spoken = [index for index, prompt in enumerate(prompts) if prompt.strip()]
        if not spoken:
            return null_embedding(len(prompts), self.dim).to(self._device)
        batch = self._tokenizer(
            [prompts[index] for index in spoken],
            padding=True,
            pad_to_multiple_of=self._pad_to_multiple_of,
            truncation=True,
            max_length=self._max_length,
            return_tensors="pt",
        ).to(self._device)
        mask = batch["attention_mask"].bool()
        states = self._states(self._loaded(), batch["input_ids"], mask).float() * mask[..., None]
        if len(spoken) < len(prompts):
            rows = torch.tensor(spoken, device=self._device)
            states = states.new_zeros(len(prompts), *states.shape[1:]).index_copy(0, rows, states)
            mask = mask.new_zeros(len(prompts), mask.shape[1]).index_copy(0, rows, mask)
        return TextEmbedding(states=states, mask=mask)

    def truncated(self, prompts: Sequence[str]) -> list[int]:
        """Positions of the prompts with more tokens than `max_length`."""
        if not prompts:
            return []
        lengths = [len(ids) for ids in self._tokenizer(list(prompts))["input_ids"]]
        return [index for index, length in enumerate(lengths) if length > self._max_length]

    def release(self) -> None:
        """Frees the weights; the next `encode` reads them again."""
        self._model = None
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    @abstractmethod
    def _model_class(self) -> Any:
        """The class of transformers that reads the weights."""

    def _states(self, model: Any, ids: Tensor, mask: Tensor) -> Tensor:
        """Token states [B, L, D] of token ids and mask [B, L]: the last hidden ones."""
        states: Tensor = model(input_ids=ids, attention_mask=mask).last_hidden_state
        return states

    def _num_positions(self) -> int:
        """How many tokens the model has positions for."""
        return int(self._config.max_position_embeddings)

    def _check_dtype(self) -> None:
        if self._dtype not in DTYPES.values():
            raise ValueError(
                f"text encoder precision: {str(self._dtype).removeprefix('torch.')} is not one of "
                f"{', '.join(DTYPES)}"
            )

    def _loaded(self) -> nn.Module:
        if self._model is None:
            model, found = self._model_class().from_pretrained(
                self._folder,
                dtype=self._dtype,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
            # transformers would fill them with fresh weights and only say so in a log.
            missing = sorted(
                name for name in found["missing_keys"] if not any(part in name for part in self.unread)
            )
            if missing:
                raise ValueError(
                    f"text encoder {self._folder}: {len(missing)} weights missing, among them {missing[0]}"
                )
            self._model = model.to(self._device).eval().requires_grad_(False)
        assert self._model is not None
        return self._model


def model_type(folder: Path) -> str:
    """The model type that a Hugging Face folder's config.json names.

    Raises:
        ValueError: when there is no readable config.json.
    """
    path = folder / "config.json"
    if not path.is_file():
        raise ValueError(f"text encoder {folder}: no config.json there; a Hugging Face folder is needed")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"text encoder {path}: not JSON ({error})") from error
    return str(content.get("model_type", "unnamed") if isinstance(content, dict) else "unnamed")


def _check_folder(folder: Path, family: str, model_types: tuple[str, ...]) -> None:
    """Raises ValueError for a folder that is not of the family in safetensors; nothing of it is unpickled."""
    found = model_type(folder)
    if not any((folder / name).is_file() for name in VOCABULARIES):
        raise ValueError(
            f"text encoder {folder}: no {VOCABULARIES[0]} there; a Hugging Face {family} folder is needed"
        )
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        raise ValueError(
            f"text encoder {folder}: no *.safetensors there, and other formats are not read; take a revision "
            "that has them, or save the model once with save_pretrained of transformers"
        )
    # transformers would build a model of fresh weights from another family's folder, with only a warning.
    if found not in model_types:
        raise ValueError(f"text encoder {folder}: a {found} model, not one of {', '.join(model_types)}")
    for path in weights:
        try:
            with safe_open(path, framework="pt") as file:
                file.keys()
        except SafetensorError as error:
            raise ValueError(
                f"text encoder {folder}: its weights are damaged or cut short ({error})"
            ) from error


def _folder_sha256(folder: Path) -> str:
    """SHA-256 over the weight files and the tokenizer, in name order."""
    vocabulary = next(folder / name for name in VOCABULARIES if (folder / name).is_file())
    digest = hashlib.sha256()
    for path in sorted([*folder.glob("*.safetensors"), vocabulary]):
        for chunk in _chunks(path):
            digest.update(chunk)
    return digest.hexdigest()


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk
