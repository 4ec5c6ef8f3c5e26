"""Tests of preferences and differences: Holm within families that were declared, and those without a chance.

Over all prompts a test has the two-way clustered error. In a category it flips the signs of the prompts' mean
preferences, which is exact with few prompts, and is marked where so few can never be significant; categories
describe, and their tests make up a family of their own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from drawbench_eval.ratings.aggregation.means import OnPar, difference, pairs_of_models
from drawbench_eval.ratings.aggregation.selection import Pair, Raters, Selection
from drawbench_eval.ratings.aggregation.settings import ResultSettings
from drawbench_eval.stats.clustered import Estimate
from drawbench_eval.stats.multiple import can_be_significant, holm_by_family, sign_flip_test
from drawbench_eval.stats.rates import LEVEL, Interval
from drawbench_eval.stats.twoway import two_way_mean

Test = Literal["clustered t", "sign flip", "two one-sided"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """One test of two models. `estimate` is share_a - share_b of choices, or a difference of means.

    For `two one-sided` tests a small p says that the difference is within the `margin`, and `ci` is the
    1 - 2 alpha interval; for the others p is two-sided and `ci` the 95 % interval (None for sign flips).
    `family` is None for exploratory tests; `p_holm` is then NaN. `can_be_significant` is False where the
    smallest p that so few prompts can give is too large after Holm. `clustered_by`: prompts and raters, one
    of them, or judgements where neither is known.
    """

    question: str
    raters: Raters
    category: str | None
    pair: Pair
    test: Test
    clustered_by: str
    estimate: float
    ci: Interval | None
    margin: float | None
    n: int
    num_prompts: int | None
    p_value: float
    family: str | None
    p_holm: float
    smallest_p: float
    can_be_significant: bool
    is_significant: bool


def compare(
    selections: Iterable[Selection], on_par: Sequence[OnPar], settings: ResultSettings
) -> list[Comparison]:
    """All tests of selections that have the same raters, adjusted within their families."""
    tests: list[Comparison] = []
    for selection in selections:
        if "choice" in selection.table:
            tests += _choices(selection, settings)
        else:
            tests += _differences(selection, settings)
        tests += [_on_par(selection, one, settings) for one in on_par if one.question == selection.question]
    return _adjusted(tests, settings.alpha)


def _choices(selection: Selection, settings: ResultSettings) -> list[Comparison]:
    tests: list[Comparison] = []
    for pair, judged in selection.by_pair():
        found = two_way_mean(judged.choices, *judged.labels)
        tests.append(
            _test(
                judged,
                pair,
                settings,
                estimate=found.estimate.value,
                ci=_within(found.estimate, 1.0),
                num_prompts=found.num_prompts if judged.prompts is not None else None,
                p_value=found.estimate.p_value,
            )
        )
        if judged.has_categories and judged.prompts is not None:
            tests += [_in_category(part, pair, category, settings) for category, part in judged.by_category()]
    return tests


def _in_category(part: Selection, pair: Pair, category: str, settings: ResultSettings) -> Comparison:
    means = part.prompt_means(part.choices)["mean"].to_numpy()
    flipped = sign_flip_test(means, seed=settings.seed)
    test = _test(
        part,
        pair,
        settings,
        estimate=float(means.mean()),
        ci=None,
        num_prompts=flipped.num_prompts,
        p_value=flipped.p_value,
    )
    family = None if test.family is None else f"{test.family}, by category"
    return replace(
        test,
        category=category,
        test="sign flip",
        family=family,
        smallest_p=flipped.smallest_p,
        clustered_by="prompts",
    )


def _differences(selection: Selection, settings: ResultSettings) -> list[Comparison]:
    tests = []
    for pair in pairs_of_models(selection):
        found = difference(selection, pair, by_prompt=selection.prompts is not None)
        tests.append(
            _test(
                selection,
                pair,
                settings,
                estimate=found.estimate.value,
                ci=_within(found.estimate, math.inf),
                num_prompts=found.num_prompts if selection.prompts is not None else None,
                p_value=found.estimate.p_value,
                n=found.estimate.n,
            )
        )
    return tests


def _on_par(selection: Selection, one: OnPar, settings: ResultSettings) -> Comparison:
    test = _test(
        selection,
        (one.model, one.reference),
        settings,
        estimate=one.tests.difference,
        ci=one.tests.interval,
        num_prompts=None,
        p_value=one.tests.p_value,
        n=one.n,
    )
    family = None if test.family is None else f"{test.family}, on par"
    return replace(test, test="two one-sided", family=family, margin=one.tests.margin)


def _within(estimate: Estimate, limit: float) -> Interval | None:
    """The interval, cut at what a difference can be; None where an error of 0 or none says nothing."""
    if not estimate.standard_error > 0:
        return None
    low, high = estimate.interval(LEVEL)
    return max(low, -limit), min(high, limit)


def _test(
    selection: Selection,
    pair: Pair,
    settings: ResultSettings,
    *,
    estimate: float,
    ci: Interval | None,
    num_prompts: int | None,
    p_value: float,
    n: int | None = None,
) -> Comparison:
    return Comparison(
        question=selection.question,
        raters=selection.raters,
        category=None,
        pair=pair,
        test="clustered t",
        clustered_by=selection.clustered_by,
        estimate=estimate,
        ci=ci,
        margin=None,
        n=len(selection.table) if n is None else n,
        num_prompts=num_prompts,
        p_value=p_value,
        family=settings.family(selection.question),
        p_holm=math.nan,
        smallest_p=math.nan if math.isnan(p_value) else 0.0,
        can_be_significant=False,
        is_significant=False,
    )


def _adjusted(tests: list[Comparison], alpha: float) -> list[Comparison]:
    declared = [test for test in tests if test.family is not None]
    families = np.array([test.family for test in declared], dtype=str)
    adjusted = holm_by_family(np.array([test.p_value for test in declared], dtype=float), families)
    possible = can_be_significant(
        np.array([test.smallest_p for test in declared], dtype=float), families, alpha=alpha
    )
    found = iter(zip(adjusted, possible, strict=True))
    result = []
    for test in tests:
        if test.family is None:
            possible_here = test.smallest_p <= alpha
            result.append(
                replace(test, can_be_significant=possible_here, is_significant=test.p_value <= alpha)
            )
        else:
            p_holm, is_possible = next(found)
            result.append(
                replace(
                    test,
                    p_holm=float(p_holm),
                    can_be_significant=bool(is_possible),
                    is_significant=bool(p_holm <= alpha),
                )
            )
    return result
