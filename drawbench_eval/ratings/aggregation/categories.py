"""Categories described: in how many each side leads, and estimates that borrow from the other categories."""

from __future__ import annotations

from dataclasses import dataclass

from drawbench_eval.ratings.aggregation.selection import Pair, Raters, Selection
from drawbench_eval.stats.clustered import Array
from drawbench_eval.stats.rates import Wins, category_wins
from drawbench_eval.stats.shrinkage import Shrinkage, shrink_categories


@dataclass(frozen=True, kw_only=True)
class Categories:
    """The categories of one pair (rate of a, indifferent as half) or one model (its mean), by prompts' means.

    `wins` counts categories by which side more judgements preferred; None for a model. `shrunken` is None
    without known prompts, and where no category has two of them.
    """

    question: str
    raters: Raters
    pair: Pair | None
    model: str | None
    wins: Wins | None
    shrunken: Shrinkage | None


def describe_categories(selection: Selection) -> list[Categories]:
    """Those of each pair or model that was judged in two categories or more."""
    found: list[Categories] = []
    if "choice" in selection.table:
        for pair, judged in selection.by_pair():
            if judged.has_categories:
                wins = category_wins(judged.choices, judged.category_codes)
                shrunken = _shrunken(judged, (judged.choices + 1) / 2)
                found.append(_categories(judged, pair=pair, wins=wins, shrunken=shrunken))
    else:
        for model, judged in selection.by_model():
            if judged.has_categories:
                found.append(_categories(judged, model=model, shrunken=_shrunken(judged, judged.values)))
    return found


def _categories(
    selection: Selection,
    *,
    shrunken: Shrinkage | None,
    pair: Pair | None = None,
    model: str | None = None,
    wins: Wins | None = None,
) -> Categories:
    return Categories(
        question=selection.question,
        raters=selection.raters,
        pair=pair,
        model=model,
        wins=wins,
        shrunken=shrunken,
    )


def _shrunken(judged: Selection, answers: Array) -> Shrinkage | None:
    if judged.prompts is None:
        return None
    means = judged.prompt_means(answers)
    if len(means) == means["category"].nunique():
        return None
    return shrink_categories(means["mean"], means["category"])
