"""The content-keyed store: arrays that are dear to compute, kept by everything that they were made from.

A file lies at `<folder>/<kind>/<digest of the key>.safetensors` and carries the hash of its own content. Two
processes may use one store at once: files appear whole or not at all, and whoever comes second replaces a
file by an equal one.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from drawbench_eval.files import atomic_path, canonical_json, digest

Arrays = dict[str, np.ndarray[Any, Any]]

_log = logging.getLogger(__name__)
_HASH = "content_sha256"


class DamagedEntryError(ValueError):
    """A file of the store that is not what was written."""


@dataclass(frozen=True)
class Store:
    """Named arrays under a folder, found by `kind` and by the digest of a JSON-able key."""

    folder: Path

    def path(self, kind: str, key: Mapping[str, Any]) -> Path:
        """Where the entry of this key lies, whether or not it exists."""
        return self.folder / kind / f"{digest(key)}.safetensors"

    def get_or_make(self, kind: str, key: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
        """The arrays kept under `key`; `make()` is called, and its result kept, where there are none.

        The key must name everything that can change the arrays. A damaged entry is said in the log and made
        again.
        """
        kept = self.get(kind, key)
        return kept if kept is not None else self._write(kind, key, make())

    def get_or_make_once(self, kind: str, key: Mapping[str, Any], make: Callable[[], Arrays]) -> Arrays:
        """`get_or_make` of what no two processes should make at once: whoever comes second waits and reads.

        `make` must not come here for another entry of the same kind.
        """
        kept = self.get(kind, key)
        if kept is not None:
            return kept
        with self._alone(kind, key):
            # Whoever had the lock may have made it.
            return self.get_or_make(kind, key, make)

    def get(self, kind: str, key: Mapping[str, Any]) -> Arrays | None:
        """The arrays kept under `key`; None where there are none, or a damaged entry, which the log says."""
        path = self.path(kind, key)
        if not path.exists():
            return None
        try:
            return read_arrays(path)
        except DamagedEntryError as error:
            _log.warning("%s; it is computed again", error)
            return None

    def _write(self, kind: str, key: Mapping[str, Any], arrays: Arrays) -> Arrays:
        return write_arrays(self.path(kind, key), arrays, {"key": canonical_json(key)})

    @contextmanager
    def _alone(self, kind: str, key: Mapping[str, Any]) -> Iterator[None]:
        """A lock of the operating system, one of 256 a kind, which ends with the process that holds it."""
        path = self.folder / ".locks" / f"{kind}-{digest(key)[:2]}.lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path):
            yield


@dataclass(frozen=True, kw_only=True)
class Kept:
    """How much of one kind a store holds."""

    kind: str
    num_files: int
    num_bytes: int


def contents(folder: Path) -> tuple[Kept, ...]:
    """What the store at `folder` holds, by kind in alphabetical order; nothing where there is no store."""
    every = folder.iterdir() if folder.is_dir() else ()
    kinds = sorted(path for path in every if path.is_dir() and not path.name.startswith("."))
    found = []
    for kind in kinds:
        sizes = [path.stat().st_size for path in entries(kind)]
        found.append(Kept(kind=kind.name, num_files=len(sizes), num_bytes=sum(sizes)))
    return tuple(found)


def entries(folder: Path) -> list[Path]:
    """The store's files under `folder`, at any depth, sorted; unfinished ones are not among them."""
    return sorted(path for path in folder.rglob("*.safetensors") if not path.name.startswith("."))


def damage(path: Path) -> str | None:
    """What is wrong with a file of the store; None for one that is as it was written."""
    try:
        read_arrays(path)
    except DamagedEntryError as error:
        return str(error)
    return None


def clear(folder: Path, kind: str) -> tuple[Kept, ...]:
    """Removes the entries of a kind, or of all kinds for "all", and says what they were.

    Raises ValueError, with the kinds that there are, for another one.
    """
    held = contents(folder)
    chosen = tuple(kept for kept in held if kind in ("all", kept.kind))
    if not chosen and kind != "all":
        names = ", ".join(kept.kind for kept in held) or "nothing"
        raise ValueError(f"clear: {kind} is not kept in {folder}; there is {names}")
    for kept in chosen:
        for path in entries(folder / kept.kind):
            path.unlink(missing_ok=True)
    return chosen


def write_arrays(path: Path, arrays: Mapping[str, Any], metadata: Mapping[str, str] | None = None) -> Arrays:
    """Writes arrays with the hash of their content, whole or not at all, and gives them back as written."""
    written = {name: np.asarray(array, order="C") for name, array in arrays.items()}
    content = save(written, metadata={_HASH: _content_hash(written), **(metadata or {})})
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)
    return written


def read_arrays(path: Path) -> Arrays:
    """The arrays that `write_arrays` wrote. Raises DamagedEntryError where they are not what was written."""
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        raise DamagedEntryError(f"{path}: cannot be read ({error})") from error
    if metadata.get(_HASH) != _content_hash(arrays):
        raise DamagedEntryError(f"{path}: its content does not have the hash that was written with it")
    return arrays


def _content_hash(arrays: Arrays) -> str:
    hasher = hashlib.sha256()
    for name in sorted(arrays):
        array = arrays[name]
        hasher.update(canonical_json([name, array.dtype.str, list(array.shape)]).encode("utf-8"))
        hasher.update(array.tobytes())
    return hasher.hexdigest()
