"""The content hashes of a set of image files, kept by their listing so that a second run need not read them.

What an archive lists is a checksum of each file (zip: CRC-32 and length). A folder lists length, inode and
times of change, as git's index does: they are trusted only where the newest lies well before the reading, so
that a file written in between cannot pass for the one that was read. Other sources are read each time.
"""

from __future__ import annotations

import time
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from drawbench_eval.files import digest, sha256_bytes
from drawbench_eval.images.loading import load_ahead
from drawbench_eval.images.source import FolderSource, ImageSource, ZipSource
from drawbench_eval.store import Arrays, Store

Advance = Callable[[int], None]
# Given how many files there are: shows that so many more are read.
Progress = Callable[[int], AbstractContextManager[Advance]]

# File systems note times in steps of up to 2 s.
_SETTLED_NS = 3_000_000_000


@contextmanager
def silent(_total: int) -> Iterator[Advance]:
    """Progress that shows nothing."""
    yield lambda _count: None


def content_hashes(
    source: ImageSource,
    names: Sequence[str],
    read: Callable[[str], bytes],
    *,
    store: Store,
    progress: Progress = silent,
) -> list[str]:
    """The SHA-256 of each named file, as 64 hex digits, in the order of `names`; `read` gives its bytes."""

    def make() -> Arrays:
        with progress(len(names)) as advance:
            hashes = "".join(_told(load_ahead(lambda name: sha256_bytes(read(name)), names), advance))
        return {"sha256": np.frombuffer(bytes.fromhex(hashes), dtype=np.uint8).reshape(-1, 32)}

    listing = _listing(source, names)
    kept = make() if listing is None else store.get_or_make("file_hashes", {"listing": digest(listing)}, make)
    return [row.tobytes().hex() for row in kept["sha256"]]


def _told(hashes: Iterable[str], advance: Advance) -> Iterator[str]:
    for one in hashes:
        advance(1)
        yield one


def _listing(source: ImageSource, names: Sequence[str]) -> list[list[Any]] | None:
    """What tells the files apart without reading them; None where nothing does."""
    try:
        if isinstance(source, ZipSource):
            with zipfile.ZipFile(source.location) as archive:
                found = [archive.getinfo(name) for name in names]
            return [[one.filename, one.CRC, one.file_size] for one in found]
        if isinstance(source, FolderSource):
            stats = [(source.location / name).stat() for name in names]
            newest = max((max(one.st_mtime_ns, one.st_ctime_ns) for one in stats), default=0)
            if newest > time.time_ns() - _SETTLED_NS:
                return None
            return [
                [name, one.st_size, one.st_ino, one.st_mtime_ns, one.st_ctime_ns]
                for name, one in zip(names, stats, strict=True)
            ]
    except (OSError, zipfile.BadZipFile, KeyError):
        # Whoever reads the files meets it again, and names it.
        return None
    return None
