"""A run's scores against ratings of its samples."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.stats import kendalltau, spearmanr
from simulated_ratings import pairwise_ratings, pointwise_ratings

from drawbench_eval.ratings.aggregation import ScoredRun

SHARES = {"m": (0.6, 0.2, 0.2), "k": (0.3, 0.3, 0.4)}


def scored(prompts, *, seed: int, higher: bool = True, samples: int = 2) -> ScoredRun:
    rng = np.random.default_rng(seed)
    rows = [
        (f"{prompt}-{index}", prompt, float(rng.normal()), float(rng.normal()))
        for prompt in prompts
        for index in range(samples)
    ]
    frame = pd.DataFrame(rows, columns=["sample_id", "prompt_id", "score", "other"])
    return ScoredRun(scores=frame, higher_is_better={"score": higher, "other": True})


def test_scores_of_prompts_against_mean_ratings(results_of) -> None:
    table = pointwise_ratings(SHARES)
    prompts = sorted(table["prompt_id"].unique())
    runs = {"m": scored(prompts, seed=1), "k": scored(prompts, seed=2)}
    results = results_of(table, "alignment", runs=runs)
    assert {(one.metric, one.scope, one.model) for one in results.metrics} == {
        (metric, *rest)
        for metric in ("score", "other")
        for rest in (
            ("all samples", None), ("within prompts", None), ("all samples", "m"), ("all samples", "k"),
        )
    }  # fmt: skip
    x, y = [], []
    for model, run in runs.items():
        for prompt in prompts:
            x.append(run.scores.loc[run.scores["prompt_id"] == prompt, "score"].mean())
            rated = (table["prompt_id"] == prompt) & (table["model"] == model)
            y.append(table.loc[rated, "value"].mean())
    (all_of_it,) = [
        one for one in results.metrics if (one.metric, one.scope, one.model) == ("score", "all samples", None)
    ]
    assert all_of_it.kendall.value == pytest.approx(kendalltau(x, y).statistic)
    assert all_of_it.spearman is not None
    assert all_of_it.spearman.value == pytest.approx(spearmanr(x, y).statistic)
    assert (all_of_it.num_items, all_of_it.num_prompts, all_of_it.num_unscored) == (120, 60, 0)
    low, high = all_of_it.kendall.ci95
    assert low < all_of_it.kendall.value < high
    # A distance's sign is turned: less is better.
    turned = {"m": scored(prompts, seed=1, higher=False), "k": scored(prompts, seed=2, higher=False)}
    for one in results_of(table, "alignment", runs=turned).metrics:
        if (one.metric, one.scope, one.model) == ("score", "all samples", None):
            assert one.kendall.value == pytest.approx(-all_of_it.kendall.value)


def test_samples_are_joined_by_their_ids_and_missing_ones_counted(results_of) -> None:
    table = pointwise_ratings({"m": SHARES["m"]}, num_prompts=10)
    table["sample_ids"] = [f"{prompt}-1" for prompt in table["prompt_id"]]
    table.loc[table["prompt_id"] == "p003", "sample_ids"] = "p003-1|p003-9"
    prompts = sorted(table["prompt_id"].unique())
    run = scored(prompts, seed=3)
    found = next(
        one for one in results_of(table, "alignment", runs={"m": run}).metrics if one.metric == "score"
    )
    scores = run.scores.set_index("sample_id")["score"]
    kept = [prompt for prompt in prompts if prompt != "p003"]
    x = [scores[f"{prompt}-1"] for prompt in kept]
    y = [table.loc[table["prompt_id"] == prompt, "value"].mean() for prompt in kept]
    assert found.kendall.value == pytest.approx(kendalltau(x, y).statistic)
    assert (found.num_items, found.num_unscored) == (9, 1)


def test_preferences_against_differences_of_scores(results_of) -> None:
    table = pairwise_ratings(
        sizes={"x": 12}, strengths={"m": 0.5, "k": 0.0}, questions=("alignment",), num_controls=0
    )
    prompts = sorted(table["prompt_id"].unique())
    runs = {"m": scored(prompts, seed=1), "k": scored(prompts, seed=2)}
    found = next(one for one in results_of(table, runs=runs).metrics if one.metric == "score")
    means = {name: run.scores.groupby("prompt_id")["score"].mean() for name, run in runs.items()}
    agreeing = []
    for prompt in prompts:
        rows = table[table["prompt_id"] == prompt]
        won = sum({"a": 1, "b": -1}.get(choice, 0) for choice in rows["choice"])
        agreeing.append(np.sign(won) == np.sign(means["m"][prompt] - means["k"][prompt]))
    assert found.scope == "preferences"
    assert found.accuracy.value == pytest.approx(np.mean(agreeing))
    assert found.num_items == 12


def test_preferences_do_not_turn_on_the_models_names(results_of) -> None:
    """Which model stands first follows from the names: each pair is taken both ways round."""

    def found(names: dict[str, str]):
        table = pairwise_ratings(
            sizes={"x": 12}, strengths={"m": 0.5, "k": 0.0, "s": 1.0}, questions=("alignment",),
            num_controls=0,
        )  # fmt: skip
        table[["model_a", "model_b"]] = table[["model_a", "model_b"]].replace(names)
        prompts = sorted(table["prompt_id"].unique())
        runs = {names[model]: scored(prompts, seed=seed) for seed, model in enumerate("mks")}
        (one,) = [one for one in results_of(table, runs=runs).metrics if one.metric == "score"]
        return table, runs, one

    table, runs, one = found({"m": "m", "k": "k", "s": "s"})
    means = {name: run.scores.groupby("prompt_id")["score"].mean() for name, run in runs.items()}
    x, y = [], []
    for (a, b, prompt), rows in table.groupby(["model_a", "model_b", "prompt_id"]):
        share = rows["choice"].map({"a": 1, "b": -1, "indifferent": 0}).mean()
        gap = means[a][prompt] - means[b][prompt]
        x += [gap, -gap]
        y += [share, -share]
    assert one.kendall.value == pytest.approx(kendalltau(x, y).statistic)
    assert one.spearman.value == pytest.approx(spearmanr(x, y).statistic)
    assert (one.num_items, one.num_prompts) == (36, 12)
    for names in ({"m": "s", "k": "m", "s": "k"}, {"m": "m", "k": "s", "s": "k"}):
        other = found(names)[2]
        for measure in ("kendall", "spearman", "accuracy"):
            assert getattr(other, measure).value == pytest.approx(getattr(one, measure).value)
            assert getattr(other, measure).ci95 == pytest.approx(getattr(one, measure).ci95)


def test_what_has_no_run_or_no_score_is_said(results_of) -> None:
    table = pointwise_ratings(SHARES, num_prompts=5)
    prompts = sorted(table["prompt_id"].unique())
    other = results_of(table, "alignment", runs={"x": scored(prompts, seed=1)})
    assert [one.reason for one in other.not_offered] == [
        "none of its ratings is only about models with runs (x)"
    ]
    empty = results_of(table, "alignment", runs={"m": scored(["q"], seed=1)})
    assert [(one.what, one.reason) for one in empty.not_offered] == [
        (f"{name} against human", f"none of its samples has a score of {name} in the runs")
        for name in ("other", "score")
    ]
    # A score that nobody has costs no other one.
    run = scored(prompts, seed=1)
    partly = replace(run, scores=run.scores.assign(other=math.nan))
    found = results_of(table, "alignment", runs={"m": partly})
    assert {one.metric for one in found.metrics} == {"score"}
    assert [one.what for one in found.not_offered] == ["other against human"]
    assert not math.isnan(results_of(table, "alignment").rows[0].value)
