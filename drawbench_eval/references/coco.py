"""Photographs of COCO as a reference: a whole split, or those that the prompts caption.

Published figures differ in this choice alone by 0.75-1.02 (30,000 photographs against all 40,504 of val2014),
so full and matched are two protocols.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from drawbench_eval.images.prepare import Preparation
from drawbench_eval.images.source import ImageSource, labels
from drawbench_eval.prompt import PromptSet
from drawbench_eval.references.base import Reference
from drawbench_eval.references.hashes import Progress, silent
from drawbench_eval.references.images import files_reference, open_images
from drawbench_eval.store import Store

# As COCO names its files: with the split up to 2015, without it from 2017 on. Other paddings are somebody's
# own numbers, such as a webdataset's keys and a table's rows.
_FILE = re.compile(r"(?:COCO_([a-z]+[0-9]{4})_)?([0-9]{12}|[1-9][0-9]*|0)(?:\.[A-Za-z]+)?")

_NAMED = 5


def coco_reference(
    path: Path,
    preparation: Preparation,
    *,
    split: str,
    num_images: int | None,
    matched_to: PromptSet | None,
    store: Store,
    column: str | None = None,
    progress: Progress = silent,
) -> Reference:
    """The photographs of `split` at `path`: the official zip, a folder, or a saved dataset or Parquet file.

    matched_to: None takes all of them, which must be `num_images` (None: any number); a prompt set takes
    those whose `image_id` a prompt has, each once. `column` of a dataset has their ids or file names.

    Raises ValueError for a file whose name tells no id or another split, for an id that two files have, for
    another number, and, with their count and the first of them, for photographs of the prompts that are not
    there.
    """
    source = open_images(path)
    by_id = _by_id(source, split, column)
    remarks = []
    if len(by_id) < len(source.names):
        remarks.append(
            f"{len(source.names)} rows hold {len(by_id)} photographs; the first row of each counts"
        )
    if matched_to is None:
        _refuse_another_number(path, len(by_id), split, num_images)
        files = list(by_id.values())
    else:
        files = _matched(path, by_id, matched_to)
        if len(files) < len(matched_to.prompts):
            remarks.append(
                f"{len(matched_to.prompts)} prompts caption {len(files)} photographs; each counts once"
            )
    return files_reference(
        f"coco_{split}" if matched_to is None else f"coco_{split}_matched",
        source,
        sorted(files),
        preparation,
        store=store,
        progress=progress,
        selection="full" if matched_to is None else "matched",
        remarks=remarks,
    )


def _by_id(source: ImageSource, split: str, column: str | None) -> dict[str, str]:
    """Image id, without leading zeros -> the name by which the source gives the image."""
    try:
        told = labels(source, [column] if column else [])
    except ValueError as error:
        raise ValueError(f"reference.column: {error}") from error
    found: dict[str, str] = {}
    strange: list[str] = []
    for name, label in zip(source.names, told, strict=True):
        match = _FILE.fullmatch(PurePosixPath(label).name)
        if match is None:
            strange.append(label)
            continue
        if match[1] not in (None, split):
            raise ValueError(f"reference.path: {source.location}: {label} is of {match[1]}, not of {split}")
        identity = str(int(match[2]))
        # Datasets have a row for each caption.
        if identity in found and not column:
            raise ValueError(
                f"reference.path: {source.location}: {found[identity]} and {name} are both image {identity}"
            )
        found.setdefault(identity, name)
    if strange:
        raise ValueError(
            f"reference.path: {source.location}: {len(strange):,} of {len(source.names):,} names tell no "
            f"image id, such as {strange[0]!r}; they must be like COCO_{split}_000000000042.jpg or "
            "000000000042.jpg, or stand in a column: reference.column=image_id"
        )
    return found


def _refuse_another_number(path: Path, found: int, split: str, num_images: int | None) -> None:
    if num_images is not None and found != num_images:
        raise ValueError(
            f"reference.path: {path} holds {found:,} photographs and {split} has {num_images:,}; give all of "
            f"them, or write reference.num_images={found} if these are meant"
        )


def _matched(path: Path, by_id: Mapping[str, str], prompts: PromptSet) -> list[str]:
    """The files of the photographs that the prompts caption, each once."""
    without = [prompt.id for prompt in prompts.prompts if prompt.image_id is None]
    if without:
        raise ValueError(
            f"reference.selection: {len(without):,} of {len(prompts.prompts):,} prompts of {prompts.name} "
            f"have no image_id, such as {without[0]!r}; write prompts=coco30k, or reference.selection=full"
        )
    wanted = dict.fromkeys(str(prompt.image_id) for prompt in prompts.prompts)
    missing = [identity for identity in wanted if identity not in by_id]
    if missing:
        more = ", ..." if len(missing) > _NAMED else ""
        raise ValueError(
            f"reference.path: {path} lacks {len(missing):,} of the {len(wanted):,} photographs that "
            f"{prompts.name} captions: {', '.join(missing[:_NAMED])}{more}"
        )
    return [by_id[identity] for identity in wanted]
