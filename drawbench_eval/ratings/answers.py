"""The answers of judgements, from text to choices, values and rates."""

from functools import partial

import numpy as np
import pandas as pd

from drawbench_eval.ratings.cells import parse_number, parse_rate, parse_value, unknown
from drawbench_eval.ratings.judgements import Judgements, parse_each
from drawbench_eval.ratings.layout import Layout
from drawbench_eval.ratings.questions import Choices


def parse_answers(judgements: Judgements, layout: Layout) -> None:
    """Types the answers, and those of controls, in place, refusing what does not fit."""
    if layout.choices is not None:
        for field in ("answer", "control_answer"):
            _parse_choices(judgements, field, layout.choices)
    elif layout.rates is not None:
        values, reasons = parse_each(
            judgements.frame["answer"],
            partial(parse_rate, notation=layout.rates, decimal=layout.file.decimal),
        )
        judgements.refuse(reasons != "", "answer", reasons)
        judgements.settle("answer", values.astype(float))
        if layout.rates == "count":
            _divide_by_trials(judgements)
    else:
        for field in ("answer", "control_answer"):
            _parse_values(judgements, field, layout)


def parse_ranks(judgements: Judgements, layout: Layout) -> None:
    """Types ranks in place, turned so that the lower is the better."""
    values, reasons = parse_each(
        judgements.frame["answer"], partial(parse_number, decimal=layout.file.decimal)
    )
    judgements.refuse(reasons != "", "answer", reasons)
    sign = -1.0 if layout.ranking is not None and layout.ranking.best == "highest" else 1.0
    judgements.settle("answer", sign * values.astype(float))


def _parse_values(judgements: Judgements, field: str, layout: Layout) -> None:
    frame = judgements.frame
    values = pd.Series(np.nan, index=frame.index)
    for index, question in enumerate(layout.questions):
        asked = (frame["asked"] == index) & ((field == "answer") | (frame[field] != ""))
        if asked.any():
            parsed, reasons = parse_each(
                frame.loc[asked, field],
                partial(parse_value, question=question, decimal=layout.file.decimal),
            )
            values[asked] = parsed.astype(float)
            judgements.refuse_these(field, reasons[reasons != ""])
    judgements.settle(field, values)


def _parse_choices(judgements: Judgements, field: str, choices: Choices) -> None:
    """As a, indifferent, b, or "" where nothing was answered or the answer was refused."""
    frame = judgements.frame
    texts = frame[field]
    words = {word.casefold(): "indifferent" for word in choices.indifferent}
    words |= {word.casefold(): "a" for word in choices.a} | {word.casefold(): "b" for word in choices.b}
    choice = texts.map({text: words.get(text.casefold(), "") for text in texts.unique()}).astype(object)
    known = [*choices.a, *choices.indifferent, *choices.b]
    if choices.refers_to == "names":
        choice = choice.mask(texts == frame["model_b"], "b").mask(texts == frame["model_a"], "a")
        known = ["model_a", "model_b", *known]
    elif choices.refers_to == "sides":
        swapped = frame["displayed_left"] == "b"
        choice = choice.mask(swapped, choice.map({"a": "b", "b": "a"}).fillna(choice))
    reasons = texts.map({text: unknown(text, known) for text in texts.unique()})
    judgements.refuse((choice == "") & ((texts != "") | (field == "answer")), field, reasons)
    judgements.settle(field, choice)


def _divide_by_trials(judgements: Judgements) -> None:
    frame = judgements.frame
    trials = frame["num_trials"]
    judgements.refuse(trials.isna(), "num_trials", "empty, but a count needs its number of trials")
    judgements.refuse(frame["answer"] > trials, "answer", "more than there were trials")
    frame["answer"] = frame["answer"] / trials
