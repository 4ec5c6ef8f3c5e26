"""The fixed pieces in which a run's images are made, and the record of each: what is there, made on what."""

import json
import re
import urllib.parse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from drawbench_eval.files import digest, sha256_file, write_json
from drawbench_eval.generators.base import Request

# What is computed together must not depend on the batch size or on where a run was interrupted: a batch never
# reaches over the end of a chunk. Changing this number changes bytes within rounding.
CHUNK_SIZE = 100


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Requests that are made together, and where their record lies."""

    requests: tuple[Request, ...]
    record: Path

    @property
    def part(self) -> Path:
        """Where the record of a started chunk lies."""
        return self.record.with_suffix(".part.json")


@dataclass(frozen=True, kw_only=True)
class ChunkRecord:
    """Sample id -> hash; the classes of device ("cpu", "cuda", "cuda, compiled") and store entries behind."""

    sha256: Mapping[str, str]
    made_on: tuple[str, ...]
    store: tuple[str, ...] = field(default=())

    def write(self, path: Path) -> None:
        """Writes it, atomically."""
        values = {"sha256": dict(self.sha256), "made_on": list(self.made_on)}
        # What the store must not lose while these samples are there.
        write_json(path, {**values, **({"store": list(self.store)} if self.store else {})})


def split(requests: Sequence[Request], folder: Path, *, name: str = "") -> list[Chunk]:
    """Requests in pieces of CHUNK_SIZE; records lie in `folder`/.chunks, under `name` and their number."""
    return [
        Chunk(
            requests=tuple(requests[start : start + CHUNK_SIZE]),
            record=folder / ".chunks" / f"{name}{start // CHUNK_SIZE:05d}.json",
        )
        for start in range(0, len(requests), CHUNK_SIZE)
    ]


def done_record(chunk: Chunk, folder: Path) -> ChunkRecord | None:
    """The chunk's record when every image that it lists is there with the recorded hash, else None."""
    record = read_record(chunk.record)
    wanted = {request.sample_id for request in chunk.requests}
    if record is None or set(record.sha256) != wanted or _there(record, folder) != record.sha256:
        return None
    return record


def finished_part(chunk: Chunk, folder: Path) -> ChunkRecord:
    """Of a started chunk the images that are there."""
    record = read_record(chunk.part)
    if record is None:
        return ChunkRecord(sha256={}, made_on=())
    wanted = {request.sample_id for request in chunk.requests}
    there = {key: sha256 for key, sha256 in _there(record, folder).items() if key in wanted}
    return ChunkRecord(sha256=there, made_on=record.made_on if there else ())


def read_record(path: Path) -> ChunkRecord | None:
    """The record of a chunk; None where there is none, or a damaged one: a chunk that is not done."""
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        made_on = record.get("made_on")
        return ChunkRecord(
            sha256={str(key): str(value) for key, value in record["sha256"].items()},
            # One class of device, in records of earlier versions.
            made_on=tuple([str(made_on)] if isinstance(made_on, str) else map(str, made_on or ())),
            store=tuple(map(str, record.get("store", ()))),
        )
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, AttributeError, TypeError):
        return None


def _there(record: ChunkRecord, folder: Path) -> dict[str, str]:
    """What a record lists, as far as it is there with the recorded hash."""
    paths = {sample_id: folder / image_name(sample_id) for sample_id in record.sha256}
    return {
        sample_id: sha256
        for sample_id, sha256 in record.sha256.items()
        if paths[sample_id].exists() and sha256_file(paths[sample_id]) == sha256
    }


def image_name(sample_id: str) -> str:
    """The file name of a sample: its id where that is safe and short, else an escaped and hashed one."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", sample_id):
        return f"{sample_id}.png"
    escaped = urllib.parse.quote(sample_id, safe="").replace(".", "%2E")
    return f"{escaped[:60]}-{digest(sample_id)[:10]}.png"
