"""The file that a trained stage lies in: safetensors with its configuration and a hash of both."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

FORMAT = "imagen_ref.stage/1"
# A compiled network puts this into its names, as does one with compiled parts.
COMPILED = "_orig_mod."
# The SHA-256 of configuration and weights.
CONTENT = "content_sha256"
_CHUNK_BYTES = 1 << 22


class Weights(NamedTuple):
    """What a file holds: tensors by name, and the SHA-256 of the whole file."""

    state: dict[str, Tensor]
    sha256: str


def read_config(path: Path) -> dict[str, Any]:
    """The configuration in a file that `write_checkpoint` wrote; its weights are not read.

    Raises:
        ValueError: for a missing, truncated or foreign file.
    """
    config = _metadata(path)["config"]
    try:
        content = json.loads(config)
    except ValueError as error:
        raise ValueError(f"checkpoint {path}: its configuration is not JSON ({error})") from error
    if not isinstance(content, dict):
        raise ValueError(f"checkpoint {path}: its configuration is {config}; a JSON object is needed")
    return content


def read_weights(path: Path, expected: Mapping[str, Tensor]) -> Weights:
    """The weights, by the names that an uncompiled network has for them.

    Args:
        path: a file that `write_checkpoint` wrote.
        expected: the network's own state, whose names and shapes they must have.

    Raises:
        ValueError: for a missing, truncated or foreign file, one that was changed after it was written, or
            weights that do not fit the network.
    """
    metadata = _metadata(path)
    written = metadata.get(CONTENT)
    whole, content = _digests(path, metadata["config"])
    # The first files were written without it.
    if written is not None and written != content:
        raise ValueError(
            f"checkpoint {path}: changed since it was written (SHA-256 {content[:8]} of its content, "
            f"{written[:8]} when it was written); take a fresh copy"
        )
    with safe_open(path, framework="pt") as file:
        state = {name.replace(COMPILED, ""): file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    _check_fits(path, expected, state)
    return Weights(state=state, sha256=whole)


def read_training(path: Path) -> dict[str, int]:
    """How far the weights of a file were trained: `step`, `images`, `flops`; empty where it does not say.

    Raises:
        ValueError: for a missing, truncated or foreign file.
    """
    progress: dict[str, int] = json.loads(_metadata(path).get("training", "{}"))
    return progress


def write_checkpoint(
    path: Path,
    config: Mapping[str, Any],
    state: Mapping[str, Tensor],
    *,
    dtype: torch.dtype,
    training: Mapping[str, int] | None = None,
) -> None:
    """Writes weights and configuration as one safetensors file, atomically.

    The same weights and configuration are the same bytes. `training` is for `read_training`.
    """
    tensors = {
        name.replace(COMPILED, ""): tensor.detach().to(dtype).cpu().contiguous()
        for name, tensor in state.items()
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    metadata = {"format": FORMAT, "config": json.dumps(config, sort_keys=True)}
    if training is not None:
        metadata["training"] = json.dumps(training, sort_keys=True)
    try:
        temporary.write_bytes(_finished(save(tensors, metadata=metadata)))
        # safetensors makes files that only their owner may read; a packaged stage is for everybody.
        temporary.chmod(0o644)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _metadata(path: Path) -> dict[str, str]:
    if not path.is_file():
        raise ValueError(f"checkpoint {path}: there is no such file; a stage's .safetensors is needed")
    try:
        with safe_open(path, framework="pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(
            f"checkpoint {path}: cannot be read, it is damaged or cut short ({error})"
        ) from error
    if metadata.get("format") != FORMAT:
        raise ValueError(f"checkpoint {path}: format {metadata.get('format')!r} is not {FORMAT!r}")
    if "config" not in metadata:
        raise ValueError(f"checkpoint {path}: no configuration in its header; take a fresh copy")
    return metadata


def _finished(content: bytes) -> bytes:
    """A safetensors file with the hash of its content in its header, and the header in key order.

    The library writes metadata in random order; the hash of the same weights has to be the same.
    """
    start = 8 + int.from_bytes(content[:8], "little")
    fields = json.loads(content[8:start])
    metadata = fields["__metadata__"]
    metadata[CONTENT] = hashlib.sha256(metadata["config"].encode() + content[start:]).hexdigest()
    header = json.dumps(fields, sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[start:]


def _digests(path: Path, config: str) -> tuple[str, str]:
    """SHA-256 of the whole file, and of its configuration and weights."""
    whole, content = hashlib.sha256(), hashlib.sha256(config.encode())
    with path.open("rb") as file:
        length = file.read(8)
        header = file.read(int.from_bytes(length, "little"))
        whole.update(length + header)
        while chunk := file.read(_CHUNK_BYTES):
            whole.update(chunk)
            content.update(chunk)
    return whole.hexdigest(), content.hexdigest()


def _check_fits(path: Path, expected: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> None:
    """Raises ValueError in one line where weights and configuration of a file do not belong together."""
    wanted = {name: tuple(tensor.shape) for name, tensor in expected.items()}
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    wrong = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
    if wrong:
        raise ValueError(
            f"checkpoint {path}: {len(wrong)} weights do not fit its configuration, among them {wrong[0]} "
            f"of shape {found.get(wrong[0])} for {wanted.get(wrong[0])}"
        )
