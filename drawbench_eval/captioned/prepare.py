"""Images made small once: webdataset shards of PNGs at the side that training asks for."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from drawbench_eval.captioned.source import Captioned
from drawbench_eval.captioned.usable import Problem, Usable, look, read_usable, write_usable
from drawbench_eval.files import atomic_path
from drawbench_eval.images.decode import Pixels

SHARD_IMAGES = 4096
RECORD = "prepared.json"
# The field of a sample's .json that holds its captions.
CAPTIONS = "captions"


def prepare(
    source: Captioned,
    folder: Path,
    *,
    shrink: Callable[[Pixels], Pixels],
    side: int,
    advance: Callable[[int], None] = lambda _: None,
) -> Usable:
    """Writes the usable images into `folder` as shards, `00000.tar` and on, and returns what is usable.

    Shard k holds what is usable of images 4096 k to 4096 k + 4095 of the source; beside it `00000.json` names
    what is not. A stopped call continues with the next shard. `prepared.json` comes last and sums up.

    Each sample is `<index>.png`, `<index>.txt` (its first caption) and `<index>.json` (name, all captions).
    """
    problems: list[Problem] = []
    for number, start in enumerate(range(0, len(source), SHARD_IMAGES)):
        indices = range(start, min(start + SHARD_IMAGES, len(source)))
        record = folder / f"{number:05d}.json"
        if not record.is_file():
            _write_shard(source, indices, record, shrink=shrink, side=side, advance=advance)
        else:
            advance(len(indices))
        problems += read_usable(record).problems
    found = Usable(num_images=len(source), problems=problems)
    write_usable(folder / RECORD, source.location, found)
    return found


def _write_shard(
    source: Captioned,
    indices: range,
    record: Path,
    *,
    shrink: Callable[[Pixels], Pixels],
    side: int,
    advance: Callable[[int], None],
) -> None:
    problems = []
    with atomic_path(record.with_suffix(".tar")) as temporary, tarfile.open(temporary, "w") as archive:
        for looked in look(source, indices, min_side=side):
            problems += looked.problems
            if looked.pixels is not None:
                _add(archive, source, looked.number, shrink(looked.pixels))
            advance(1)
    write_usable(record, source.location, Usable(num_images=len(indices), problems=problems))


def _add(archive: tarfile.TarFile, source: Captioned, index: int, pixels: Pixels) -> None:
    picture = io.BytesIO()
    Image.fromarray(pixels).save(picture, format="PNG")
    captions = source.spoken(index)
    fields = {"name": source.names[index], CAPTIONS: captions}
    for ending, content in (
        ("png", picture.getvalue()),
        ("txt", captions[0].encode()),
        ("json", json.dumps(fields, ensure_ascii=False).encode()),
    ):
        # No time and no owner: the same images are the same bytes.
        member = tarfile.TarInfo(f"{index:09d}.{ending}")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
