"""Webdataset shards: tar archives in which the files of a sample share a name up to its first dot."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from drawbench_eval.captioned.source import CaptionColumns, Captioned, file_version
from drawbench_eval.images.archives import key_and_ending, refuse_early_end
from drawbench_eval.images.names import IMAGE_SUFFIXES

_IMAGES = tuple(suffix.removeprefix(".") for suffix in IMAGE_SUFFIXES)


class _Part(NamedTuple):
    """Where a file lies in its shard."""

    offset: int
    size: int


class _Image(NamedTuple):
    shard: Path
    part: _Part


def open_shards(path: Path, columns: CaptionColumns) -> Captioned:
    """The samples of one shard, or of all `.tar` under a folder in order of their names.

    Every shard is read through once, header by header; images are then read where they lie.

    Args:
        path: a shard or a folder.
        columns: image: the ending of the image's file (default: the only one that is an image's). caption:
            the ending of a text (default txt), or a field of the sample's `.json`, a text or a list of them.

    Raises:
        ValueError: for shards that are not there, damaged or compressed, and, naming the sample, for one of
            several images.
    """
    shards = [path] if path.is_file() else sorted(path.rglob("*.tar"))
    packed = sorted(path.rglob("*.tar.gz")) if path.is_dir() else [path] * path.name.endswith(("gz", "zst"))
    if packed:
        raise ValueError(
            f"data.path: {packed[0]} is compressed; unpack it, so that images can be read singly"
        )
    if not shards:
        raise ValueError(f"data.path: {path} is no .tar and no folder that holds any")
    names: list[str] = []
    captions: list[list[str]] = []
    images: list[_Image] = []
    for shard in shards:
        with shard.open("rb") as file:
            for key, parts in _samples(shard):
                place = f"{shard.name}/{key}"
                names.append(place)
                captions.append(_captions(file.fileno(), parts, columns.caption or "txt", place))
                images.append(_Image(shard, _image(parts, columns.image, place)))
    return Captioned(
        location=str(path),
        names=names,
        captions=captions,
        version=[file_version(shard) for shard in shards],
        read=lambda index: _read(images[index]),
    )


def _samples(shard: Path) -> Iterator[tuple[str, Mapping[str, _Part]]]:
    """Key and files by ending of every sample, in order of its first file."""
    samples: dict[str, dict[str, _Part]] = {}
    try:
        with shard.open("rb") as file, tarfile.open(fileobj=file, mode="r:") as archive:
            for member in archive:
                if member.isreg():
                    key, ending = key_and_ending(PurePosixPath(member.name).as_posix())
                    files = samples.setdefault(key, {})
                    if ending.lower() in files:
                        raise ValueError(f"{shard}: holds {member.name} twice; names must be unique")
                    files[ending.lower()] = _Part(member.offset_data, member.size)
                # What the library remembers of a large shard would fill the memory.
                archive.members = []  # type: ignore[attr-defined]
            refuse_early_end(archive, file)
    except (OSError, tarfile.TarError, EOFError) as error:
        raise ValueError(f"{shard}: not a readable tar archive ({error})") from error
    yield from samples.items()


def _image(parts: Mapping[str, _Part], ending: str | None, place: str) -> _Part:
    """Where the image lies; an empty part where there is none."""
    found = [ending] if ending in parts else [each for each in parts if each in _IMAGES and ending is None]
    if len(found) > 1:
        raise ValueError(f"{place}: has several images; write data.columns.image={found[0]}")
    return parts[found[0]] if found and found[0] is not None else _Part(0, 0)


def _captions(file: int, parts: Mapping[str, _Part], column: str, place: str) -> list[str]:
    if column in parts:
        part = parts[column]
        return [os.pread(file, part.size, part.offset).decode("utf-8", errors="replace")]
    if "json" not in parts:
        return []
    part = parts["json"]
    try:
        fields: Any = json.loads(os.pread(file, part.size, part.offset))
    except ValueError as error:
        raise ValueError(f"{place}.json: not JSON ({error})") from error
    value = fields.get(column) if isinstance(fields, dict) else None
    if value is None:
        return []
    return [str(caption) for caption in value] if isinstance(value, list) else [str(value)]


def _read(image: _Image) -> bytes:
    if image.part.size == 0:
        raise FileNotFoundError(f"{image.shard}: no image")
    with image.shard.open("rb") as file:
        file.seek(image.part.offset)
        return file.read(image.part.size)
