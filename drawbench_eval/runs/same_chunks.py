"""Chunks that another run has made already: linked instead of made again, whatever the generator.

Under `<results>/store/.chunks` lies a small file for each chunk by all that makes its images: the identity of
the generator, the class of device, and the requests. It says in which folder they are. Their hashes are
looked at before they are taken; the images of a run that kept none are made again.
"""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drawbench_eval.files import atomic_path, digest, write_json
from drawbench_eval.runs.chunks import Chunk, ChunkRecord, done_record, image_name

# Under the results folder.
INDEX = Path("store") / ".chunks"


def chunk_key(identity: Mapping[str, Any], made_on: str, chunk: Chunk) -> str:
    """The digest of all that makes a chunk's images."""
    requests = [[one.sample_id, one.prompt, one.seed] for one in chunk.requests]
    return digest({"identity": dict(identity), "made_on": made_on, "requests": requests})


def remember(index: Path, key: str, chunk: Chunk, folder: Path) -> None:
    """Says that the chunk lies in `folder`. The paths are relative, so that a results folder may be moved."""
    there = os.path.relpath(folder, index)
    write_json(index / f"{key}.json", {"samples": there, "record": chunk.record.name})


def take(index: Path, key: str, chunk: Chunk, folder: Path) -> ChunkRecord | None:
    """The record of the same chunk in another folder, after linking its images into `folder`.

    None where there is no such chunk, or it is not whole any more.
    """
    other = _place(index / f"{key}.json", chunk)
    if other is None:
        return None
    at, there = other
    record = done_record(there, at)
    if record is None or at == folder:
        return None
    for sample_id in record.sha256:
        _link(at / image_name(sample_id), folder / image_name(sample_id))
    # Another process may have changed its mind about them meanwhile.
    record.write(chunk.record)
    return done_record(chunk, folder)


def forget_gone(index: Path) -> int:
    """Removes what points to folders that are gone, and says how many there were."""
    gone = 0
    for path in index.glob("*.json") if index.is_dir() else ():
        place = _place(path, None)
        if place is None or not place[1].record.exists():
            path.unlink(missing_ok=True)
            gone += 1
    return gone


def _place(path: Path, chunk: Chunk | None) -> tuple[Path, Chunk] | None:
    """The folder that the file names, and the chunk there."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        at, name = Path(os.path.normpath(path.parent / str(found["samples"]))), str(found["record"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return at, Chunk(requests=chunk.requests if chunk else (), record=at / ".chunks" / name)


def _link(source: Path, target: Path) -> None:
    """A second name of the file; a copy where the file system has none."""
    with atomic_path(target) as temporary:
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copyfile(source, temporary)
