"""A folder of images and a table of their captions."""

from __future__ import annotations

from pathlib import Path

from drawbench_eval.captioned.source import CaptionColumns, Captioned, file_version
from drawbench_eval.images.source import FolderSource
from drawbench_eval.prompts.reading import read_table

TABLES = ("captions.csv", "metadata.csv")


def open_folder(path: Path, table: Path | None, columns: CaptionColumns) -> Captioned:
    """The images of a folder: those that the table names, then those that it does not, without a caption.

    Args:
        path: the folder, read at any depth.
        table: `.csv`, `.tsv` or `.jsonl` with a row for each caption; None takes the first of TABLES in the
            folder.
        columns: image (default file, or file_name): a path within the folder. caption (default caption).

    Raises:
        ValueError: for a folder, table or column that is not there, and, with its line, for a bad row.
    """
    if not path.is_dir():
        raise ValueError(f"data.path: {path} is not a folder")
    table = table or next((path / name for name in TABLES if (path / name).is_file()), path / TABLES[0])
    if not table.is_file():
        raise ValueError(f"data.captions: {table} is not there; name the table of captions")
    rows = read_table(table)
    image = columns.image or ("file_name" if "file_name" in rows.columns else "file")
    caption = columns.caption or "caption"
    for key, column in (("image", image), ("caption", caption)):
        if column not in rows.columns:
            raise ValueError(
                f"data.columns.{key}: {table} has no column {column!r}; it has {', '.join(rows.columns)}"
            )
    captions: dict[str, list[str]] = {}
    for row in rows.rows:
        name = row.text(image, default="")
        if not name:
            raise ValueError(f"{row.place}: an empty {image}; every row needs the path of its image")
        captions.setdefault(name, []).append(row.text(caption, default=""))
    for name in FolderSource(path).names:
        captions.setdefault(name, [])
    names = tuple(captions)
    return Captioned(
        location=str(path),
        names=names,
        captions=tuple(captions.values()),
        version=[file_version(path / name) for name in names],
        read=lambda index: (path / names[index]).read_bytes(),
    )
