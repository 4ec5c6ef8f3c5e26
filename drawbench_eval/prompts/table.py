"""Prompts from a CSV or JSON-lines file."""

import csv
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drawbench_eval.prompt import Prompt, PromptSet


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column holds what. Without an id column the rows are numbered: row-0001, row-0002, ..."""

    text: str = "prompt"
    id: str | None = None
    category: str | None = None


def read_prompts(path: Path, columns: Columns) -> PromptSet:
    """The prompts of a `.csv` file (UTF-8, with or without a BOM, header first) or a `.jsonl` file, in order.

    An empty prompt text is legal. Raises ValueError with file and line for what is not there or not readable.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ValueError(f"prompts.path: {path} cannot be read ({reason})") from error
    if path.suffix.lower() not in _READERS:
        raise ValueError(f"prompts.path: {path} is not one of {', '.join(_READERS)}")
    rows = _READERS[path.suffix.lower()](path, text)
    prompts = tuple(_prompt(path, number, row, columns) for number, row in enumerate(rows, start=1))
    if not prompts:
        raise ValueError(f"prompts.path: {path} holds no prompts; give at least one row")
    try:
        return PromptSet(name=path.stem, prompts=prompts)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def _csv_rows(path: Path, text: str) -> Iterator[Mapping[str, Any]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    try:
        for row in reader:
            if None in row or None in row.values():
                raise ValueError(f"{path} line {reader.line_num}: not as many cells as the header has")
            yield row
    except csv.Error as error:
        raise ValueError(f"{path} line {reader.line_num}: not CSV ({error})") from error


def _json_rows(path: Path, text: str) -> Iterator[Mapping[str, Any]]:
    for line, content in enumerate(text.splitlines(), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path} line {line}: not JSON ({error.msg})") from error
        if not isinstance(row, dict):
            raise ValueError(f"{path} line {line}: a {type(row).__name__}; each line must be a JSON object")
        yield row


_READERS = {".csv": _csv_rows, ".jsonl": _json_rows}


def _prompt(path: Path, number: int, row: Mapping[str, Any], columns: Columns) -> Prompt:
    def cell(setting: str, column: str) -> str:
        if column not in row:
            known = ", ".join(map(str, row))
            raise ValueError(f"prompts.columns.{setting}: {path} has no column {column!r}; it has {known}")
        return str(row[column])

    identity = cell("id", columns.id).strip() if columns.id else f"row-{number:04d}"
    if not identity:
        raise ValueError(f"{path}: row {number} has an empty {columns.id}; every prompt needs an id")
    return Prompt(
        id=identity,
        text=cell("text", columns.text),
        category=cell("category", columns.category).strip() if columns.category else "",
    )
