"""Images in rows: a saved Hugging Face dataset, or Parquet with image bytes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from drawbench_eval.quiet import without_bars

# How files of one split are named that belong together.
_PART_OF_SPLIT = re.compile(r"(.+)-\d{5}-of-\d{5}\.parquet", re.IGNORECASE)


@dataclass(frozen=True)
class RowSource:
    """The first image column of a dataset. Names are row numbers."""

    location: Path
    names: Sequence[str]
    _rows: Any = field(repr=False, compare=False)
    _images: Any = field(repr=False, compare=False)
    _column: str

    def read(self, name: str) -> bytes:
        """The bytes of one row's image."""
        cell = self._images[int(PurePosixPath(name).stem)][self._column]
        if isinstance(cell, bytes):
            return cell
        if cell is None or (cell["bytes"] is None and cell["path"] is None):
            raise FileNotFoundError(name)
        return bytes(cell["bytes"]) if cell["bytes"] is not None else Path(cell["path"]).read_bytes()

    def labels(self, columns: Sequence[str]) -> Sequence[str]:
        """The cells of `columns` of every row, joined by `/`.

        Raises ValueError for a column that is not there and, with the row, for a cell that is no text or
        whole number.
        """
        for column in columns:
            if column not in self._rows.column_names:
                raise ValueError(
                    f"{self.location}: has no column {column!r}; it has {', '.join(self._rows.column_names)}"
                )
        chosen = self._rows.select_columns(list(dict.fromkeys(columns)))
        return tuple(
            "/".join(self._text(row[column], index, column) for column in columns)
            for index, row in enumerate(chosen)
        )

    def _text(self, cell: object, index: int, column: str) -> str:
        if isinstance(cell, str) or (isinstance(cell, int) and not isinstance(cell, bool)):
            return str(cell)
        # Tables with gaps turn ids into floats.
        if isinstance(cell, float) and cell.is_integer():
            return str(int(cell))
        raise ValueError(f"{self.location} row {index}: {column} is {cell!r}; a name needs text or numbers")


def saved_rows(path: Path) -> RowSource:
    """The images of a dataset that `datasets` has saved. Raises ValueError for one that has splits."""
    import datasets

    rows = _load(path, lambda: datasets.load_from_disk(str(path)))
    if isinstance(rows, datasets.DatasetDict):
        raise ValueError(f"{path}: has the splits {', '.join(rows)}; give the folder of one of them")
    return _images(path, rows)


def parquet_rows(path: Path, files: Sequence[Path]) -> RowSource:
    """The images in the rows of `files`, one after the other; `path` is what the user named.

    Raises ValueError where the names say that they belong to different splits.
    """
    import datasets

    splits = sorted({found[1] for file in files if (found := _PART_OF_SPLIT.fullmatch(file.name))})
    if len(splits) > 1:
        raise ValueError(
            f"{path}: has the splits {', '.join(splits)}; give a folder with the files of one of them"
        )

    def load() -> Any:
        # The library's cache goes by name and time of change: it may hold another file of that name. The rows
        # stay mapped into memory when the folder is gone.
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            return datasets.Dataset.from_parquet([str(file) for file in files], cache_dir=folder)

    return _images(path, _load(path, load))


def _load(path: Path, load: Any) -> Any:
    try:
        with without_bars():
            return load()
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"{path}: not a readable dataset ({reason})") from error


def _images(path: Path, rows: Any) -> RowSource:
    import datasets

    features = rows.features
    columns = [name for name, kind in features.items() if isinstance(kind, datasets.Image)]
    columns = columns or [name for name, kind in features.items() if _holds_bytes(kind)]
    if not columns:
        raise ValueError(f"{path}: no column holds images; it has {', '.join(features)}")
    column = columns[0]
    images = rows.select_columns([column])
    if isinstance(features[column], datasets.Image):
        images = images.cast_column(column, datasets.Image(decode=False))
    names = tuple(f"{index:08d}" for index in range(len(images)))
    return RowSource(path, names, rows, images, column)


def _holds_bytes(kind: Any) -> bool:
    """Whether a column is of bytes, or of bytes and path as `datasets` keeps images."""
    if isinstance(kind, Mapping):
        return {"bytes", "path"} <= set(kind) and _holds_bytes(kind["bytes"])
    return getattr(kind, "dtype", None) in ("binary", "large_binary")
