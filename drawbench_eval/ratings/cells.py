"""One cell's text -> one value, or a ValueError that says why not. Nothing is guessed: "0,5" is no 0.5."""

import re
from datetime import datetime
from math import isfinite
from typing import Literal

from drawbench_eval.ratings.layout import RateNotation
from drawbench_eval.ratings.questions import Question

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_MONTH = r"(jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*"
_DATE = re.compile(
    rf"\d{{1,4}}([-/.])\d{{1,2}}(\1\d{{1,4}})?( .*|t.*)?|\d{{1,2}}[-/. ]{_MONTH}.*|{_MONTH}[-/. ]\d.*",
    re.ASCII | re.IGNORECASE,
)


def parse_number(text: str, decimal: Literal[".", ","] = ".") -> float:
    """A finite number in plain or scientific notation."""
    other = "," if decimal == "." else "."
    if _NUMBER.fullmatch(text.replace(",", ".") if decimal == "," else text) and other not in text:
        number = float(text.replace(",", "."))
        if not isfinite(number):
            raise ValueError("too large a number")
        return number
    if text == "":
        raise ValueError("empty")
    if text.startswith("="):
        raise ValueError("a formula, not a number")
    if "%" in text:
        raise ValueError("a percent sign where a plain number is due")
    if other in text and _NUMBER.fullmatch(text.replace(other, decimal).replace(",", ".")):
        raise ValueError(f"the decimal mark is {other!r}, but ratings.file.decimal is {decimal!r}")
    if _DATE.fullmatch(text):
        raise ValueError("a date, not a number; a spreadsheet may have changed it")
    raise ValueError("not a number")


def parse_whole(text: str, decimal: Literal[".", ","] = ".") -> int:
    """A whole number from 0 up; 2.0 is one."""
    number = parse_number(text, decimal)
    if number < 0 or not number.is_integer():
        raise ValueError("not a whole number from 0 up")
    return int(number)


def parse_positive(text: str, decimal: Literal[".", ","] = ".") -> float:
    """A number from 0 up."""
    number = parse_number(text, decimal)
    if number < 0:
        raise ValueError("negative")
    return number


def parse_value(text: str, question: Question, decimal: Literal[".", ","]) -> float:
    """An answer to a pointwise question, by its words or as one of its levels."""
    if question.words:
        for word in question.words:
            if word.written.casefold() == text.casefold():
                return word.value
        raise ValueError(unknown(text, [word.written for word in question.words]))
    number = parse_number(text, decimal)
    if question.allowed is not None and number not in question.allowed:
        raise ValueError(f"not one of {', '.join(f'{level:g}' for level in question.allowed)}")
    return number


def parse_rate(text: str, notation: RateNotation, decimal: Literal[".", ","]) -> float:
    """A rate from 0 to 1 by how it is written; for `count` the number itself, to be divided by the trials."""
    if notation == "count":
        return float(parse_whole(text, decimal))
    if notation == "percent_sign":
        if not text.endswith("%"):
            parse_number(text, decimal)
            raise ValueError("no percent sign, but ratings.rates is percent_sign")
        text = text[:-1].rstrip()
    number = parse_number(text, decimal)
    limit = 1.0 if notation == "share" else 100.0
    if not 0 <= number <= limit:
        raise ValueError(f"not from 0 to {limit:g}, but ratings.rates is {notation}")
    return number / limit


def parse_time(text: str, pattern: str | None) -> str:
    """A time by a strptime pattern (None for ISO 8601), as ISO 8601 text."""
    if text == "":
        return ""
    try:
        time = datetime.fromisoformat(text) if pattern is None else datetime.strptime(text, pattern)
    except ValueError as error:
        shown = "ISO 8601" if pattern is None else pattern
        raise ValueError(f"not a time as in ratings.file.timestamps ({shown})") from error
    return time.isoformat()


def unknown(text: str, words: list[str]) -> str:
    """The reason against a word that is none of `words`."""
    return f"{'empty' if text == '' else 'unknown'}; it must be one of {', '.join(map(repr, words))}"
