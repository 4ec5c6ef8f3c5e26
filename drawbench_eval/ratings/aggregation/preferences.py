"""Choices -> the rates that the paper prints: all three shares, both conventions, micro and macro averages.

The paper's DrawBench bars pool the judgements of a category or of all of them (Imagen, Figures 3 and A.15);
its photorealism is the share that took the generated image for the more real one (Imagen, Table 2).
"""

from __future__ import annotations

from collections.abc import Iterator

from drawbench_eval.ratings.aggregation.row import Average, Convention, Row, rate_row
from drawbench_eval.ratings.aggregation.selection import Codes, Pair, Selection
from drawbench_eval.stats.rates import Preference, Rate, preference, share_rate


def preference_rows(selection: Selection, *, seed: int, num_draws: int) -> list[Row]:
    """The shares and rates of each pair: over all, as the macro average of categories, and by category."""
    rows: list[Row] = []
    for pair, judged in selection.by_pair():
        for part, category, average in _parts(judged):
            found = preference(
                part.choices,
                part.prompts,
                part.rater_codes,
                seed=seed,
                num_draws=num_draws,
                categories=_strata(part, average),
            )
            rows += _shares(part, found, pair, category, average)
    return rows


def realism_rows(selection: Selection, *, seed: int, num_draws: int) -> list[Row]:
    """The share of judgements in which each model's image was taken for the more real one."""
    rows: list[Row] = []
    for (model, _), judged in selection.by_pair():
        for part, category, average in _parts(judged):
            found = share_rate(
                part.choices > 0,
                part.prompts,
                part.rater_codes,
                seed=seed,
                num_draws=num_draws,
                categories=_strata(part, average),
            )
            rows.append(
                rate_row(part, found, "preference_rate", category=category, model=model, average=average)
            )
    return rows


def _parts(judged: Selection) -> Iterator[tuple[Selection, str | None, Average]]:
    """What is averaged: all judgements, all by category, and each category."""
    yield judged, None, "micro"
    if judged.has_categories:
        yield judged, None, "macro"
        if judged.subset == "all":
            for category, part in judged.by_category():
                yield part, category, "micro"


def _strata(part: Selection, average: Average) -> Codes | None:
    return part.category_codes if average == "macro" else None


def _shares(
    part: Selection, found: Preference, pair: Pair, category: str | None, average: Average
) -> list[Row]:
    shares = (("share_a", found.a), ("share_indifferent", found.indifferent), ("share_b", found.b))
    rows = [
        rate_row(part, rate, name, category=category, pair=pair, average=average) for name, rate in shares
    ]
    conventions: tuple[tuple[Convention, Rate], ...] = (("dropped", found.dropped), ("split", found.split))
    for convention, rate in conventions:
        rows.append(
            rate_row(
                part,
                rate,
                "preference",
                category=category,
                pair=pair,
                convention=convention,
                average=average,
            )
        )
    return rows
