"""Text states on disk, so that a frozen encoder reads each caption once and not in every epoch.

States lie unpadded and in bfloat16. A folder holds one subfolder for each encoder identity (weights,
revision, length, precision) and in it files of many captions each. A file appears whole or not at all, so a
killed run loses at most one; several processes may write into one folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from imagen_ref.text.embedding import TextEmbedding, TextEncoder, collate

BATCH = 64
FILE_CAPTIONS = 1024
_KEY_BYTES = 16
_Place = tuple[Path, int, int]  # a file, and the rows of its states


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What filling a cache will cost, from a first batch that is encoded to find out.

    Attributes:
        num_captions: different captions that are not there yet.
        num_bytes: what their states take on disk.
        seconds: how long encoding them takes.
    """

    num_captions: int
    num_bytes: int
    seconds: float

    def __str__(self) -> str:
        units = ((1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
        size = next(
            f"{self.num_bytes / unit:.2f} {name}"
            for unit, name in units
            if self.num_bytes >= 0.1 * unit or name == "kB"
        )
        return f"{self.num_captions:,} captions to encode: {size} on disk, {self.seconds / 60:.1f} minutes"


class _Encoded(NamedTuple):
    caption: str
    states: Tensor  # bfloat16 [L, D]


class CachedEncoder:
    """A text encoder that keeps what it has read; it stands wherever its encoder can.

    Its states are those of the encoder rounded to bfloat16, whether or not they were there before.

    Args:
        encoder: the frozen encoder.
        folder: where the states are kept.

    Raises:
        ValueError: for a damaged file in the folder, naming it.
    """

    def __init__(self, encoder: TextEncoder, folder: Path) -> None:
        self.encoder = encoder
        text = json.dumps(encoder.identity, sort_keys=True)
        self.folder = folder / hashlib.sha256(text.encode()).hexdigest()[:16]
        if not (self.folder / "encoder.json").is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            _write(self.folder / "encoder.json", (text + "\n").encode())
        self._places: dict[bytes, _Place] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            self._places.update(_places(path))

    @property
    def dim(self) -> int:
        """Width of the states."""
        return self.encoder.dim

    @property
    def max_length(self) -> int:
        """Tokens kept of a prompt."""
        return self.encoder.max_length

    @property
    def identity(self) -> dict[str, str | int]:
        """That of the encoder: a checkpoint does not care where the states came from."""
        return self.encoder.identity

    def __len__(self) -> int:
        """Number of captions that are kept."""
        return len(self._places)

    def encode(self, prompts: Sequence[str]) -> TextEmbedding:
        """Token states of the prompts; those that are not there yet are encoded and kept."""
        missing = self._missing(prompts)
        fresh = {one.caption: one.states for one in self._encode(missing)}
        if fresh:
            self._keep([_Encoded(caption, states) for caption, states in fresh.items()])
        rows = [fresh[prompt] if prompt in fresh else self._read(prompt) for prompt in prompts]
        return collate([row.float() for row in rows])

    def truncated(self, prompts: Sequence[str]) -> list[int]:
        """Positions of the prompts that are longer than `max_length`."""
        return self.encoder.truncated(prompts)

    def release(self) -> None:
        """Frees the encoder's weights; what is kept is read without them."""
        self.encoder.release()

    def fill(
        self,
        captions: Sequence[str],
        *,
        report: Callable[[str], None] = print,
        progress: Callable[[int, int], None] = lambda _done, _all: None,
    ) -> Forecast:
        """Encodes and keeps what is not there yet; started again after a kill it goes on where it was.

        Args:
            captions: all that training will ask for; repeated ones count once.
            report: told the forecast before the bulk of the work starts.
            progress: called with (captions done, captions to do) after every file.

        Returns:
            The forecast.

        Raises:
            ValueError: before starting, when the disk has less room than the states will take.
        """
        # By length, so that a batch holds little padding; by text, so that a rerun makes the same batches.
        missing = sorted(self._missing(captions), key=lambda caption: (len(caption), caption))
        started = time.monotonic()
        trial = list(self._encode(missing[:: max(1, len(missing) // BATCH)][:BATCH]))
        forecast = _forecast(trial, len(missing), time.monotonic() - started)
        report(f"text cache {self.folder}: {forecast}")
        free = shutil.disk_usage(self.folder).free
        if forecast.num_bytes > free:
            raise ValueError(
                f"text cache {self.folder}: {forecast}, but only {free / 1e9:.2f} GB are free; name a folder "
                "with more room, or encode on the fly"
            )
        for start in range(0, len(missing), FILE_CAPTIONS):
            self._keep(list(self._encode(missing[start : start + FILE_CAPTIONS])))
            progress(min(start + FILE_CAPTIONS, len(missing)), len(missing))
        return forecast

    def _missing(self, captions: Sequence[str]) -> list[str]:
        return [caption for caption in dict.fromkeys(captions) if _key(caption) not in self._places]

    def _encode(self, captions: Sequence[str]) -> Iterator[_Encoded]:
        for start in range(0, len(captions), BATCH):
            part = captions[start : start + BATCH]
            text = self.encoder.encode(part)
            for caption, states, mask in zip(part, text.states, text.mask, strict=True):
                yield _Encoded(caption, states[mask].to(torch.bfloat16))

    def _keep(self, encoded: Sequence[_Encoded]) -> None:
        keys = [torch.frombuffer(bytearray(_key(one.caption)), dtype=torch.uint8) for one in encoded]
        tensors = {
            "keys": torch.stack(keys),
            "ends": torch.tensor([len(one.states) for one in encoded]).cumsum(0),
            "states": torch.cat([one.states for one in encoded]).cpu(),
        }
        path = self.folder / f"{secrets.token_hex(8)}.safetensors"
        _write(path, save(tensors))
        self._places.update(_places(path))

    def _read(self, caption: str) -> Tensor:
        path, start, stop = self._places[_key(caption)]
        with safe_open(path, framework="pt") as file:
            states: Tensor = file.get_slice("states")[start:stop]
        return states


def _key(caption: str) -> bytes:
    return hashlib.sha256(caption.encode()).digest()[:_KEY_BYTES]


def _places(path: Path) -> Iterator[tuple[bytes, _Place]]:
    """(key, place) of every caption in a file."""
    try:
        with safe_open(path, framework="pt") as file:
            keys, ends = file.get_tensor("keys"), file.get_tensor("ends").tolist()
    except SafetensorError as error:
        raise ValueError(
            f"text cache {path}: damaged or cut short ({error}); remove it, and its captions are encoded anew"
        ) from error
    starts = [0, *ends[:-1]]
    for key, start, stop in zip(keys, starts, ends, strict=True):
        yield bytes(key.tolist()), (path, start, stop)


def _forecast(trial: Sequence[_Encoded], num_captions: int, seconds: float) -> Forecast:
    share = num_captions / max(1, len(trial))
    num_bytes = sum(one.states.numel() * one.states.element_size() + _KEY_BYTES + 8 for one in trial)
    return Forecast(num_captions=num_captions, num_bytes=round(share * num_bytes), seconds=share * seconds)


def _write(path: Path, content: bytes) -> None:
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
