"""Rows that were not accepted: file, line, column, value and reason of each; and how many may pass."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from drawbench_eval.csv_text import csv_text
from drawbench_eval.files import write_text
from drawbench_eval.ratings.spreadsheet import escape

# line: the physical line on which the row begins, the header's being 1; in Parquet the row, from 1.
COLUMNS = ("file", "line", "column", "value", "reason")


@dataclass(frozen=True, kw_only=True)
class Allowance:
    """Which rejected rows may pass. With `strict` off, all; otherwise those of `listed`, and `number` more.

    `listed` holds places such as `answers.csv:17` (file name or path, and line).
    """

    strict: bool = True
    number: int = 0
    listed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.number < 0:
            raise ValueError(f"number: {self.number} rejected rows cannot be allowed; write 0 or more")
        for place in self.listed:
            file, _, line = place.rpartition(":")
            if not file or not (line.isascii() and line.isdigit()):
                raise ValueError(f"listed: {place!r} is not FILE:LINE, such as answers.csv:17")


def refuse(rejects: pd.DataFrame, total: int, allowance: Allowance) -> None:
    """Raises ValueError, with the first of them, when more of `total` rows were rejected than allowed."""
    if not allowance.strict:
        return
    lines = ":" + rejects["line"].astype(str)
    names = rejects["file"].map(lambda file: Path(file).name)
    listed = (rejects["file"] + lines).isin(allowance.listed) | (names + lines).isin(allowance.listed)
    if (~listed).sum() <= allowance.number:
        return
    first = rejects[~listed].iloc[0]
    raise ValueError(
        f"{describe(*(first[name] for name in COLUMNS))}; {(~listed).sum()} of {total} rows are rejected "
        f"and {allowance.number} allowed; mend them, allow them by number or list them as FILE:LINE"
    )


def describe(file: str, line: int, column: str, value: str, reason: str) -> str:
    """One rejected row in one line; long values are cut."""
    shown = value if len(value) <= 80 else f"{value[:77]}..."
    where = f", column {column}" if column else ""
    return f"{file} line {line}{where}: {shown!r}: {reason}"


def write_rejects(path: Path, rejects: pd.DataFrame) -> None:
    """Writes them as CSV, atomically, cells escaped for spreadsheets."""
    rows: Iterable[tuple[object, ...]] = rejects[list(COLUMNS)].itertuples(index=False, name=None)
    write_text(path, csv_text(COLUMNS, ([escape(str(cell)) for cell in row] for row in rows)))
