import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawbench_eval.ratings.cells import parse_number, parse_rate, parse_time, parse_value, parse_whole
from drawbench_eval.ratings.questions import Question, Word
from drawbench_eval.ratings.schema import number_text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back_in_both_notations(number: float) -> None:
    assert parse_number(number_text(number)) == number
    assert parse_number(number_text(number).replace(".", ","), ",") == number


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "empty"),
        ("0,5", "the decimal mark is ',', but ratings.file.decimal is '.'"),
        ("50%", "a percent sign"),
        ("50 %", "a percent sign"),
        ("=1+1", "a formula"),
        ("01.05.2024", "a date"),
        ("2024-05-01", "a date"),
        ("2024-05-01 00:00:00", "a date"),
        ("1/5", "a date"),
        ("1-May", "a date"),
        ("May-01", "a date"),
        ("5. Mai", "not a number"),
        ("1.234,5", "not a number"),
        ("nan", "not a number"),
        ("inf", "not a number"),
        ("1_000", "not a number"),
        ("٣", "not a number"),
        ("1 2", "not a number"),
    ],
)
def test_what_is_no_number_is_named_and_never_guessed(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_number(text)


def test_the_other_decimal_mark() -> None:
    assert parse_number("-0,5", ",") == -0.5
    assert parse_number("5", ",") == 5
    with pytest.raises(ValueError, match=r"the decimal mark is '\.', but ratings.file.decimal is ','"):
        parse_number("0.5", ",")


def test_numbers_too_large_for_a_float_are_refused() -> None:
    with pytest.raises(ValueError, match="too large"):
        parse_number("1e999")


@pytest.mark.parametrize("text", ["-1", "1.5", "x"])
def test_whole_numbers(text: str) -> None:
    assert parse_whole("2.0") == 2
    with pytest.raises(ValueError, match="not a"):
        parse_whole(text)


@pytest.mark.parametrize(
    ("text", "notation", "rate"),
    [("0.25", "share", 0.25), ("25", "percent", 0.25), ("25 %", "percent_sign", 0.25), ("3", "count", 3.0)],
)
def test_rates(text: str, notation: str, rate: float) -> None:
    assert parse_rate(text, notation, ".") == rate  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "notation", "reason"),
    [
        ("1.5", "share", "not from 0 to 1, but ratings.rates is share"),
        ("-0.1", "share", "not from 0 to 1"),
        ("25%", "share", "percent sign where a plain number is due"),
        ("101", "percent", "not from 0 to 100"),
        ("25%", "percent", "percent sign"),
        ("25", "percent_sign", "no percent sign"),
        ("%", "percent_sign", "empty"),
        ("2.5", "count", "not a whole number"),
    ],
)
def test_rates_in_another_notation_are_refused(text: str, notation: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_rate(text, notation, ".")  # type: ignore[arg-type]


def question(kind: str, levels: tuple[float, ...] | None = None, words: tuple[Word, ...] = ()) -> Question:
    return Question(name="q", written=None, kind=kind, levels=levels, words=words, reference=None)  # type: ignore[arg-type]


def test_values_are_levels_or_words() -> None:
    likert = question("ordinal", (1, 2, 3))
    assert parse_value("2.0", likert, ".") == 2
    with pytest.raises(ValueError, match="not one of 1, 2, 3"):
        parse_value("4", likert, ".")
    assert parse_value("50", question("alignment"), ".") == 50
    with pytest.raises(ValueError, match="not one of 0, 50, 100"):
        parse_value("60", question("alignment"), ".")
    words = question("alignment", words=(Word(written="yes", value=100), Word(written="no", value=0)))
    assert parse_value("YES", words, ".") == 100
    with pytest.raises(ValueError, match="unknown; it must be one of 'yes', 'no'"):
        parse_value("100", words, ".")


def test_times() -> None:
    assert parse_time("", None) == ""
    assert parse_time("2026-11-25T10:00:00Z", None) == "2026-11-25T10:00:00+00:00"
    assert parse_time("25.11.2026 10:00", "%d.%m.%Y %H:%M") == "2026-11-25T10:00:00"
    for text, pattern in (("25.11.2026", None), ("2026-11-25", "%d.%m.%Y")):
        with pytest.raises(ValueError, match=r"not a time as in ratings\.file\.timestamps"):
            parse_time(text, pattern)
    assert math.isfinite(parse_number("1e3"))
