"""How far raters agree, question by question, over all models and for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd

from drawbench_eval.ratings.aggregation.selection import Pair, Raters, Selection
from drawbench_eval.ratings.schema import is_known
from drawbench_eval.stats.agreement import MOST_LEVELS, Agreement, agreement, count_ratings

# A unit is what raters judge alike: one question about the same samples, or the same prompt.
_UNIT = ("prompt_id", "model", "model_a", "model_b", "sample_ids", "sample_ids_a", "sample_ids_b")


@dataclass(frozen=True, kw_only=True)
class QuestionAgreement:
    """The measures of one question: `model` or `pair` name what it is about, neither where it is about all.

    Choices count as 1, 0, -1 of one side of each pair. Of a rater's answers about the same thing the first
    counts, as nobody agrees with himself; `num_repeats` others are left out.
    """

    question: str
    raters: Raters
    model: str | None
    pair: Pair | None
    nominal: Agreement
    ordinal: Agreement
    interval: Agreement
    fleiss: Agreement
    raw: Agreement
    num_repeats: int


def rater_agreement(selection: Selection, *, seed: int, num_draws: int) -> list[QuestionAgreement]:
    """Agreement over all, and for each model or pair where there are several.

    Raises ValueError, in words for a reader, where it cannot be had of these ratings.
    """
    table = selection.table
    if not is_known(table, "rater_id"):
        raise ValueError("some rows have no rater_id")
    if table["rater_id"].nunique() < 2:
        raise ValueError("there is one rater")
    samples = "sample_ids_a" if "choice" in table else "sample_ids"
    if not is_known(table, "prompt_id") and not (samples in table and is_known(table, samples)):
        raise ValueError(
            "neither prompts nor samples are known, so that it cannot be told what was judged twice"
        )
    answers = selection.choices if "choice" in table else selection.values
    if len(set(answers.tolist())) > MOST_LEVELS:
        raise ValueError(f"there are more than {MOST_LEVELS} unequal answers")
    return [_of(part, model, pair, seed=seed, num_draws=num_draws) for part, model, pair in _parts(selection)]


def units(selection: Selection) -> pd.Series:
    """What each judgement [n] is about, as a number."""
    keys = [selection.table[name].fillna("") for name in _UNIT if name in selection.table]
    return selection.table.groupby(keys, sort=True).ngroup()


def _parts(selection: Selection) -> Iterator[tuple[Selection, str | None, Pair | None]]:
    yield selection, None, None
    if "choice" in selection.table:
        pairs = list(selection.by_pair())
        if len(pairs) > 1:
            yield from ((part, None, pair) for pair, part in pairs)
    else:
        models = list(selection.by_model())
        if len(models) > 1:
            yield from ((part, model, None) for model, part in models)


def _of(
    selection: Selection, model: str | None, pair: Pair | None, *, seed: int, num_draws: int
) -> QuestionAgreement:
    answers = selection.choices if "choice" in selection.table else selection.values
    unit = units(selection)
    again = pd.DataFrame({"unit": unit, "rater": selection.table["rater_id"]}).duplicated().to_numpy()
    counts = count_ratings(answers[~again], unit[~again])
    nominal, ordinal, interval, fleiss, raw = agreement(
        counts, ("nominal", "ordinal", "interval", "fleiss", "raw"), seed=seed, num_draws=num_draws
    )
    return QuestionAgreement(
        question=selection.question,
        raters=selection.raters,
        model=model,
        pair=pair,
        nominal=nominal,
        ordinal=ordinal,
        interval=interval,
        fleiss=fleiss,
        raw=raw,
        num_repeats=int(again.sum()),
    )
