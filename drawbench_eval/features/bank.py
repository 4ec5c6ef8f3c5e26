"""Feature vectors kept by what is in the image, so that no metric, run or restart computes one twice.

Metrics hold *handles*: the vectors themselves where nothing is kept, else 32 bytes an image. A shard lies at
`<store>/features/<digest of the extractor's identity>/<digest of its keys>.safetensors`, at most
`SHARD_ROWS` vectors with their keys and a hash of both. Shards are only ever added, each whole or not at all:
a killed run loses its unfinished batch, one edited image costs one vector, and several processes may fill one
store at once (a vector that two of them made is kept twice, and read once).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.features.base import Extractor, Pixels
from drawbench_eval.files import digest
from drawbench_eval.store import DamagedEntryError, Store, read_arrays, write_arrays

Handles = NDArray[Any]
Vectors = NDArray[np.float32]

KIND = "features"
SHARD_ROWS = 1024
KEY_BYTES = 32

_log = logging.getLogger(__name__)


class FeatureSource(Protocol):
    """What metrics are given: images in, handles out, vectors back."""

    @property
    def extractor(self) -> Extractor:
        """What makes the vectors."""
        ...

    def take(self, images: Sequence[Pixels]) -> Handles:
        """Handles [n, k] of uint8 RGB images: float32 vectors, or uint8 keys of vectors that are kept."""
        ...

    def vectors(self, handles: Handles) -> Vectors:
        """The vectors [n, d] of handles that `take` gave, in the order given."""
        ...

    def has(self, handles: Handles) -> bool:
        """Whether the vectors of all these handles can still be read."""
        ...


@dataclass(frozen=True)
class DirectFeatures:
    """Vectors are computed and handed over; nothing is kept."""

    extractor: Extractor

    def take(self, images: Sequence[Pixels]) -> Handles:
        """The vectors themselves."""
        return extract(self.extractor, images)

    def vectors(self, handles: Handles) -> Vectors:
        """The handles, which are the vectors."""
        return handles

    def has(self, handles: Handles) -> bool:
        """Always: a handle is its vector."""
        return handles.shape[1:] == (self.extractor.dim,)


@dataclass(frozen=True)
class StoredFeatures:
    """Vectors are kept in a store and found by the image's content."""

    extractor: Extractor
    store: Store
    _shards: _Shards = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        folder = self.store.folder / KIND / digest(dict(self.extractor.identity()))
        object.__setattr__(self, "_shards", _Shards(folder, self.extractor.dim))

    def take(self, images: Sequence[Pixels]) -> Handles:
        """SHA-256 of each image, uint8 [n, 32]; vectors that are not kept yet are computed and kept."""
        keys = [content_key(image) for image in images]
        missing = {key: image for key, image in zip(keys, images, strict=True) if key not in self._shards}
        names, pictures = list(missing), list(missing.values())
        for start in range(0, len(names), SHARD_ROWS):
            part = slice(start, start + SHARD_ROWS)
            self._shards.add(names[part], extract(self.extractor, pictures[part]))
        return np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, KEY_BYTES)

    def vectors(self, handles: Handles) -> Vectors:
        """The kept vectors, those of other processes too. Raises ValueError where one is not in the store."""
        return self._shards.read(_keys(handles))

    def has(self, handles: Handles) -> bool:
        """Whether every one of these images has its vector in the store."""
        return all(key in self._shards for key in _keys(handles))


def _keys(handles: Handles) -> list[bytes]:
    return [row.tobytes() for row in np.asarray(handles, dtype=np.uint8)]


def blocks(source: FeatureSource, handles: Handles, *, size: int = 1024) -> Iterator[Vectors]:
    """The vectors in pieces of `size`, so that memory does not grow with their number."""
    for start in range(0, len(handles), size):
        yield source.vectors(handles[start : start + size])


def content_key(image: Pixels) -> bytes:
    """SHA-256 of an image's shape and pixels, 32 bytes."""
    hasher = hashlib.sha256(f"{image.shape}{image.dtype}".encode())
    hasher.update(np.ascontiguousarray(image).data)
    return hasher.digest()


def extract(extractor: Extractor, images: Sequence[Pixels]) -> Vectors:
    """The extractor's vectors [n, d]. Raises ValueError where they are not finite or not of that shape."""
    vectors = np.asarray(extractor.extract(images), dtype=np.float32)
    if vectors.shape != (len(images), extractor.dim):
        raise ValueError(
            f"{extractor.name}: features of shape {vectors.shape}; must be {(len(images), extractor.dim)}"
        )
    broken = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
    if len(broken):
        raise ValueError(
            f"{extractor.name}: the features of image {broken[0]} of {len(images)} are not finite; "
            "its weights are damaged"
        )
    return vectors


class _Shards:
    """The shards of one extractor, and which row of which one holds a key."""

    def __init__(self, folder: Path, dim: int) -> None:
        self._folder = folder
        self._dim = dim
        self._rows: dict[bytes, tuple[Path, int]] = {}
        self._open: dict[Path, Vectors] = {}
        self._seen: set[Path] = set()
        self._look()

    def __contains__(self, key: bytes) -> bool:
        return key in self._rows

    def add(self, keys: Sequence[bytes], vectors: Vectors) -> None:
        """Keeps vectors under their keys, as one file."""
        path = self._folder / f"{hashlib.sha256(b''.join(keys)).hexdigest()}.safetensors"
        packed = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, KEY_BYTES)
        write_arrays(path, {"keys": packed, "vectors": vectors})
        self._seen.add(path)
        self._rows.update((key, (path, row)) for row, key in enumerate(keys))
        self._open.pop(path, None)

    def read(self, keys: Sequence[bytes]) -> Vectors:
        """The vectors of the keys, in their order; every shard is read once a call."""
        if not all(key in self._rows for key in keys):
            self._look()
        try:
            found = [self._rows[key] for key in keys]
        except KeyError as error:
            raise ValueError(f"{self._folder}: the features of an image were removed; run again") from error
        result = np.empty((len(keys), self._dim), dtype=np.float32)
        wanted: dict[Path, list[int]] = {}
        for position, (path, _) in enumerate(found):
            wanted.setdefault(path, []).append(position)
        for path, positions in wanted.items():
            result[positions] = self._load(path)[[found[position][1] for position in positions]]
        return result

    def _look(self) -> None:
        """Notes the shards that appeared since the last look."""
        for path in sorted(set(self._folder.glob("[!.]*.safetensors")) - self._seen):
            self._index(path)

    def _index(self, path: Path) -> None:
        """Notes what a shard holds. A damaged one is said in the log, removed, and its vectors made again."""
        self._seen.add(path)
        try:
            arrays = read_arrays(path)
            keys, vectors = arrays["keys"], arrays["vectors"]
            if vectors.shape != (len(keys), self._dim) or keys.shape[1:] != (KEY_BYTES,):
                raise DamagedEntryError(f"{path}: not a shard of features of length {self._dim}")
        except (DamagedEntryError, KeyError) as error:
            _log.warning("%s; its features are computed again", error)
            path.unlink(missing_ok=True)
            return
        for row, key in enumerate(keys):
            self._rows[key.tobytes()] = (path, row)

    def _load(self, path: Path) -> Vectors:
        """The vectors of a shard; the last few shards read stay at hand."""
        if path not in self._open:
            while len(self._open) >= _OPEN_SHARDS:
                self._open.pop(next(iter(self._open)))
            self._open[path] = read_arrays(path)["vectors"]
        return self._open[path]


_OPEN_SHARDS = 4
