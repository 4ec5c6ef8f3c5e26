"""A table of prompts: rows of named cells, whatever file they were read from."""

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Row:
    """Cells by column, and where they stand ("p.csv line 3")."""

    place: str
    cells: Mapping[str, Any]

    def text(self, column: str, *, default: str | None = None) -> str:
        """A cell as text; `default`, where there is one, stands for null and for a cell that is not there.

        Numbers are texts too, as ids are in JSON. Raises ValueError for other values.
        """
        value = self.cells.get(column)
        if value is None and default is not None:
            return default
        if column not in self.cells:
            raise ValueError(f"{self.place}: has no {column!r}; it has {', '.join(self.cells) or 'nothing'}")
        if isinstance(value, str):
            return value
        # Tables with gaps turn ids into floats.
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return str(int(value) if value == int(value) else value)
        raise ValueError(f"{self.place}: {column} is {json.dumps(value, default=str)}; it must be a text")


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows in the file's order.

    location: the path, or a dataset's name. sha256: of the file's bytes; of a dataset, of its rows. columns:
    all names, in order of their first appearance. remarks: what was met on the way, a line each.
    """

    location: str
    sha256: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    remarks: tuple[str, ...] = ()


def table_of(rows: Iterable[Row], *, location: str, sha256: str, remarks: Iterable[str] = ()) -> Table:
    """A table of rows, with the columns that they have."""
    kept = tuple(rows)
    columns = dict.fromkeys(column for row in kept for column in row.cells)
    return Table(location=location, sha256=sha256, columns=tuple(columns), rows=kept, remarks=tuple(remarks))
