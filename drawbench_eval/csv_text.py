"""Rows -> CSV with line feeds, as RFC 4180 quotes it."""

import re
from collections.abc import Iterable

_NEEDS_QUOTES = re.compile(r'[",\r\n]')


def csv_text(header: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """CSV with a header and lines that end in one line feed; cells are written as they are.

    The csv module leaves a carriage return unquoted where lines end in a line feed, and readers then break
    the row there; here every line break is quoted.
    """
    return "".join(f"{_line(list(cells))}\n" for cells in (header, *rows))


def _line(cells: list[str]) -> str:
    if cells == [""]:
        return '""'  # an empty line would be no row
    return ",".join(
        '"' + cell.replace('"', '""') + '"' if _NEEDS_QUOTES.search(cell) else cell for cell in cells
    )
