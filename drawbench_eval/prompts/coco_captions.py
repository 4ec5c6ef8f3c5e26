"""COCO captions as they are found: the official annotations, and the lists that papers were measured on."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drawbench_eval.files import sha256_bytes
from drawbench_eval.prompts.reading import parse_json, read_bytes, read_table
from drawbench_eval.prompts.rows import Row, Table

# What lists call their columns, in any case of letters; an earlier name is taken before a later one.
_IMAGE = ("image_id", "coco_id", "file_name", "filename", "image", "uid", "id")
_TEXT = ("caption", "text", "prompt")
_CAPTION = ("caption_id", "annotation_id", "ann_id", "annid", "id")

# 521669, 000000521669.jpg, COCO_val2014_000000521669.jpg, 812-COCO_val2014_000000521669.jpg, 521669_mscoco_2
_IMAGE_NAME = re.compile(
    r"(?:(?P<caption>\d+)-)?(?:COCO_[a-z]+20\d\d_)?(?P<image>\d+)(?:_mscoco_\d+)?(?:\.(?:jpe?g|png))?",
    re.IGNORECASE,
)


@dataclass(frozen=True, kw_only=True)
class Caption:
    """One caption of one photograph; ids without leading zeros. `metadata` is what else a list says of it."""

    image_id: str
    caption_id: str | None
    text: str
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, kw_only=True)
class Captions:
    """The captions of a file, in its order, and what was met on the way."""

    location: str
    sha256: str
    captions: tuple[Caption, ...]
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ListColumns:
    """What a list calls its columns; null finds them among the usual names."""

    text: str | None = None
    image_id: str | None = None
    caption_id: str | None = None


def read_list(path: Path, columns: ListColumns) -> Captions:
    """A list of captions in the list's own order: any file of `reading.read_table` with one caption a row.

    Images are named by number or by file name; `<caption>-COCO_val2014_<image>.jpg` names both. Other columns
    become the captions' metadata. Raises ValueError for the official annotations, for columns that are not
    there, and for a row whose image is not named as COCO does.
    """
    if path.suffix.lower() == ".json" and _is_official(path):
        raise ValueError(
            f"prompts.selection: {path} holds official annotations and no list; "
            "write prompts.selection=images_one_caption_each or captions"
        )
    table = read_table(path)
    if not table.rows:
        raise ValueError(f"prompts.path: {path} holds no captions; give at least one row")
    found = _find_columns(table, columns)
    captions = tuple(_listed(row, found) for row in table.rows)
    return Captions(location=table.location, sha256=table.sha256, captions=captions, remarks=table.remarks)


def read_annotations(path: Path) -> Captions:
    """All captions of the official annotations (`captions_val2014.json`), in the file's order.

    Raises ValueError where it is not such a file and for an annotation without its ids.
    """
    data = read_bytes(path)
    content = _official(path, data)
    if content is None:
        raise ValueError(
            f"prompts.path: {path} is not in the format of captions_val2014.json (images, annotations); "
            "prompts.selection=list reads lists"
        )
    captions, seen = [], set()
    for number, entry in enumerate(content["annotations"], start=1):
        row = Row(place=f"{path} annotation {number}", cells=entry if isinstance(entry, dict) else {})
        caption = Caption(
            image_id=_number(row, "image_id"), caption_id=_number(row, "id"), text=row.text("caption")
        )
        if caption.caption_id in seen:
            raise ValueError(f"{row.place}: id {caption.caption_id} appears again")
        seen.add(caption.caption_id)
        captions.append(caption)
    if not captions:
        raise ValueError(f"prompts.path: {path} holds no annotations")
    captioned = {caption.image_id for caption in captions}
    images = {str(entry.get("id")) for entry in content.get("images", ()) if isinstance(entry, dict)}
    remarks = []
    if images - captioned:
        remarks.append(f"{len(images - captioned)} of {len(images)} images have no caption")
    if images and captioned - images:
        strange = min(captioned - images, key=int)
        raise ValueError(f"{path}: captions are of image {strange}, which is not among its images")
    return Captions(
        location=str(path), sha256=sha256_bytes(data), captions=tuple(captions), remarks=tuple(remarks)
    )


def _official(path: Path, data: bytes) -> Mapping[str, Any] | None:
    content = parse_json(path, data)
    is_official = isinstance(content, dict) and isinstance(content.get("annotations"), list)
    return content if is_official else None


def _is_official(path: Path) -> bool:
    return _official(path, read_bytes(path)) is not None


@dataclass(frozen=True, kw_only=True)
class _Found:
    text: str
    image: str
    caption: str | None
    other: Sequence[str] = field(default=())


def _find_columns(table: Table, columns: ListColumns) -> _Found:
    image = _one(table, "image_id", columns.image_id, _IMAGE)
    text = _one(table, "text", columns.text, _TEXT)
    taken = {image, text}
    caption = columns.caption_id
    if caption is not None:
        _one(table, "caption_id", caption, ())
    else:
        caption = next((name for name in _named(table, _CAPTION) if name not in taken), None)
    other = [name for name in table.columns if name not in {*taken, caption}]
    return _Found(text=text, image=image, caption=caption, other=other)


def _one(table: Table, setting: str, given: str | None, known: Sequence[str]) -> str:
    if given is not None and given in table.columns:
        return given
    found = _named(table, known) if given is None else []
    if not found:
        what = repr(given) if given is not None else f"of {', '.join(known)}"
        raise ValueError(
            f"prompts.columns.{setting}: {table.location} has no column {what}; "
            f"it has {', '.join(table.columns)}"
        )
    return found[0]


def _named(table: Table, known: Sequence[str]) -> list[str]:
    by_name = {column.strip().lower(): column for column in reversed(table.columns)}
    return [by_name[name] for name in known if name in by_name]


def _listed(row: Row, found: _Found) -> Caption:
    name = row.text(found.image, default="").strip()
    match = _IMAGE_NAME.fullmatch(name.replace("\\", "/").rpartition("/")[2])
    if match is None:
        raise ValueError(
            f"{row.place}: {found.image} is {name!r}; "
            "images are named as 521669 or COCO_val2014_000000521669.jpg"
        )
    caption_id = row.text(found.caption, default="").strip() if found.caption else ""
    other = {name: row.cells[name] for name in found.other if row.cells.get(name) not in (None, "")}
    return Caption(
        image_id=str(int(match["image"])),
        caption_id=caption_id or (str(int(match["caption"])) if match["caption"] else None),
        text=row.text(found.text),
        metadata=other or None,
    )


def _number(row: Row, key: str) -> str:
    text = row.text(key)
    if not text.isdecimal():
        raise ValueError(f"{row.place}: {key} is {text!r}; it must be a whole number")
    return str(int(text))
