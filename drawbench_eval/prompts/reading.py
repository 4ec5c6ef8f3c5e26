"""Tables from every kind of file that prompts come in."""

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from drawbench_eval.files import sha256_bytes
from drawbench_eval.prompts.rows import Row, Table, table_of

# The column of files that have no names for theirs: text files, JSON lists of texts.
ONLY_COLUMN = "prompt"


def read_table(path: Path, *, split: str | None = None) -> Table:
    """The rows of `.csv`, `.tsv`, `.json`, `.jsonl`, `.txt` (UTF-8, with or without a BOM), `.parquet`.

    A folder is a saved Hugging Face dataset; `split` names one of its splits, where it has several.
    `.csv` is quoted as RFC 4180 says and has a header; in a `.tsv` each line is a row and quotes are
    characters like any other; a `.txt` has a prompt a line. A `.json` file holds a list of objects, a list of
    texts, or one object of ids and texts.

    Raises ValueError, with file and line, for what cannot be read.
    """
    if path.is_dir():
        from drawbench_eval.prompts.hub import saved_dataset

        return saved_dataset(path, split=split)
    if split is not None:
        raise ValueError(f"prompts.split: {split} is for Hugging Face datasets; {path} is one file")
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        known = ", ".join(_READERS)
        raise ValueError(f"prompts.path: {path} is not one of {known}, nor a folder with a saved dataset")
    data = read_bytes(path)
    rows, remarks = reader(path, data)
    return table_of(rows, location=str(path), sha256=sha256_bytes(data), remarks=remarks)


def read_bytes(path: Path) -> bytes:
    """The file's content. Raises ValueError where it cannot be had."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"prompts.path: {path} cannot be read ({error.strerror})") from error


def parse_json(path: Path, data: bytes) -> Any:
    """The value of a JSON file. Raises ValueError that says where it breaks off."""
    text = _decoded(path, data)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        entries = dict(pairs)
        if len(entries) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise ValueError(f"{path}: the key {twice!r} stands twice in one object")
        return entries

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        at_end = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        hint = "; the file is cut short" if at_end else ""
        if error.msg == "Extra data":
            hint = "; a file with one object a line is called .jsonl"
        where = f"{error.msg.removesuffix(' at')} at line {error.lineno} column {error.colno}"
        raise ValueError(f"{path}: not JSON ({where}){hint}") from error


def lines_of(text: str) -> list[str]:
    """The lines of a text, which end in LF or CRLF: other separators may stand inside a prompt."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _decoded(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"prompts.path: {path} cannot be read (byte {error.start} is not UTF-8); save it as UTF-8"
        ) from error


Found = tuple[list[Row], list[str]]


def _csv_rows(path: Path, data: bytes) -> Found:
    text = _decoded(path, data)
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    rows = []
    try:
        _refuse_repeats(path, reader.fieldnames or ())
        for cells in reader:
            place = f"{path} line {reader.line_num}"
            if None in cells or None in cells.values():
                raise ValueError(f"{place}: not as many cells as the header has")
            rows.append(Row(place=place, cells=cells))
    except csv.Error as error:
        raise ValueError(f"{path} line {reader.line_num}: not CSV ({error})") from error
    return rows, []


def _tsv_rows(path: Path, data: bytes) -> Found:
    text = _decoded(path, data)
    lines = list(_spoken(text))
    header = lines[0][1].split("\t") if lines else []
    _refuse_repeats(path, header)
    rows = []
    for number, line in lines[1:]:
        place, cells = f"{path} line {number}", line.split("\t")
        if len(cells) != len(header):
            raise ValueError(
                f"{place}: {len(cells)} cells, and the header has {len(header)}; in a .tsv a line is a row"
            )
        for cell in cells:
            if len(cell) > 1 and cell[0] == cell[-1] == '"' and '""' in cell[1:-1]:
                raise ValueError(
                    f"{place}: {cell[:40]}... is quoted as in CSV, and a .tsv has no quoting; save it as .csv"
                )
        rows.append(Row(place=place, cells=dict(zip(header, cells, strict=True))))
    return rows, _blank_remark(text)


def _text_rows(path: Path, data: bytes) -> Found:
    text = _decoded(path, data)
    rows = [Row(place=f"{path} line {number}", cells={ONLY_COLUMN: line}) for number, line in _spoken(text)]
    return rows, _blank_remark(text)


def _spoken(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are not blank, with their numbers."""
    return ((number, line) for number, line in enumerate(lines_of(text), start=1) if line.strip())


def _blank_remark(text: str) -> list[str]:
    lines = lines_of(text)
    blank = len(lines) - sum(1 for _ in _spoken(text))
    return [f"{blank} of {len(lines)} lines are blank and no prompts"] if blank else []


def _json_lines(path: Path, data: bytes) -> Found:
    text = _decoded(path, data)
    rows = []
    for number, line in _spoken(text):
        place = f"{path} line {number}"
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            raise ValueError(f"{place}: not JSON ({error.msg})") from error
        if not isinstance(value, dict):
            raise ValueError(f"{place}: a {type(value).__name__}; each line must be a JSON object")
        rows.append(Row(place=place, cells=value))
    return rows, []


def _json_rows(path: Path, data: bytes) -> Found:
    value = parse_json(path, data)
    if isinstance(value, dict) and all(isinstance(entry, str) for entry in value.values()):
        value = [{"id": key, ONLY_COLUMN: entry} for key, entry in value.items()]
    if isinstance(value, list) and all(isinstance(entry, str) for entry in value):
        value = [{ONLY_COLUMN: entry} for entry in value]
    if not isinstance(value, list):
        raise ValueError(f"{path}: neither a list of objects or texts nor an object of ids and texts")
    rows = []
    for number, entry in enumerate(value, start=1):
        place = f"{path} entry {number}"
        if not isinstance(entry, dict):
            raise ValueError(f"{place}: a {type(entry).__name__}; every entry must be an object")
        rows.append(Row(place=place, cells=entry))
    return rows, []


def _parquet_rows(path: Path, data: bytes) -> Found:
    import pyarrow
    from pyarrow import parquet

    try:
        file = parquet.ParquetFile(io.BytesIO(data))
        # Columns of images stay unread.
        wanted = [field.name for field in file.schema_arrow if not _holds_bytes(field.type)]
        rows = file.read(columns=wanted).to_pylist()
    except pyarrow.ArrowException as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"{path}: not a Parquet file ({reason})") from error
    return [Row(place=f"{path} row {n}", cells=cells) for n, cells in enumerate(rows, start=1)], []


def _holds_bytes(kind: Any) -> bool:
    from pyarrow import types

    if types.is_struct(kind):
        return any(_holds_bytes(kind.field(index).type) for index in range(kind.num_fields))
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


def _refuse_repeats(path: Path, header: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in header:
        if name in seen:
            raise ValueError(f"{path} line 1: the column {name!r} appears twice")
        seen.add(name)


_READERS: Mapping[str, Callable[[Path, bytes], Found]] = {
    ".csv": _csv_rows,
    ".tsv": _tsv_rows,
    ".json": _json_rows,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".txt": _text_rows,
    ".parquet": _parquet_rows,
}
