"""A sheet's rows -> judgements as text, one for each answer slot that was filled."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.ratings.layout import Answer, Layout, given
from drawbench_eval.ratings.sheet import Sheet, Texts

_ANSWERS = "ratings.answers"
_GROUP = re.compile(r"<(\w+)>")
_CELL = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True, kw_only=True)
class SheetJudgements:
    """What `Judgements` is made of, for one sheet: columns as arrays, and the slots' places.

    `num_blank` cells were never asked, by the layout; `unused_columns` are those that it does not name.
    """

    columns: Mapping[str, NDArray[Any]]
    places: Sequence[Mapping[str, tuple[str, ...]]]
    num_blank: int
    unused_columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Slot:
    column: str
    answer: Answer
    part: int
    groups: Mapping[str, str]


def read_judgements(sheet: Sheet, layout: Layout) -> SheetJudgements:
    """The judgements of one sheet, row by row.

    Raises ValueError, with the setting, where the layout does not fit the file as a whole.
    """
    slots = _slots(sheet, layout)
    fields = [_fields(sheet, layout, slot) for slot in slots]
    cells = [sheet.column(slot.column, _ANSWERS) for slot in slots]
    answers = [_answers(texts, slot) for texts, slot in zip(cells, slots, strict=True)]
    shape = (len(sheet.rows), len(slots))
    arrays: dict[str, NDArray[Any]] = {
        name: _side_by_side([texts[name][0] if name in texts else "" for texts in fields], shape)
        for name in layout.fields
    }
    arrays["answer"] = _side_by_side([texts for texts, _ in answers], shape)
    arrays["answer_column"] = _side_by_side([slot.column for slot in slots], shape)
    arrays |= _faults(sheet, slots, [reasons for _, reasons in answers])
    arrays["file"] = np.full(len(arrays["answer"]), str(sheet.path), dtype=object)
    arrays["line"] = np.repeat(sheet.lines, len(slots))
    arrays["record"] = np.repeat(np.arange(len(sheet.rows)), len(slots))
    arrays["slot"] = np.tile(np.arange(len(slots)), len(sheet.rows))
    blank = [(texts == "") & (slot.answer.blank == "skip") for texts, slot in zip(cells, slots, strict=True)]
    skipped = _side_by_side(blank, shape).astype(bool) & (arrays["fault_reason"] == "")
    places = [{name: columns for name, (_, columns) in texts.items()} for texts in fields]
    used = {slot.column for slot in slots} | {
        name for place in places for names in place.values() for name in names
    }
    return SheetJudgements(
        columns={name: values[~skipped] for name, values in arrays.items()},
        places=places,
        num_blank=int(skipped.sum()),
        unused_columns=tuple(name for name in sheet.header if name not in used),
    )


def _side_by_side(columns: Sequence[Texts | str], shape: tuple[int, int]) -> Texts:
    table = np.empty(shape, dtype=object)
    for index, texts in enumerate(columns):
        table[:, index] = texts
    return table.ravel()


def _slots(sheet: Sheet, layout: Layout) -> list[_Slot]:
    slots: list[_Slot] = []
    file_groups = _file_groups(sheet, layout)
    for index, answer in enumerate(layout.answers):
        key = f"ratings.answers[{index}].columns"
        matches = [(name, re.fullmatch(answer.columns, name)) for name in sheet.header]
        found = [(name, match.groupdict(default="")) for name, match in matches if match]
        if not found:
            raise ValueError(
                f"{key}: {sheet.path} has no column that matches {answer.columns!r}; "
                f"it has {sheet.known_columns()}"
            )
        for name, groups in found:
            if any(slot.column == name for slot in slots):
                raise ValueError(f"{key}: {sheet.path} column {name!r} is matched twice")
            shared = file_groups.keys() & groups.keys()
            if shared:
                raise ValueError(f"{key}: the group {min(shared)} stands in ratings.file_names too")
            for part, question in enumerate(answer.questions or (None,)):
                if question is not None and "question" in groups:
                    raise ValueError(f"{key}: the group question stands beside questions")
                own = {} if question is None else {"question": question}
                slots.append(_Slot(column=name, answer=answer, part=part, groups=file_groups | groups | own))
    return slots


def _file_groups(sheet: Sheet, layout: Layout) -> dict[str, str]:
    if layout.file_names is None:
        return {}
    match = re.fullmatch(layout.file_names, sheet.path.name)
    if match is None:
        raise ValueError(f"ratings.file_names: {sheet.path.name!r} does not match {layout.file_names!r}")
    return match.groupdict(default="")


def _fields(sheet: Sheet, layout: Layout, slot: _Slot) -> dict[str, tuple[Texts | str, tuple[str, ...]]]:
    """Field -> its texts and the columns they come from."""
    columns, constants = given(layout.columns), given(layout.constants)
    found: dict[str, tuple[Texts | str, tuple[str, ...]]] = {}
    for field in layout.fields:
        sources = [
            name
            for name, block in (("columns", columns), ("constants", constants), ("a group", slot.groups))
            if field in block
        ]
        if len(sources) > 1:
            raise ValueError(f"ratings.columns.{field}: given by {' and by '.join(sources)}; keep one")
        if field in columns:
            template = _GROUP.sub(lambda match: slot.groups.get(match[1], match[0]), columns[field])
            texts = _cells(sheet, layout, field, template)
            if texts is not None:
                found[field] = texts
        elif sources:
            found[field] = (constants.get(field, slot.groups.get(field, "")), (field,))
        elif field in layout.required:
            raise ValueError(
                f"ratings.columns.{field}: null, and neither a constant nor a group gives it; "
                f"every judgement needs it; {sheet.path} has the columns {sheet.known_columns()}"
            )
    return found


def _cells(sheet: Sheet, layout: Layout, field: str, template: str) -> tuple[Texts, tuple[str, ...]] | None:
    """The cells that a template describes: empty where one of its columns is, None where it may be absent."""
    names = _CELL.findall(template) or [template]
    if field in layout.may_be_absent and not set(names) <= set(sheet.header):
        return None
    columns = [sheet.column(name, f"ratings.columns.{field}") for name in names]
    if names == [template]:
        return columns[0], (template,)
    between = _CELL.split(template)[::2]
    texts = np.array([between[0]] * len(sheet.rows), dtype=object)
    for cells, text in zip(columns, between[1:], strict=True):
        texts = texts + cells + text
    texts[np.any([cells == "" for cells in columns], axis=0)] = ""
    return texts, tuple(names)


def _answers(cells: Texts, slot: _Slot) -> tuple[Texts, Texts]:
    """The slot's part of each cell, and why a cell could not be split."""
    answer = slot.answer
    if answer.brackets is None and answer.separator is None:
        return cells, np.full(len(cells), "", dtype=object)
    parts: dict[str, str] = {"": ""}
    refused: dict[str, str] = {}
    for cell in dict.fromkeys(cells):
        if cell:
            try:
                parts[cell] = _split(cell, answer)[slot.part]
            except ValueError as error:
                refused[cell] = str(error)
                parts[cell] = cell
    return (
        np.array([parts[cell] for cell in cells], dtype=object),
        np.array([refused.get(cell, "") for cell in cells], dtype=object),
    )


def _split(cell: str, answer: Answer) -> list[str]:
    inner = cell.strip()
    if answer.brackets is not None:
        opening, closing = answer.brackets[0], answer.brackets[1]
        if len(inner) < 2 or inner[0] != opening or inner[-1] != closing:
            raise ValueError(f"not enclosed in {answer.brackets}")
        inner = inner[1:-1]
    parts = [part.strip() for part in (inner.split(answer.separator) if answer.separator else [inner])]
    wanted = max(len(answer.questions), 1)
    if len(parts) != wanted:
        raise ValueError(f"{len(parts)} scores; there must be {wanted} ({', '.join(answer.questions)})")
    return parts


def _faults(sheet: Sheet, slots: list[_Slot], reasons: list[Texts]) -> dict[str, Texts]:
    shape = (len(sheet.rows), len(slots))
    column, value, reason = (np.full(shape, "", dtype=object) for _ in range(3))
    for index, slot in enumerate(slots):
        refused = reasons[index] != ""
        column[refused, index] = slot.column
        value[refused, index] = sheet.column(slot.column, _ANSWERS)[refused]
        reason[:, index] = reasons[index]
    for row, fault in sheet.faults.items():
        column[row], value[row], reason[row] = fault.column, fault.value, fault.reason
    return {"fault_column": column.ravel(), "fault_value": value.ravel(), "fault_reason": reason.ravel()}
