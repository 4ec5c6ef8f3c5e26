"""A Hugging Face dataset of images and captions, from the Hub or saved on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drawbench_eval.captioned.source import CaptionColumns, Captioned
from drawbench_eval.quiet import quiet, without_bars

_CAPTIONS = ("caption", "text", "captions", "sentence", "prompt")


def open_dataset(path: str, *, split: str | None, revision: str | None, columns: CaptionColumns) -> Captioned:
    """The rows of a dataset.

    Args:
        path: a folder that `save_to_disk` wrote, or whatever `datasets.load_dataset` takes: a name on the
            Hub, a folder of Parquet files.
        split: needed where there are several.
        revision: a branch, tag or commit on the Hub.
        columns: image (default: the only column of images). caption (default: the only one named like one),
            a text or a list of them.

    Raises:
        ValueError: where the dataset, the split or a column cannot be had.
    """
    import datasets

    rows = _one_split(path, _load(path, revision), split)
    features = rows.features
    images = [name for name, kind in features.items() if isinstance(kind, datasets.Image)]
    image = _column("image", path, columns.image, images, list(features))
    named = [name for name in _CAPTIONS if name in features]
    caption = _column("caption", path, columns.caption, named, list(features))
    encoded = rows.select_columns([image])
    if isinstance(features[image], datasets.Image):
        encoded = encoded.cast_column(image, datasets.Image(decode=False))
    return Captioned(
        location=path,
        names=[f"row {index}" for index in range(len(rows))],
        version=[getattr(rows, "_fingerprint", "")],
        captions=[_texts(cell) for cell in rows.select_columns([caption])[caption]],
        read=lambda index: _bytes(encoded[index][image]),
    )


def _load(path: str, revision: str | None) -> Any:
    import datasets

    saved = any((Path(path) / name).is_file() for name in ("state.json", "dataset_dict.json"))
    try:
        with quiet(), without_bars():
            return datasets.load_from_disk(path) if saved else datasets.load_dataset(path, revision=revision)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(
            f"data.path: {path} cannot be loaded ({reason}); give a name on the Hub, or a folder that "
            "save_to_disk of the library datasets wrote"
        ) from error


def _one_split(path: str, found: Any, split: str | None) -> Any:
    if not isinstance(found, Mapping):
        if split is not None:
            raise ValueError(f"data.split: {path} has no splits; leave data.split=null")
        return found
    if split is None and len(found) > 1:
        raise ValueError(f"data.split: {path} has the splits {', '.join(found)}; write data.split=...")
    if split is not None and split not in found:
        raise ValueError(f"data.split: {split} is none of {path}'s splits: {', '.join(found)}")
    return next(iter(found.values())) if split is None else found[split]


def _column(key: str, path: str, chosen: str | None, usual: list[str], there: list[str]) -> str:
    if chosen is not None and chosen not in there:
        raise ValueError(f"data.columns.{key}: {path} has no column {chosen!r}; it has {', '.join(there)}")
    if chosen is None and len(usual) != 1:
        raise ValueError(
            f"data.columns.{key}: {path} has {len(usual) or 'no'} columns that may be it; write one of "
            f"{', '.join(usual or there)}"
        )
    return usual[0] if chosen is None else chosen


def _texts(cell: Any) -> list[str]:
    if cell is None:
        return []
    return [str(each) for each in cell] if isinstance(cell, list) else [str(cell)]


def _bytes(cell: Any) -> bytes:
    """The bytes of an undecoded image cell: bytes, or bytes and path as `datasets` keeps them."""
    if isinstance(cell, bytes):
        return cell
    if not isinstance(cell, Mapping) or (cell.get("bytes") is None and cell.get("path") is None):
        raise FileNotFoundError("no image")
    return bytes(cell["bytes"]) if cell["bytes"] is not None else Path(cell["path"]).read_bytes()
