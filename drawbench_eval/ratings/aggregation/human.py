"""A metric against people: how well a run's scores of samples follow the ratings of the same samples.

What was rated is one item: a model's samples of a prompt in pointwise questions, two models' samples of one
in pairwise ones. Its score is the mean over the samples that raters saw, by their ids; where the ratings name
none, over all samples of the prompt that have one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from drawbench_eval.ratings.aggregation.selection import Codes, Raters, Selection
from drawbench_eval.ratings.schema import SAMPLES_SEPARATOR, is_known
from drawbench_eval.stats.clustered import Array, clustered_mean, share_interval
from drawbench_eval.stats.correlation import Association, correlate

Scope = Literal["all samples", "within prompts", "preferences"]


@dataclass(frozen=True, kw_only=True)
class ScoredRun:
    """A finished run: `scores` with sample_id, prompt_id and a column a score, and whether more is better."""

    scores: pd.DataFrame
    higher_is_better: Mapping[str, bool]


@dataclass(frozen=True, kw_only=True)
class MetricAgainstHuman:
    """Correlation of one score with one question, with intervals that resample prompts.

    `scope`: over all samples; among models within prompts; or of preferences, where the difference of two
    models' scores meets that of their shares (a - b) and `accuracy` is how often both have one sign.
    `model` is None for all models. `num_unscored` items have no score and are left out.
    """

    question: str
    raters: Raters
    metric: str
    scope: Scope
    model: str | None
    kendall: Association
    spearman: Association | None
    accuracy: Association
    num_items: int
    num_prompts: int
    num_unscored: int


def shared_metrics(runs: Mapping[str, ScoredRun]) -> list[str]:
    """The scores that all runs have, by name."""
    return sorted(set.intersection(*(set(run.higher_is_better) for run in runs.values())))


def rated_in_runs(selection: Selection, runs: Mapping[str, ScoredRun]) -> Selection:
    """The judgements that are only about models with runs (by the ratings' names).

    Raises ValueError, in words for a reader, where prompts are not known or there is no such judgement.
    """
    if not is_known(selection.table, "prompt_id"):
        raise ValueError("some rows have no prompt_id")
    sides = ("model_a", "model_b") if "choice" in selection.table else ("model",)
    rated = np.logical_and.reduce([selection.table[side].isin(list(runs)) for side in sides])
    if not rated.any():
        raise ValueError(f"none of its ratings is only about models with runs ({', '.join(runs)})")
    return replace(selection, table=selection.table[rated])


def against_human(
    judged: Selection, runs: Mapping[str, ScoredRun], metric: str, *, seed: int
) -> list[MetricAgainstHuman]:
    """One score that all of `runs` have, against the ratings of a question (`rated_in_runs`).

    Raises ValueError, in words for a reader, where no rated sample has a score.
    """
    is_pairwise = "choice" in judged.table
    items = _pair_items(judged, runs, metric) if is_pairwise else _items(judged, runs, metric)
    scored = items.dropna(subset="score")
    if scored.empty:
        raise ValueError(f"none of its samples has a score of {metric} in the runs")
    num_unscored = len(items) - len(scored)
    return [
        _against(judged, part, metric, scope, model, num_unscored=num_unscored, seed=seed)
        for scope, model, part in _scopes(scored, is_pairwise=is_pairwise)
    ]


def _scopes(items: pd.DataFrame, *, is_pairwise: bool) -> Iterator[tuple[Scope, str | None, pd.DataFrame]]:
    if is_pairwise:
        yield "preferences", None, items
        return
    yield "all samples", None, items
    if items["model"].nunique() > 1:
        yield "within prompts", None, items
        for model, part in items.groupby("model", sort=True):
            yield "all samples", str(model), part


def _against(
    selection: Selection,
    items: pd.DataFrame,
    metric: str,
    scope: Scope,
    model: str | None,
    *,
    num_unscored: int,
    seed: int,
) -> MetricAgainstHuman:
    score, human = items["score"].to_numpy(dtype=float), items["human"].to_numpy(dtype=float)
    prompts = pd.factorize(items["prompt_id"], sort=True)[0]
    if scope == "preferences":
        found = correlate(*_both_ways_round(score, human, prompts), seed=seed)
        share = clustered_mean((np.sign(score) == np.sign(human)).astype(float), prompts)
        accuracy = Association(value=share.value, ci95=share_interval(share))
    else:
        found = correlate(score, human, prompts, seed=seed, within_prompts=scope == "within prompts")
        accuracy = found.accuracy
    return MetricAgainstHuman(
        question=selection.question,
        raters=selection.raters,
        metric=metric,
        scope=scope,
        model=model,
        kendall=found.kendall,
        spearman=found.spearman,
        accuracy=accuracy,
        num_items=len(items),
        num_prompts=found.num_prompts,
        num_unscored=num_unscored,
    )


def _both_ways_round(score: Array, human: Array, prompts: Codes) -> tuple[Array, Array, Codes]:
    """Each preference as a - b and as b - a: which model comes first is by name, and means nothing."""
    return np.concatenate([score, -score]), np.concatenate([human, -human]), np.tile(prompts, 2)


def _items(judged: Selection, runs: Mapping[str, ScoredRun], metric: str) -> pd.DataFrame:
    keys = ["model", "prompt_id", "sample_ids"]
    table = judged.table.assign(human=judged.values, sample_ids=_samples(judged.table, "sample_ids"))
    items = table.groupby(keys, sort=True)["human"].mean().reset_index()
    return items.assign(score=_scores(items, runs, metric, "model", "sample_ids"))


def _pair_items(judged: Selection, runs: Mapping[str, ScoredRun], metric: str) -> pd.DataFrame:
    samples = {side: _samples(judged.table, side) for side in ("sample_ids_a", "sample_ids_b")}
    table = judged.table.assign(human=judged.choices, **samples)
    keys = ["model_a", "model_b", "prompt_id", *samples]
    items = table.groupby(keys, sort=True)["human"].mean().reset_index()
    a = _scores(items, runs, metric, "model_a", "sample_ids_a")
    return items.assign(score=a - _scores(items, runs, metric, "model_b", "sample_ids_b"))


def _samples(table: pd.DataFrame, column: str) -> pd.Series:
    return table[column].fillna("") if column in table else pd.Series("", index=table.index, dtype=object)


def _scores(
    items: pd.DataFrame, runs: Mapping[str, ScoredRun], metric: str, model: str, samples: str
) -> pd.Series:
    """The mean score of each item, NaN where any of its samples has none; the higher the better."""
    by_sample, by_prompt = {}, {}
    for name, run in runs.items():
        sign = 1.0 if run.higher_is_better[metric] else -1.0
        values = sign * run.scores[metric].astype(float)
        by_sample[name] = dict(zip(run.scores["sample_id"], values, strict=True))
        by_prompt[name] = values.groupby(run.scores["prompt_id"]).mean().to_dict()

    def score(name: str, prompt_id: str, sample_ids: str) -> float:
        if not sample_ids:
            return float(by_prompt[name].get(prompt_id, math.nan))
        ids = sample_ids.split(SAMPLES_SEPARATOR)
        return float(np.mean([by_sample[name].get(one, math.nan) for one in ids]))

    columns = items[[model, "prompt_id", samples]].itertuples(index=False, name=None)
    return pd.Series([score(*item) for item in columns], index=items.index, dtype=float)
