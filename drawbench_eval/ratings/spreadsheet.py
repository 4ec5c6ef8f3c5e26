"""CSV that a spreadsheet opens without running anything in it.

A cell that starts with = + - @, a tab or a carriage return can be run as a formula (OWASP, "CSV injection").
On export it gets an apostrophe in front, which spreadsheets take as "this is text"; reading takes it off.
"""

import re

_RUN_AS_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_ESCAPED = re.compile(r"'+[=+\-@\t\r]")


def escape(text: str) -> str:
    """The cell as text for spreadsheets. `unescape` gives it back unchanged, whatever it is."""
    return f"'{text}" if _RUN_AS_FORMULA.match(text) else text


def unescape(text: str) -> str:
    """The cell that `escape` was given. Other leading apostrophes are part of the text."""
    return text[1:] if text.startswith("'") and _ESCAPED.match(text) else text
