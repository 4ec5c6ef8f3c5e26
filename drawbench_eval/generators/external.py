"""What generators around somebody else's model share: identity, hashes of its files, and batches handed over.

A model is identified by the hash of what makes its images, or by a version that its user states: one that has
changed never passes for the one whose samples are there. Where its images are computed is not known.
"""

from __future__ import annotations

import base64
import binascii
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.files import canonical_json, digest, sha256_file
from drawbench_eval.generators.base import Finished, Request, in_order

# Raised when what a model is told, or what is made of its answer, changes.
VERSION = 1

GuidanceKind = Literal["cfg", "distilled", "none"]

# Settings that reports know by a name of their own: an axis of theirs is an axis for every model.
_SHARED_NAMES = ("guidance_weight", "threshold", "num_steps", "sampler")


class ExternalGenerator(ABC):
    """A `Generator` and `Streaming` around a model that is only talked to."""

    device = "none"
    precision = "none"

    def __init__(
        self,
        *,
        kind: str,
        label: str,
        guidance_kind: GuidanceKind,
        origin: Mapping[str, Any],
        settings: Mapping[str, Any],
        weights: Mapping[str, str],
    ) -> None:
        """`origin` says which model it is; `kind` is the transport.

        Raises ValueError for settings that are not JSON.
        """
        self.settings = checked_settings(settings)
        self.weights = weights
        self.guidance_kind = guidance_kind
        self.label = re.sub(r"[^A-Za-z0-9.-]+", "-", label).strip("-.") or kind
        self.identity: Mapping[str, Any] = {
            "model.generator": kind,
            "model.version": VERSION,
            "model.guidance_kind": guidance_kind,
            **{f"model.{key}": value for key, value in origin.items()},
            **{f"model.weights.{name}": sha256 for name, sha256 in weights.items()},
            **{_factor(key): value for key, value in self.settings.items()},
        }
        # Without the settings: a forecast tries each kind of point, and such images are dear.
        self.cost_key = digest([kind, dict(origin)])

    @abstractmethod
    def stream(self, requests: Sequence[Request], *, batch_size: int) -> Iterator[Finished]:
        """Finished images with their requests, as soon as there are some."""

    def generate(
        self, requests: Sequence[Request], *, batch_size: int, on_image: Callable[[int], None]
    ) -> list[NDArray[np.uint8]]:
        """One image a request, in order."""
        return in_order(self.stream(requests, batch_size=batch_size), requests, on_image)

    def truncated_prompts(self, prompts: Sequence[str]) -> list[int]:  # noqa: ARG002
        """Not known of somebody else's model."""
        return []


def checked_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The settings, which must have one canonical text. Raises ValueError naming the one that has not."""
    for key, value in settings.items():
        try:
            canonical_json(value)
        except ValueError as error:
            raise ValueError(f"model.settings.{key}: {error}") from error
    return dict(settings)


def hash_weights(paths: Sequence[Path]) -> dict[str, str]:
    """Name -> SHA-256 of each file, and of each folder as a whole. Where they lie makes no difference.

    Raises ValueError for a path that is not there, and for two of one name.
    """
    hashes: dict[str, str] = {}
    for path in paths:
        name = path.resolve().name
        if name in hashes:
            raise ValueError(f"model.weights: two are called {name}; their names must differ")
        hashes[name] = hash_path(path, "model.weights")
    return hashes


def hash_path(path: Path, where: str, *, ending: str = "") -> str:
    """SHA-256 of a file, or of the names and hashes of a folder's files with this ending."""
    if path.is_file():
        return sha256_file(path)
    if not path.is_dir():
        raise ValueError(f"{where}: {path} is not there")
    files = sorted(file for file in path.rglob(f"*{ending}") if file.is_file())
    return digest([[file.relative_to(path).as_posix(), sha256_file(file)] for file in files])


def decode_base64(text: Any) -> bytes:
    """The bytes of a file in base64, or in a `data:` address. Raises ValueError for what is neither."""
    if not isinstance(text, str):
        raise ValueError(f"an image as {type(text).__name__}; it must be the file in base64")
    coded = text.partition(",")[2] if text.startswith("data:") else text
    try:
        return base64.b64decode(coded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"an image that is not base64 ({error})") from error


def batches(requests: Sequence[Request], size: int) -> Iterator[Sequence[Request]]:
    """The requests in pieces of `size`."""
    for start in range(0, len(requests), size):
        yield requests[start : start + size]


def _factor(key: str) -> str:
    return f"model.{key}" if key in _SHARED_NAMES else f"model.settings.{key}"
