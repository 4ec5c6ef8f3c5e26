"""CSV that a spreadsheet opens without running anything in it.

A cell that starts with = + - @, a tab or a carriage return can be run as a formula (OWASP, "CSV injection").
On export it gets an apostrophe in front, which spreadsheets take as "this is text"; reading takes it off.
"""

import re
from collections.abc import Iterable

_RUN_AS_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_NEEDS_QUOTES = re.compile(r'[",\r\n]')
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")


def escape(text: str) -> str:
    """The cell as text for spreadsheets. `unescape` gives it back unchanged, whatever it is."""
    return f"'{text}" if _RUN_AS_FORMULA.match(text) else text


def unescape(text: str) -> str:
    """The cell that `escape` was given. Other leading apostrophes are part of the text."""
    return text[1:] if text.startswith("'") and _ESCAPED.match(text) else text


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
