"""Values and rates -> the means of models, their differences, and whether they are on par with the reference.

The paper prints the mean alignment of model and reference, both of all judgements pooled (Imagen, Table 2,
yes / somewhat / no = 100 / 50 / 0), and calls close ones on par; here that is a test with a stated margin.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

from scipy.special import ndtri

from drawbench_eval.ratings.aggregation.row import Row, estimate_row, rate_row
from drawbench_eval.ratings.aggregation.selection import Pair, Raters, Selection
from drawbench_eval.ratings.aggregation.settings import ResultSettings
from drawbench_eval.stats.equivalence import Equivalence, equivalence
from drawbench_eval.stats.rates import LEVEL, UNDEFINED, Interval, mean_rate
from drawbench_eval.stats.twoway import TwoWay, equal_weights, two_way_difference, two_way_mean


@dataclass(frozen=True, kw_only=True)
class OnPar:
    """Two one-sided tests of a model's pooled mean against the reference's, within a margin."""

    question: str
    raters: Raters
    model: str
    reference: str
    n: int
    tests: Equivalence


def mean_rows(selection: Selection, *, seed: int, num_draws: int) -> list[Row]:
    """The mean of each model: of all judgements, of prompts' means, of categories' means, and by category."""
    rows: list[Row] = []
    for model, judged in selection.by_model():
        for category, part in ((None, judged), *(judged.by_category() if judged.has_categories else ())):
            found = mean_rate(part.values, part.prompts, part.rater_codes, seed=seed, num_draws=num_draws)
            rows.append(rate_row(part, found, "mean", category=category, model=model))
        if judged.has_categories:
            macro = mean_rate(
                judged.values,
                judged.prompts,
                judged.rater_codes,
                seed=seed,
                num_draws=num_draws,
                categories=judged.category_codes,
            )
            rows.append(rate_row(judged, macro, "mean", model=model, average="macro"))
        if judged.prompts is not None:
            by_prompt = two_way_mean(
                judged.values, judged.prompts, judged.rater_codes, weights=equal_weights(judged.prompts)
            )
            rows.append(estimate_row(judged, by_prompt, "mean", average="by prompt", model=model))
    return rows


def difference_rows(selection: Selection) -> list[Row]:
    """The difference of means of each two models, pooled and, where prompts are known, of prompts' means."""
    rows: list[Row] = []
    for pair in pairs_of_models(selection):
        pooled = difference(selection, pair)
        ci95 = _unpaired_interval(selection, pair)
        rows.append(
            estimate_row(selection, pooled, "difference", average="micro", pair=pair, ci95_pooled=ci95)
        )
        if selection.prompts is not None:
            found = difference(selection, pair, by_prompt=True)
            rows.append(estimate_row(selection, found, "difference", average="by prompt", pair=pair))
    return rows


def pairs_of_models(selection: Selection) -> list[Pair]:
    """Each two models that were judged, by their names."""
    return list(combinations(sorted(selection.table["model"].unique()), 2))


def difference(selection: Selection, pair: Pair, *, by_prompt: bool = False) -> TwoWay:
    """The mean of the pair's first model minus that of its second: what they share in prompts cancels.

    With `by_prompt` the means are those of prompts' means.
    """
    both = selection.where(selection.table["model"].isin(pair))
    first = (both.table["model"] == pair[0]).to_numpy()
    prompts, raters = (None if codes is None else (codes[first], codes[~first]) for codes in both.labels)
    values = both.values
    return two_way_difference(values[first], values[~first], prompts, raters, by_prompt=by_prompt)


def on_par_tests(selection: Selection, settings: ResultSettings) -> list[OnPar]:
    """Each model against the reference, where there are one and a margin."""
    reference = settings.on_par.reference
    margin = settings.on_par.margin(selection.question, selection.kind)
    models = sorted(selection.table["model"].unique())
    if margin is None or reference is None or reference not in models:
        return []
    found = []
    for model in models:
        if model != reference:
            estimate = difference(selection, (model, reference)).estimate
            found.append(
                OnPar(
                    question=selection.question,
                    raters=selection.raters,
                    model=model,
                    reference=reference,
                    n=estimate.n,
                    tests=equivalence(estimate, margin=margin, alpha=settings.alpha),
                )
            )
    return found


def _unpaired_interval(selection: Selection, pair: Pair) -> Interval:
    """The interval as if all judgements were independent."""
    sides = [selection.where(selection.table["model"] == model).values for model in pair]
    if min(map(len, sides)) < 2:
        return UNDEFINED
    if not any(x.var() for x in sides):
        return UNDEFINED
    reach = float(ndtri(0.5 + LEVEL / 2)) * math.sqrt(sum(x.var(ddof=1) / len(x) for x in sides))
    value = float(sides[0].mean() - sides[1].mean())
    return value - reach, value + reach
