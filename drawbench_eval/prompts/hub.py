"""Tables from Hugging Face datasets: saved on disk, or fetched from the Hub."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drawbench_eval.files import sha256_bytes
from drawbench_eval.prompts.rows import Row, Table, table_of
from drawbench_eval.quiet import quiet, without_bars


@dataclass(frozen=True, kw_only=True)
class HubDataset:
    """A dataset on the Hub. Null takes its only configuration, its only split, its newest revision."""

    name: str
    config: str | None = None
    split: str | None = None
    revision: str | None = None


def hub_table(wanted: HubDataset) -> Table:
    """The rows of a dataset, downloaded into the library's cache or taken from there.

    Raises ValueError where it cannot be had and where the split must be chosen.
    """
    import datasets

    def load() -> Any:
        return datasets.load_dataset(wanted.name, wanted.config, split=wanted.split, revision=wanted.revision)

    hint = "fetch it elsewhere and give prompts.path=FILE"
    return _table(load, key="prompts.hub", location=wanted.name, split=None, hint=hint)


def saved_dataset(folder: Path, *, split: str | None) -> Table:
    """The rows of a dataset that `save_to_disk` wrote, of one split where it has several."""
    import datasets

    hint = "a folder must be one that save_to_disk of the library datasets wrote"
    return _table(
        lambda: datasets.load_from_disk(str(folder)),
        key="prompts.path",
        location=str(folder),
        split=split,
        hint=hint,
    )


def _table(load: Callable[[], Any], *, key: str, location: str, split: str | None, hint: str) -> Table:
    import datasets

    try:
        with quiet(), without_bars():
            found = load()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"{key}: {location} cannot be loaded ({reason}); {hint}") from error
    if isinstance(found, datasets.DatasetDict):
        found = _one_split(found, location, split)
    elif split is not None:
        raise ValueError(f"prompts.split: {location} has no splits; leave prompts.split=null")
    media = (datasets.Image, datasets.Audio, datasets.Video)
    kept = [name for name, kind in found.features.items() if not isinstance(kind, media)]
    plain = found.select_columns(kept).with_format(None).to_list()
    labels = {name: kind for name, kind in found.features.items() if isinstance(kind, datasets.ClassLabel)}
    for cells in plain:
        cells.update(
            {name: kind.int2str(cells[name]) for name, kind in labels.items() if cells[name] is not None}
        )
    rows = [Row(place=f"{location} row {number}", cells=cells) for number, cells in enumerate(plain, start=1)]
    content = json.dumps(plain, sort_keys=True, ensure_ascii=False, default=str)
    return table_of(rows, location=location, sha256=sha256_bytes(content.encode("utf-8")))


def _one_split(found: Any, location: str, split: str | None) -> Any:
    names = ", ".join(found)
    if split is None and len(found) > 1:
        raise ValueError(f"prompts.split: {location} has the splits {names}; write prompts.split=...")
    if split is not None and split not in found:
        raise ValueError(f"prompts.split: {split} is none of {location}'s splits: {names}")
    return found[split] if split is not None else next(iter(found.values()))
