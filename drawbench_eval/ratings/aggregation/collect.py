"""All results of a set of ratings: with every rater and with those that the rules keep."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeVar

import pandas as pd

from drawbench_eval.ratings.aggregation.agreeing import QuestionAgreement, rater_agreement
from drawbench_eval.ratings.aggregation.categories import Categories, describe_categories
from drawbench_eval.ratings.aggregation.comparisons import Comparison, compare
from drawbench_eval.ratings.aggregation.human import (
    MetricAgainstHuman,
    ScoredRun,
    against_human,
    rated_in_runs,
    shared_metrics,
)
from drawbench_eval.ratings.aggregation.means import OnPar, difference_rows, mean_rows, on_par_tests
from drawbench_eval.ratings.aggregation.preferences import preference_rows, realism_rows
from drawbench_eval.ratings.aggregation.ranking import QuestionRanking, rank
from drawbench_eval.ratings.aggregation.row import Row
from drawbench_eval.ratings.aggregation.selection import Raters, Selection, Subset, select
from drawbench_eval.ratings.aggregation.settings import ResultSettings
from drawbench_eval.ratings.quality import FilteredRatings
from drawbench_eval.ratings.questions import Question
from drawbench_eval.ratings.schema import is_known

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class NotOffered:
    """What could not be had of a question's ratings, and why."""

    what: str
    question: str
    raters: Raters
    reason: str


@dataclass(frozen=True, kw_only=True)
class Results:
    """Everything that ratings say, in lists whose entries name question and raters."""

    rows: list[Row] = field(default_factory=list)
    on_par: list[OnPar] = field(default_factory=list)
    comparisons: list[Comparison] = field(default_factory=list)
    categories: list[Categories] = field(default_factory=list)
    agreement: list[QuestionAgreement] = field(default_factory=list)
    rankings: list[QuestionRanking] = field(default_factory=list)
    metrics: list[MetricAgainstHuman] = field(default_factory=list)
    not_offered: list[NotOffered] = field(default_factory=list)


def rating_results(
    ratings: FilteredRatings,
    questions: Mapping[str, Question],
    settings: ResultSettings,
    *,
    without_people: Collection[str] | None = None,
    runs: Mapping[str, ScoredRun] | None = None,
) -> Results:
    """The results of canonical ratings. Entries of raters `kept` are there where somebody was left out.

    `without_people` are the ids of the prompts without people, whose results stand beside the others;
    `runs` are finished runs by the names that their models have in the ratings.
    Raises ValueError for settings that name unknown questions or models, for a prompt in two categories, and
    where the rules keep nobody's ratings.
    """
    settings.check_questions(list(questions))
    check_categories(ratings.everybody)
    check_first(ratings.everybody, settings.first)
    results = Results()
    for raters, table in _groups(ratings):
        selections = []
        for name, question in questions.items():
            selection = select(
                table, name, question.kind, settings, raters=raters, reference=question.reference
            )
            if selection.table.empty:
                results.not_offered.append(
                    NotOffered(what="results", question=name, raters=raters, reason="no judgement is left")
                )
                continue
            selections.append(selection)
            _add_rates(results, selection, settings, without_people)
            _add_others(results, selection, settings, runs)
        on_par = [one for one in results.on_par if one.raters == raters]
        results.comparisons.extend(compare(selections, on_par, settings))
    return results


def check_categories(table: pd.DataFrame) -> None:
    """Raises ValueError for the first prompt that stands in two categories."""
    if not is_known(table, "prompt_id"):
        return
    counts = table.groupby("prompt_id", sort=False)["category"].nunique()
    for prompt in counts.index[counts > 1]:
        named = table.loc[table["prompt_id"] == prompt, "category"].dropna().unique()
        raise ValueError(
            f"prompt {prompt!r}: its category is {named[0]!r} in one row and {named[1]!r} in another; "
            "a prompt is in one category"
        )


def check_first(table: pd.DataFrame, first: str | None) -> None:
    """Raises ValueError where `first` is none of the compared models."""
    if first is None:
        return
    names = ("model_a", "model_b") if "choice" in table else ("model",)
    models = sorted({model for name in names for model in table[name]})
    if first not in models:
        raise ValueError(f"first: {first} is none of the models {', '.join(models)}")


def _groups(ratings: FilteredRatings) -> Iterator[tuple[Raters, pd.DataFrame]]:
    yield "all", ratings.everybody
    if len(ratings.dropped):
        if ratings.kept.empty:
            raise ValueError(
                f"quality: the rules leave out all {ratings.dropped['rater_id'].nunique()} raters; "
                "loosen them"
            )
        yield "kept", ratings.kept


def _add_rates(
    results: Results, selection: Selection, settings: ResultSettings, without_people: Collection[str] | None
) -> None:
    subsets: list[tuple[Subset, Selection]] = [("all", selection)]
    if without_people is not None:
        chosen = selection.table["prompt_id"].isin(list(without_people))
        if chosen.any():
            subsets.append(("no people", selection.where(chosen)))
        else:
            _refuse(results, selection, "no people", "none of its prompts is known and without people")
    for subset, part in subsets:
        results.rows.extend(_rows(part.of(subset), settings))
    if "choice" not in selection.table and selection.kind != "proportion":
        results.on_par.extend(on_par_tests(selection, settings))
    results.categories.extend(describe_categories(selection))


def _rows(part: Selection, settings: ResultSettings) -> list[Row]:
    how = {"seed": settings.seed, "num_draws": settings.num_draws}
    if part.kind == "pairwise":
        return preference_rows(part, **how)
    if part.kind == "realism":
        return realism_rows(part, **how)
    return [*mean_rows(part, **how), *difference_rows(part)]


def _add_others(
    results: Results, selection: Selection, settings: ResultSettings, runs: Mapping[str, ScoredRun] | None
) -> None:
    _offer(
        results,
        selection,
        "agreement",
        results.agreement,
        lambda: rater_agreement(selection, seed=settings.seed, num_draws=settings.num_draws),
    )
    if "choice" in selection.table:
        _offer(results, selection, "ranking", results.rankings, lambda: [rank(selection)])
    if runs is not None:
        judged: list[Selection] = []
        _offer(results, selection, "metric against human", judged, lambda: [rated_in_runs(selection, runs)])
        for part in judged:
            for metric in shared_metrics(runs):
                against = partial(against_human, part, runs, metric, seed=settings.seed)
                _offer(results, selection, f"{metric} against human", results.metrics, against)


def _offer(
    results: Results, selection: Selection, what: str, found: list[T], make: Callable[[], list[T]]
) -> None:
    try:
        found.extend(make())
    except ValueError as error:
        _refuse(results, selection, what, str(error))


def _refuse(results: Results, selection: Selection, what: str, reason: str) -> None:
    results.not_offered.append(
        NotOffered(what=what, question=selection.question, raters=selection.raters, reason=reason)
    )
