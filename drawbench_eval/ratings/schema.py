"""The canonical long form of human ratings: one row a judgement, typed and checked, as CSV or Parquet.

Three forms: `pairwise` (which of two, or indifferent), `pointwise` (a value for one model) and `proportion`
(a rate of one rater or group for one model). Text columns are of pandas' type object: text, or None where
nothing is known.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from drawbench_eval.csv_text import csv_text
from drawbench_eval.files import atomic_path, write_text
from drawbench_eval.ratings.spreadsheet import escape

FormName = Literal["pairwise", "pointwise", "proportion"]
QuestionKind = Literal["pairwise", "realism", "alignment", "ordinal", "proportion"]
ColumnKind = Literal["text", "choice", "side", "flag", "number", "positive", "share", "count"]

CHOICES = ("a", "indifferent", "b")
SIDES = ("a", "b")
ALIGNMENT_LEVELS = (0.0, 50.0, 100.0)
# Between the sample ids of one cell.
SAMPLES_SEPARATOR = "|"

# realism: two alternatives, one of them the reference. alignment: yes, somewhat, no = 100, 50, 0. ordinal:
# levels in order, such as 1 to 5.
FORM_OF_KIND: dict[QuestionKind, FormName] = {
    "pairwise": "pairwise",
    "realism": "pairwise",
    "alignment": "pointwise",
    "ordinal": "pointwise",
    "proportion": "proportion",
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a form. `share` is from 0 to 1, `positive` from 0 up, `count` whole and from 1 up."""

    name: str
    kind: ColumnKind
    nullable: bool

    @property
    def dtype(self) -> str:
        """The pandas type."""
        return _DTYPES.get(self.kind, "object")


_DTYPES: dict[ColumnKind, str] = {
    "flag": "bool",
    "number": "float64",
    "positive": "float64",
    "share": "float64",
    "count": "Int64",
}


def _must(name: str, kind: ColumnKind = "text") -> Column:
    return Column(name=name, kind=kind, nullable=False)


def _may(name: str, kind: ColumnKind = "text") -> Column:
    return Column(name=name, kind=kind, nullable=True)


_HOW = (_may("duration_s", "positive"), _may("batch_id"), _may("timestamp"))

FORMS: dict[FormName, tuple[Column, ...]] = {
    "pairwise": (
        *(_may("prompt_id"), _may("category"), _must("question"), _must("model_a"), _must("model_b")),
        *(_must("choice", "choice"), _may("rater_id")),
        *(_must("is_control", "flag"), _may("control_answer", "choice")),
        *(_may("sample_ids_a"), _may("sample_ids_b"), _may("displayed_left", "side"), *_HOW),
    ),
    "pointwise": (
        *(_may("prompt_id"), _may("category"), _must("question"), _must("model")),
        *(_must("value", "number"), _may("rater_id")),
        *(_must("is_control", "flag"), _may("control_answer", "number")),
        *(_may("sample_ids"), _may("displayed_left", "side"), *_HOW),
    ),
    "proportion": (
        *(_may("prompt_id"), _may("category"), _must("question"), _must("model")),
        *(_must("rate", "share"), _may("num_trials", "count"), _may("rater_id"), *_HOW),
    ),
}

# The column that holds the judgement itself.
ANSWER: dict[FormName, str] = {"pairwise": "choice", "pointwise": "value", "proportion": "rate"}


def column_names(form: FormName) -> tuple[str, ...]:
    """The form's columns, in order."""
    return tuple(column.name for column in FORMS[form])


def is_known(table: pd.DataFrame, column: str) -> bool:
    """Whether every row has this column: what needs it is offered only then."""
    return len(table) > 0 and bool(table[column].notna().all())


def check_table(table: pd.DataFrame, form: FormName) -> None:
    """Raises ValueError for the first row (counted from 1), column and value that is not canonical."""
    if tuple(table.columns) != column_names(form):
        raise ValueError(
            f"{form} ratings: columns {', '.join(map(str, table.columns))}; "
            f"they must be {', '.join(column_names(form))}"
        )
    for column in FORMS[form]:
        values = table[column.name]
        if str(values.dtype) != column.dtype:
            raise ValueError(f"column {column.name}: its type is {values.dtype}; it must be {column.dtype}")
        if not column.nullable:
            _refuse(values, values.isna(), "empty, but every row needs it")
        _refuse(values, values.notna() & ~_CHECKS[column.kind](values), _MUST_BE[column.kind])
    if form == "pairwise":
        _refuse(table["model_b"], table["model_a"] == table["model_b"], "compared with itself")
    if form != "proportion":
        answer = table["control_answer"]
        _refuse(answer, table["is_control"] & answer.isna(), "empty, but the row is a control")
        _refuse(answer, ~table["is_control"] & answer.notna(), "given, but the row is not a control")


def _refuse(values: pd.Series, wrong: pd.Series, reason: str) -> None:
    where = np.flatnonzero(wrong.to_numpy(dtype=bool))
    if len(where):
        row = int(where[0])
        raise ValueError(f"row {row + 1}, column {values.name}: {values.iloc[row]!r} is {reason}")


def _any(values: pd.Series) -> pd.Series:
    return pd.Series(True, index=values.index)


def _finite(values: pd.Series) -> pd.Series:
    return pd.Series(np.isfinite(values.to_numpy()), index=values.index)


_CHECKS: dict[ColumnKind, Callable[[pd.Series], pd.Series]] = {
    "text": lambda values: values.map(lambda text: isinstance(text, str) and text != "").astype(bool),
    "choice": lambda values: values.isin(CHOICES),
    "side": lambda values: values.isin(SIDES),
    "flag": _any,
    "number": _finite,
    "positive": lambda values: _finite(values) & (values >= 0),
    "share": lambda values: (values >= 0) & (values <= 1),
    "count": lambda values: values.fillna(1) > 0,
}
_MUST_BE: dict[ColumnKind, str] = {
    "text": "not a text, or empty; None says that nothing is known",
    "choice": f"not one of {', '.join(CHOICES)}",
    "side": f"not one of {', '.join(SIDES)}",
    "flag": "not true or false",
    "number": "not a finite number",
    "positive": "not a number from 0 up",
    "share": "not a number from 0 to 1",
    "count": "not a whole number from 1 up",
}


def write_ratings(path: Path, table: pd.DataFrame, form: FormName) -> None:
    """Writes canonical ratings atomically, as `.csv` (text cells escaped for spreadsheets) or `.parquet`.

    Raises ValueError for a table that is not canonical and for another suffix.
    """
    check_table(table, form)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        with atomic_path(path) as temporary:
            table.to_parquet(temporary, index=False)
    elif suffix == ".csv":
        texts = [_cells(table[column.name], column) for column in FORMS[form]]
        write_text(path, csv_text(column_names(form), zip(*texts, strict=True)))
    else:
        raise ValueError(f"{path}: ratings are written as .csv or .parquet")


def _cells(values: pd.Series, column: Column) -> list[str]:
    if column.kind == "flag":
        return ["true" if value else "false" for value in values]
    write: Callable[[Any], str] = number_text if column.dtype == "float64" else str
    if column.dtype == "object":
        write = escape
    return ["" if absent else write(value) for value, absent in zip(values, values.isna(), strict=True)]


def number_text(value: float) -> str:
    """The shortest text that reads back as the same number; whole numbers without a decimal point."""
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(float(value))
