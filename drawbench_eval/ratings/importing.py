"""Files in any layout -> ratings in the canonical form, with every row that was refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from drawbench_eval.ratings.answers import parse_answers
from drawbench_eval.ratings.consistency import check_consistency
from drawbench_eval.ratings.fields import parse_fields
from drawbench_eval.ratings.judgements import FAULT, Judgements
from drawbench_eval.ratings.layout import Layout
from drawbench_eval.ratings.questions import Question
from drawbench_eval.ratings.rankings import rankings_to_pairs
from drawbench_eval.ratings.rejects import COLUMNS, Allowance, describe, refuse
from drawbench_eval.ratings.schema import ANSWER, FORMS, FormName, check_table, number_text
from drawbench_eval.ratings.sheet import Sheet, read_sheet
from drawbench_eval.ratings.slots import SheetJudgements, read_judgements


@dataclass(frozen=True, kw_only=True)
class Counts:
    """What went in and what came out.

    `records`: rows of the files. `rows`: judgements in them, each accepted or rejected; a record has one for
    each score, a ranking one for each pair, and an unreadable record as many as the others. `blank`: cells
    that a layout says were never asked; they are no rows.
    """

    records: int
    rows: int
    accepted: int
    rejected: int
    blank: int


@dataclass(frozen=True, kw_only=True)
class ReadFile:
    """One file: where, its content's hash, its counts, and the columns that the layout has no use for."""

    path: Path
    sha256: str
    counts: Counts
    unused_columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class ImportedRatings:
    """`table`: the accepted rows in the canonical `form`, in the order of the files.

    `questions`: what the layout says of each question in it, by its name. `places`: file and line of each
    row, by the same index. `rejects`: file, line, column, value and reason of the others.
    """

    form: FormName
    table: pd.DataFrame
    questions: Mapping[str, Question]
    places: pd.DataFrame
    rejects: pd.DataFrame
    counts: Counts
    files: tuple[ReadFile, ...]


STRICT = Allowance()


def read_ratings(paths: Sequence[Path], layout: Layout, allowance: Allowance = STRICT) -> ImportedRatings:
    """The ratings of all files, read as one collection.

    Raises ValueError where a file cannot be read by this layout at all, where no row is accepted, and where
    more rows are rejected than the allowance lets pass (by default, none may be).
    """
    sheets = _read_sheets(paths, layout)
    parts = [read_judgements(sheet, layout) for sheet in sheets]
    judgements = _together(parts)
    if judgements.frame.empty:
        raise ValueError(f"{_names(sheets)}: no ratings below the header; there must be at least one")
    parse_fields(judgements, layout)
    if layout.ranking is None:
        parse_answers(judgements, layout)
    else:
        judgements = rankings_to_pairs(judgements, layout, layout.ranking)
        judgements.frame["is_control"] = False
        for field in ("control_answer", "displayed_left"):
            judgements.frame[field] = ""
    check_consistency(judgements, layout)
    return _result(judgements, layout, sheets, parts, allowance)


def _read_sheets(paths: Sequence[Path], layout: Layout) -> list[Sheet]:
    if not paths:
        raise ValueError("paths: empty; name the files that hold the ratings")
    sheets: list[Sheet] = []
    for path in paths:
        sheet = read_sheet(path, layout.file)
        for other in sheets:
            if other.sha256 == sheet.sha256 and (layout.file_names is None or other.path.name == path.name):
                raise ValueError(f"{path}: the same file as {other.path}; each rating counts once")
        sheets.append(sheet)
    return sheets


def _together(parts: Sequence[SheetJudgements]) -> Judgements:
    """One frame of all sheets; their slots and records are numbered on."""
    slots = np.cumsum([0, *(len(part.places) for part in parts)])
    records = np.cumsum([0, *(part.columns["record"].max(initial=-1) + 1 for part in parts)])
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in parts[0].columns}
    sizes = [len(part.columns["slot"]) for part in parts]
    columns["slot"] = columns["slot"] + np.repeat(slots[:-1], sizes)
    columns["record"] = columns["record"] + np.repeat(records[:-1], sizes)
    frame = pd.DataFrame({name: pd.Series(values, dtype=values.dtype) for name, values in columns.items()})
    return Judgements(frame=frame, places=[place for part in parts for place in part.places])


def _result(
    judgements: Judgements,
    layout: Layout,
    sheets: list[Sheet],
    parts: list[SheetJudgements],
    allowance: Allowance,
) -> ImportedRatings:
    frame, sound = judgements.frame, judgements.is_sound
    rejects = frame.loc[~sound, ["file", "line", *FAULT]].set_axis(list(COLUMNS), axis=1)
    rejects["value"] = [number_text(v) if isinstance(v, float) else str(v) for v in rejects["value"]]
    rejects = rejects.reset_index(drop=True)
    if not sound.any():
        raise ValueError(
            f"{_names(sheets)}: no row is accepted of {len(frame)}; {describe(*rejects.iloc[0])}"
        )
    refuse(rejects, len(frame), allowance)
    accepted = frame[sound].reset_index(drop=True)
    table = _canonical(accepted, layout.form)
    check_table(table, layout.form)
    files = []
    here = sound.groupby(frame["file"])
    num_rows, num_sound = here.size().to_dict(), here.sum().to_dict()
    for sheet, part in zip(sheets, parts, strict=True):
        rows, accepted_here = (int(counted.get(str(sheet.path), 0)) for counted in (num_rows, num_sound))
        counts = _counts(len(sheet.rows), rows, accepted_here, part.num_blank)
        files.append(
            ReadFile(path=sheet.path, sha256=sheet.sha256, counts=counts, unused_columns=part.unused_columns)
        )
    return ImportedRatings(
        form=layout.form,
        table=table,
        questions={
            str(name): layout.questions[index]
            for name, index in accepted.groupby("question", sort=False)["asked"].first().items()
        },
        places=accepted[["file", "line"]],
        rejects=rejects,
        counts=_counts(
            sum(len(sheet.rows) for sheet in sheets),
            len(sound),
            int(sound.sum()),
            sum(part.num_blank for part in parts),
        ),
        files=tuple(files),
    )


def _names(sheets: list[Sheet]) -> str:
    return ", ".join(str(sheet.path) for sheet in sheets)


def _counts(records: int, rows: int, accepted: int, blank: int) -> Counts:
    return Counts(records=records, rows=rows, accepted=accepted, rejected=rows - accepted, blank=blank)


def _canonical(accepted: pd.DataFrame, form: FormName) -> pd.DataFrame:
    columns: dict[str, pd.Series] = {}
    for column in FORMS[form]:
        values = accepted["answer" if column.name == ANSWER[form] else column.name]
        if column.dtype == "object":
            columns[column.name] = values.astype(object).mask(values == "", None)
        elif column.dtype == "bool":
            columns[column.name] = values.astype(bool)
        else:
            numbers = values.astype(float)
            columns[column.name] = numbers.astype("Int64") if column.dtype == "Int64" else numbers
    return pd.DataFrame(columns)
