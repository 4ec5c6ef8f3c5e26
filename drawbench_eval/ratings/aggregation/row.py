"""One line of the results: a value about a model or a pair, with the paper's interval and the honest one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from drawbench_eval.ratings.aggregation.selection import Pair, Raters, Selection, Subset
from drawbench_eval.ratings.schema import QuestionKind
from drawbench_eval.stats.rates import LEVEL, UNDEFINED, Interval, Rate
from drawbench_eval.stats.twoway import TwoWay

# micro: each judgement counts the same; macro: each category; by prompt: each prompt.
Average = Literal["micro", "macro", "by prompt"]
Convention = Literal["dropped", "split"]


@dataclass(frozen=True, kw_only=True)
class Row:
    """`statistic`: share_a, share_indifferent, share_b, preference (the rate of a by a `convention`),
    preference_rate (of a model against the reference), mean, difference (of a pair's means).

    Shares and rates are in [0, 1], means and differences in the question's unit. `category` is None for all
    of them together. Intervals that are not offered are None, undefined ones NaN; `standard_error` is the
    clustered one; `few_clusters` says that it rests on fewer than 10 prompts or raters.
    """

    question: str
    kind: QuestionKind
    raters: Raters
    subset: Subset
    category: str | None
    model: str | None
    pair: Pair | None
    statistic: str
    convention: Convention | None
    average: Average
    value: float
    n: int
    ci95_pooled: Interval | None
    ci95_clustered: Interval | None
    ci95_bootstrap: Interval | None
    standard_error: float | None
    num_prompts: int | None
    num_raters: int | None
    few_clusters: bool | None


def rate_row(
    selection: Selection,
    rate: Rate,
    statistic: str,
    *,
    category: str | None = None,
    model: str | None = None,
    pair: Pair | None = None,
    convention: Convention | None = None,
    average: Average = "micro",
) -> Row:
    """The line of a rate."""
    row = _row(selection, statistic, rate.clustered, value=rate.value, n=rate.n, average=average)
    return replace(
        row,
        category=category,
        model=model,
        pair=pair,
        convention=convention,
        ci95_pooled=rate.ci95_pooled,
        ci95_clustered=rate.ci95_clustered,
        ci95_bootstrap=rate.ci95_bootstrap,
    )


def estimate_row(
    selection: Selection,
    found: TwoWay,
    statistic: str,
    *,
    average: Average,
    model: str | None = None,
    pair: Pair | None = None,
    ci95_pooled: Interval | None = None,
) -> Row:
    """The line of an estimate with its clustered error."""
    estimate = found.estimate
    row = _row(selection, statistic, found, value=estimate.value, n=estimate.n, average=average)
    # An error of 0 says nothing.
    ci95 = estimate.interval(LEVEL) if estimate.standard_error != 0 else UNDEFINED
    return replace(row, model=model, pair=pair, ci95_pooled=ci95_pooled, ci95_clustered=ci95)


def _row(
    selection: Selection, statistic: str, error: TwoWay | None, *, value: float, n: int, average: Average
) -> Row:
    return Row(
        question=selection.question,
        kind=selection.kind,
        raters=selection.raters,
        subset=selection.subset,
        category=None,
        model=None,
        pair=None,
        statistic=statistic,
        convention=None,
        average=average,
        value=value,
        n=n,
        ci95_pooled=None,
        ci95_clustered=None,
        ci95_bootstrap=None,
        standard_error=None if error is None else error.estimate.standard_error,
        num_prompts=None if error is None else error.num_prompts,
        num_raters=None if error is None else error.num_raters,
        few_clusters=None if error is None else error.few_clusters,
    )
