"""The fields of judgements, from text to typed values: everything but the answers."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from drawbench_eval.ratings.cells import parse_positive, parse_time, parse_whole, unknown
from drawbench_eval.ratings.judgements import Judgements, parse_each
from drawbench_eval.ratings.layout import Layout
from drawbench_eval.ratings.questions import Choices, Controls, Question
from drawbench_eval.ratings.schema import SIDES

# Known in every row of an import or in none.
_IDENTITIES = ("prompt_id", "rater_id")


def parse_fields(judgements: Judgements, layout: Layout) -> None:
    """Types the fields in place, refusing what does not fit; `asked` becomes each question's index, or -1."""
    frame = judgements.frame
    for field in layout.required:
        judgements.refuse(frame[field] == "", field, "empty, but every judgement needs it")
    for field in _IDENTITIES:
        _refuse_some_blanks(judgements, layout, field)
    _parse_question(judgements, layout.questions)
    decimal = layout.file.decimal
    _parse(judgements, "duration_s", partial(_or_nan, partial(parse_positive, decimal=decimal)), float)
    if "num_trials" in frame:
        _parse(judgements, "num_trials", partial(_or_nan, partial(_trials, decimal=decimal)), float)
    _parse(judgements, "timestamp", partial(parse_time, pattern=layout.file.timestamps), object)
    if "displayed_left" in frame:
        _parse_left(judgements, layout.choices)
    if layout.controls is not None:
        _parse_controls(judgements, layout.controls)


def _refuse_some_blanks(judgements: Judgements, layout: Layout, field: str) -> None:
    blank = judgements.frame[field] == ""
    is_given = judgements.frame["slot"].map(dict(enumerate(field in place for place in judgements.places)))
    if (blank | ~judgements.is_sound).all() and (field in layout.may_be_absent or not is_given.any()):
        return
    judgements.refuse(blank, field, "empty, but other rows have one")


def _parse_question(judgements: Judgements, questions: tuple[Question, ...]) -> None:
    others = next((index for index, question in enumerate(questions) if question.name is None), None)
    known = {question.written or question.name: index for index, question in enumerate(questions)}

    def index_of(text: str) -> int:
        index = known.get(text, others)
        if index is None:
            raise ValueError(f"unknown question; it must be one of {', '.join(map(repr, known))}")
        return index

    texts = judgements.frame["question"]
    index, reasons = parse_each(texts, index_of)
    judgements.refuse(reasons != "", "question", reasons)
    judgements.frame["asked"] = index.fillna(-1).astype(int)
    names = {text: questions[known[text]].name if text in known else text for text in texts.unique()}
    judgements.settle("question", texts.map(names).astype(object))


def _parse(judgements: Judgements, field: str, parse: Callable[[str], Any], dtype: type) -> None:
    values, reasons = parse_each(judgements.frame[field], parse)
    judgements.refuse(reasons != "", field, reasons)
    judgements.settle(field, values.astype(dtype))


def _or_nan(parse: Callable[[str], float], text: str) -> float:
    return parse(text) if text else np.nan


def _trials(text: str, decimal: Any) -> int:
    number = parse_whole(text, decimal)
    if number == 0:
        raise ValueError("no trials; a rate needs at least one")
    return number


def _parse_left(judgements: Judgements, choices: Choices | None) -> None:
    """`displayed_left` as a, b or ""."""
    frame = judgements.frame
    texts = frame["displayed_left"]
    left_a, left_b = (SIDES[:1], SIDES[1:]) if choices is None else (choices.left_a, choices.left_b)
    if choices is not None and choices.left == "names":
        left = pd.Series(
            np.select([texts == frame["model_a"], texts == frame["model_b"]], ["a", "b"], ""),
            index=frame.index,
            dtype=object,
        )
        reason: pd.Series | str = "neither of the two models"
    else:
        words = {word.casefold(): "a" for word in left_a}
        words |= {word.casefold(): "b" for word in left_b}
        left = texts.map({text: words.get(text.casefold(), "") for text in texts.unique()}).astype(object)
        reason = texts.map(lambda text: unknown(text, [*left_a, *left_b]))
    is_needed = choices is not None and choices.refers_to == "sides"
    judgements.refuse((left == "") & ((texts != "") | is_needed), "displayed_left", reason)
    judgements.settle("displayed_left", left)


def _parse_controls(judgements: Judgements, controls: Controls) -> None:
    frame = judgements.frame
    texts, has_answer = frame["is_control"], frame["control_answer"] != ""
    if not any("is_control" in place for place in judgements.places):
        judgements.settle("is_control", has_answer)
        return
    words = {word.casefold(): True for word in controls.control}
    words |= {word.casefold(): False for word in controls.judgement}

    def flag(text: str) -> bool:
        if text.casefold() not in words:
            raise ValueError(unknown(text, [*controls.control, *controls.judgement]))
        return words[text.casefold()]

    values, reasons = parse_each(texts, flag)
    judgements.refuse(reasons != "", "is_control", reasons)
    is_control = values.fillna(False).astype(bool)
    judgements.refuse(is_control & ~has_answer, "control_answer", "empty, but the row is a control")
    judgements.refuse(~is_control & has_answer, "control_answer", "given, but the row is no control")
    judgements.settle("is_control", is_control)
