"""How a ratings file is laid out: what `conf/ratings/*.yaml` says, as frozen dataclasses without any default.

A record is one row of a file. Each answer column gives it a slot, or several where a cell holds several
scores; a slot that was filled is one judgement. The fields of a judgement (prompt_id, model, rater_id, ...)
come from columns, from constants, or from named groups of the regular expressions on answer columns and on
file names.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Literal

from drawbench_eval.ratings.questions import Choices, Controls, Question, Ranking, refuse_repeats
from drawbench_eval.ratings.schema import ANSWER, FORM_OF_KIND, FORMS, FormName, column_names

RateNotation = Literal["share", "percent", "percent_sign", "count"]


@dataclass(frozen=True, kw_only=True)
class FileFormat:
    r"""How cells are written. Delimiter, quote, encoding and escapes are those of text files, not of Parquet.

    `quote`: the quote character, or None where quotes are ordinary text. `trim`: spaces around a cell are not
    part of it. `escaped`: the file is an export of ours, with an apostrophe before cells that a spreadsheet
    would run. `decimal`: the decimal mark. `timestamps`: a strptime format, or None for ISO 8601.
    """

    delimiter: str
    quote: str | None
    encoding: str
    trim: bool
    escaped: bool
    decimal: Literal[".", ","]
    timestamps: str | None

    def __post_init__(self) -> None:
        if len(self.delimiter) != 1 or self.delimiter in "\r\n":
            raise ValueError(f"delimiter: {self.delimiter!r} is not one character")
        if self.quote is not None and (len(self.quote) != 1 or self.quote == self.delimiter):
            raise ValueError(f"quote: {self.quote!r} is not one character, another than the delimiter")
        try:
            b" ".decode(self.encoding, errors="replace")
        except LookupError as error:
            raise ValueError(f"encoding: {self.encoding!r} is no text encoding; write utf-8") from error


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Where each field stands: a column's name, or a text with columns in braces, such as `{set}/{number}`.

    `<group>` in it is what a named group of the answer column or file name matched. None: in no column.
    """

    prompt_id: str | None
    category: str | None
    question: str | None
    model: str | None
    model_a: str | None
    model_b: str | None
    rater_id: str | None
    is_control: str | None
    control_answer: str | None
    sample_ids: str | None
    sample_ids_a: str | None
    sample_ids_b: str | None
    displayed_left: str | None
    num_trials: str | None
    duration_s: str | None
    batch_id: str | None
    timestamp: str | None


@dataclass(frozen=True, kw_only=True)
class Constants:
    """What is the same in every row and does not stand in the file; None where it is not so."""

    category: str | None
    question: str | None
    model: str | None
    model_a: str | None
    model_b: str | None
    rater_id: str | None
    displayed_left: str | None
    num_trials: str | None
    batch_id: str | None


@dataclass(frozen=True, kw_only=True)
class Answer:
    r"""The answer columns: every column whose whole name matches the regular expression `columns`.

    `questions`: the questions of the scores in a cell, in order; empty where the question stands elsewhere.
    `brackets`: what encloses a cell, such as `[]`; `separator`: what parts its scores; None for none.
    `blank`: whether an empty cell is a row to reject, or was never asked and is only counted (skip).
    """

    columns: str
    questions: tuple[str, ...]
    brackets: str | None
    separator: str | None
    blank: Literal["reject", "skip"]

    def __post_init__(self) -> None:
        _compiled("columns", self.columns)
        if self.brackets is not None and len(self.brackets) != 2:
            raise ValueError(f"brackets: {self.brackets!r} is not two characters, such as []")
        if self.separator == "":
            raise ValueError("separator: '' separates nothing; write null where a cell holds one score")
        if (self.separator is not None) != (len(self.questions) > 1):
            raise ValueError(
                f"separator: {self.separator!r} for {len(self.questions)} questions in a cell; "
                "several need one, and one needs none"
            )


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One layout. `file_names`: a regular expression that each whole file name matches, None for any name.

    `may_be_absent`: fields whose column a file may lack, or leave empty throughout. `rates`: how a proportion
    is written: a `share` (0 to 1), `percent` (0 to 100), with a `percent_sign`, or a `count` of num_trials.
    `repeats`: whether a rater may have answered one question on the same samples more than once.
    """

    file: FileFormat
    file_names: str | None
    may_be_absent: tuple[str, ...]
    columns: Columns
    constants: Constants
    answers: tuple[Answer, ...]
    questions: tuple[Question, ...]
    rates: RateNotation | None
    choices: Choices | None
    controls: Controls | None
    ranking: Ranking | None
    repeats: Literal["reject", "keep"]

    def __post_init__(self) -> None:
        if not self.answers:
            raise ValueError("answers: empty; name the columns that hold the answers")
        kinds = sorted({FORM_OF_KIND[question.kind] for question in self.questions})
        if len(kinds) != 1:
            raise ValueError(f"questions: {' and '.join(kinds) or 'none'}; give questions of one form")
        refuse_repeats("questions", [question.name or "null" for question in self.questions])
        refuse_repeats(
            "questions", [question.written or question.name or "null" for question in self.questions]
        )
        is_pairwise = self.form == "pairwise"
        if (self.rates is not None) != (self.form == "proportion"):
            raise ValueError(f"rates: {self.rates} for {self.form} ratings; proportions need it, others null")
        if (self.choices is not None) != (is_pairwise and self.ranking is None):
            raise ValueError("choices: pairwise choices need them; rankings and other ratings say null")
        if (self.controls is not None) != (self.form != "proportion" and self.ranking is None):
            raise ValueError(
                "controls: choices and values need their words; rankings and proportions say null"
            )
        if self.ranking is not None and not is_pairwise:
            raise ValueError("ranking: its questions must be pairwise")
        self._check_fields()

    @cached_property
    def form(self) -> FormName:
        """Which canonical form the ratings take."""
        return FORM_OF_KIND[self.questions[0].kind]

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields that a slot can have; a slot of a ranking has those of one model."""
        if self.ranking is None:
            return tuple(name for name in column_names(self.form) if name != ANSWER[self.form])
        left_out = {ANSWER["pointwise"], "is_control", "control_answer", "displayed_left"}
        if self.ranking.written == "text":
            left_out |= {"model", "sample_ids"}
        return tuple(name for name in column_names("pointwise") if name not in left_out)

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The fields that every judgement has."""
        must = {column.name for form in FORMS.values() for column in form if not column.nullable}
        return tuple(name for name in self.fields if name in must and name != "is_control")

    def _check_fields(self) -> None:
        for block, values in (("columns", self.columns), ("constants", self.constants)):
            for name, value in given(values).items():
                if name not in self.fields:
                    raise ValueError(
                        f"{block}.{name}: {value!r}, but these ratings have no {name}; write null"
                    )
        for name in self.may_be_absent:
            if name not in self.fields or name in self.required:
                raise ValueError(
                    f"may_be_absent: {name} is not one of the fields that can be absent: "
                    f"{', '.join(f for f in self.fields if f not in self.required)}"
                )
        if self.file_names is not None:
            _compiled("file_names", self.file_names)


def given(block: Columns | Constants) -> Mapping[str, str]:
    """The fields of a block that are not None."""
    values = {field.name: getattr(block, field.name) for field in fields(block)}
    return {name: value for name, value in values.items() if value is not None}


def _compiled(key: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except re.error as error:
        raise ValueError(f"{key}: {pattern!r} is not a regular expression ({error})") from error
