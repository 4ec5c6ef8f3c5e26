"""Prompts from a table, by the names of its columns."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from drawbench_eval.prompt import Prompt, PromptSet, PromptSource
from drawbench_eval.prompts.ids import text_ids
from drawbench_eval.prompts.reading import read_table
from drawbench_eval.prompts.rows import Row, Table


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Which column holds what. Without an id column the ids are made of the texts (`prompts.ids`).

    `metadata` is a column of JSON objects, or of their texts. An empty cell under `scoring_text`, `image_id`,
    `caption_id` or `metadata` is none.
    """

    text: str = "prompt"
    id: str | None = None
    category: str | None = None
    scoring_text: str | None = None
    image_id: str | None = None
    caption_id: str | None = None
    metadata: str | None = None


def read_prompts(path: Path, columns: Columns, *, split: str | None = None) -> PromptSet:
    """The prompts of a file or a saved dataset (`reading.read_table`), in order.

    An empty prompt text is legal. Raises ValueError with file and line for what is not there or not readable.
    """
    return prompt_set(path.stem, read_table(path, split=split), columns)


def prompt_set(name: str, table: Table, columns: Columns) -> PromptSet:
    """The prompts of a table, in order. Raises ValueError for a column or a cell that is not there."""
    _check_columns(table, columns)
    texts = [row.text(columns.text) for row in table.rows]
    categories = [
        row.text(columns.category, default="").strip() if columns.category else "" for row in table.rows
    ]
    ids = _ids(table.rows, columns.id) if columns.id else text_ids(texts, categories)
    prompts = tuple(
        Prompt(
            id=identity,
            text=text,
            category=category,
            scoring_text=_optional(row, columns.scoring_text),
            image_id=_optional(row, columns.image_id),
            caption_id=_optional(row, columns.caption_id),
            metadata=_metadata(row, columns.metadata),
        )
        for row, identity, text, category in zip(table.rows, ids, texts, categories, strict=True)
    )
    return sourced_set(name, prompts, table)


def sourced_set(name: str, prompts: Sequence[Prompt], table: Table) -> PromptSet:
    """The set, with where it came from. Raises ValueError, with the file, for an id that appears twice."""
    source = PromptSource(location=table.location, sha256=table.sha256, remarks=table.remarks)
    try:
        return PromptSet(name=name, prompts=tuple(prompts), source=source)
    except ValueError as error:
        raise ValueError(f"{table.location}: {error}") from error


def _check_columns(table: Table, columns: Columns) -> None:
    if not table.rows:
        raise ValueError(f"prompts.path: {table.location} holds no prompts; give at least one row")
    for setting, column in asdict(columns).items():
        if column is not None and column not in table.columns:
            raise ValueError(
                f"prompts.columns.{setting}: {table.location} has no column {column!r}; "
                f"it has {', '.join(table.columns)}"
            )


def _ids(rows: Sequence[Row], column: str) -> list[str]:
    ids = [row.text(column).strip() for row in rows]
    if "" in ids:
        number = ids.index("")
        raise ValueError(
            f"{rows[number].place}: row {number + 1} has an empty {column}; every prompt needs an id"
        )
    return ids


def _optional(row: Row, column: str | None) -> str | None:
    return row.text(column, default="") or None if column else None


def _metadata(row: Row, column: str | None) -> Mapping[str, Any] | None:
    value = row.cells.get(column) if column else None
    if isinstance(value, str) and value:
        try:
            value = json.loads(value)
        except json.JSONDecodeError as error:
            raise ValueError(f"{row.place}: {column} is not JSON ({error.msg})") from error
    if value in (None, ""):
        return None
    if not isinstance(value, dict):
        raise ValueError(f"{row.place}: {column} is a {type(value).__name__}; it must be a JSON object")
    return value
