"""Atomic writes, content hashes, and one canonical text for values that must be compared or hashed."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

_CHUNK_BYTES = 1 << 20


def ensure_folder(folder: Path) -> Path:
    """The folder, made with its parents where it does not exist.

    Raises ValueError when it cannot be made or nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise ValueError(
            f"{folder}: cannot be made ({error.strerror}); name a folder that can be written"
        ) from error
    if not writable:
        raise ValueError(
            f"{folder}: cannot be written (permission denied); name a folder that can be written"
        )
    return folder


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """A temporary path in the same folder, renamed to `path` when the block ends without an error.

    Readers see the old file or the whole new one, also when the process is killed. The temporary name keeps
    the suffix, because image libraries choose the format by it.
    """
    ensure_folder(path.parent)
    temporary = path.parent / f".tmp-{os.getpid()}-{secrets.token_hex(4)}-{path.name}"
    try:
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        # Of a full disk the system does not say which file.
        error.filename = error.filename or str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Writes UTF-8 text atomically, line ends as given."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(text.encode("utf-8"))


def write_json(path: Path, obj: Any) -> None:
    """Writes readable JSON atomically. Raises ValueError for NaN and infinities, which JSON does not have."""
    try:
        text = json.dumps(obj, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; write null where a number is undefined") from error
    write_text(path, text + "\n")


def sha256_bytes(data: bytes) -> str:
    """SHA-256 of bytes, as 64 hex digits."""
    return hashlib.sha256(data).hexdigest()


def sha256_file(path: Path) -> str:
    """SHA-256 of a file's content, as 64 hex digits, read in pieces."""
    hasher = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            hasher.update(chunk)
    return hasher.hexdigest()


def sha256_unchanged(path: Path) -> str:
    """`sha256_file`, read once as long as the file's size and time stay: a sweep plans every point."""
    real = path.resolve()
    about = real.stat()
    return _sha256(real, about.st_size, about.st_mtime_ns)


@functools.lru_cache(maxsize=256)
def _sha256(path: Path, _size: int, _changed: int) -> str:
    return sha256_file(path)


def canonical_json(obj: Any) -> str:
    """The one text of a value: sorted keys, no spaces, tuples as lists, and 1 == 1.0.

    Raises ValueError for NaN, infinities, keys that are not text, and types that JSON does not have.
    """
    return json.dumps(
        _canonical(obj), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )


def digest(obj: Any) -> str:
    """SHA-256 of `canonical_json(obj)`, as 64 hex digits."""
    return sha256_bytes(canonical_json(obj).encode("utf-8"))


def stable_seed(*parts: Any) -> int:
    """A 63-bit seed made of the parts' canonical JSON: the same on every machine and in every Python."""
    raw = hashlib.sha256(canonical_json(list(parts)).encode("utf-8")).digest()
    return int.from_bytes(raw[:8], "big") >> 1


def _canonical(obj: Any) -> Any:
    if obj is None or isinstance(obj, bool | int | str):
        return obj
    if isinstance(obj, float):
        if not math.isfinite(obj):
            raise ValueError(
                f"{obj}: only finite numbers have a canonical form; use null where a number is undefined"
            )
        return int(obj) if obj.is_integer() else obj
    if isinstance(obj, Mapping):
        for key in obj:
            if not isinstance(key, str):
                raise ValueError(f"key {key!r}: only text keys have a canonical form")
        return {key: _canonical(value) for key, value in obj.items()}
    if isinstance(obj, list | tuple):
        return [_canonical(value) for value in obj]
    raise ValueError(
        f"{obj!r}: a {type(obj).__name__} has no canonical form; give text, numbers, lists or mappings"
    )
