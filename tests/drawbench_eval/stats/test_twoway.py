"""The two-way variance against statsmodels and a double loop; macro averages and differences by hand."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from drawbench_eval.stats.clustered import clustered_mean
from drawbench_eval.stats.twoway import (
    equal_weights,
    two_way,
    two_way_covariance,
    two_way_difference,
    two_way_macro,
    two_way_mean,
)

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


def crossed(prompts: int, raters: int, seed: int = 0) -> tuple[Array, Labels, Labels]:
    """Judgements of every prompt by every rater, a fifth of them missing, alike by prompt and by rater."""
    rng = np.random.default_rng(seed)
    kept = rng.random(prompts * raters) < 0.8
    prompt, rater = np.repeat(np.arange(prompts), raters)[kept], np.tile(np.arange(raters), prompts)[kept]
    values = rng.normal(size=prompts)[prompt] + rng.normal(size=raters)[rater] + rng.normal(size=kept.sum())
    return values, prompt, rater


@pytest.mark.parametrize(("prompts", "raters"), [(30, 12), (6, 40)])
def test_error_of_a_mean_is_that_of_statsmodels(prompts: int, raters: int) -> None:
    values, prompt, rater = crossed(prompts, raters)
    fit = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": np.column_stack([prompt, rater])}
    )
    mean = two_way_mean(values, [f"p{p}" for p in prompt], [f"r{r}" for r in rater])
    assert mean.estimate.value == pytest.approx(values.mean(), rel=1e-12)
    assert mean.estimate.standard_error == pytest.approx(fit.bse[0], rel=1e-10)
    assert (mean.num_prompts, mean.num_raters) == (prompts, raters)
    assert (mean.estimate.n, mean.estimate.num_clusters) == (len(values), min(prompts, raters))
    assert mean.few_clusters is (min(prompts, raters) < 10)


rows = st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 4), st.integers(0, 3)), min_size=1, max_size=25)


@settings(max_examples=100, deadline=None)
@given(rows)
def test_variance_is_that_of_the_double_loop(rows: list[tuple[float, int, int]]) -> None:
    psi, prompt, rater = (np.array(column) for column in zip(*rows, strict=True))

    def loop(same: Callable[[int, int], bool], clusters: int) -> float:
        if clusters < 2:
            return math.nan
        pairs = ((i, j) for i in range(len(psi)) for j in range(len(psi)))
        return clusters / (clusters - 1) * sum(float(psi[i] * psi[j]) for i, j in pairs if same(i, j))

    by_prompt = loop(lambda i, j: prompt[i] == prompt[j], len(set(prompt)))
    by_rater = loop(lambda i, j: rater[i] == rater[j], len(set(rater)))
    cells = set(zip(prompt, rater, strict=True))
    by_cell = loop(lambda i, j: prompt[i] == prompt[j] and rater[i] == rater[j], len(cells))
    parts = two_way_covariance(psi[:, None], prompt, rater)
    expected = np.maximum(by_prompt + by_rater - by_cell, by_cell)
    assert parts.variance([[1.0]]) == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)


def test_contrasts_of_several_estimates() -> None:
    values, prompt, rater = crossed(20, 15)
    influence = np.column_stack([values, values**2, np.sin(values)])
    covariance = two_way_covariance(influence, prompt, rater)
    contrasts = np.array([[1.0, -1.0, 0.0], [0.5, 0.0, 2.0]])
    single = [two_way(0.0, influence @ c, prompt, rater).estimate.standard_error ** 2 for c in contrasts]
    assert covariance.variance(contrasts) == pytest.approx(single, rel=1e-10)


def test_one_kind_of_cluster() -> None:
    values, prompt, rater = crossed(20, 15)
    by_prompt = two_way_mean(values, prompt, None)
    one_way = clustered_mean(values, prompt)
    assert by_prompt.estimate.interval() == pytest.approx(one_way.interval(), rel=1e-10)
    assert (by_prompt.estimate.n, by_prompt.estimate.num_clusters) == (one_way.n, one_way.num_clusters)
    assert (by_prompt.num_prompts, by_prompt.num_raters) == (20, None)
    by_rater = two_way_mean(values, None, rater)
    assert by_rater.estimate.interval() == pytest.approx(clustered_mean(values, rater).interval(), rel=1e-10)
    with pytest.raises(ValueError, match="both are absent"):
        two_way_mean(values, None, None)


def test_one_prompt_or_one_rater_leaves_the_error_undefined() -> None:
    for prompt, rater in (([0, 0, 0], [0, 1, 2]), ([0, 1, 2], [0, 0, 0])):
        mean = two_way_mean([1.0, 2.0, 4.0], prompt, rater)
        assert mean.estimate.value == pytest.approx(7 / 3)
        assert math.isnan(mean.estimate.standard_error)
        assert all(map(math.isnan, mean.estimate.interval()))
    assert math.isnan(two_way_mean([], [], []).estimate.value)


def test_chance_never_makes_the_error_smaller_than_that_of_independent_judgements() -> None:
    # Every prompt and every rater averages to the mean: both one-way variances are 0.
    prompt, rater = np.repeat(np.arange(4), 4), np.tile(np.arange(4), 4)
    values = np.where((prompt + rater) % 2 == 0, 1.0, -1.0)
    error = two_way_mean(values, prompt, rater).estimate.standard_error
    assert error == pytest.approx(values.std(ddof=1) / 4, rel=1e-12)


def test_equal_weights_give_the_mean_of_the_prompts_means() -> None:
    values, prompt, _ = crossed(25, 10)
    means = np.array([values[prompt == p].mean() for p in range(25)])
    weighted = two_way_mean(values, prompt, None, weights=equal_weights(prompt)).estimate
    assert weighted.value == pytest.approx(means.mean(), rel=1e-12)
    assert weighted.standard_error == pytest.approx(means.std(ddof=1) / 5, rel=1e-12)


def test_macro_average_is_the_stratified_mean() -> None:
    values, prompt, rater = crossed(24, 10)
    category = np.where(prompt < 4, "rare", np.where(prompt < 10, "few", "many"))
    one_each = np.array([values[prompt == p].mean() for p in range(24)])
    of_prompt = np.array(["rare"] * 4 + ["few"] * 6 + ["many"] * 14)
    macro = two_way_macro(one_each, of_prompt, np.arange(24), None)
    strata = [one_each[of_prompt == name] for name in ("rare", "few", "many")]
    assert macro.estimate.value == pytest.approx(np.mean([s.mean() for s in strata]), rel=1e-12)
    error = math.sqrt(sum(s.var(ddof=1) / len(s) for s in strata)) / 3
    assert macro.estimate.standard_error == pytest.approx(error, rel=1e-12)
    assert (macro.num_prompts, macro.estimate.num_clusters) == (24, 22)
    both = two_way_macro(values, category, prompt, rater)
    assert both.estimate.num_clusters == 10
    assert both.estimate.value == pytest.approx(
        np.mean([values[category == name].mean() for name in ("rare", "few", "many")]), rel=1e-12
    )
    assert (
        both.estimate.standard_error > two_way_macro(values, category, prompt, None).estimate.standard_error
    )


def test_macro_average_with_a_lone_prompt_or_without_prompts() -> None:
    lone = two_way_macro([1.0, 2.0, 4.0], ["x", "x", "y"], ["p", "q", "s"], None)
    assert lone.estimate.value == 2.75
    assert math.isnan(lone.estimate.standard_error)
    raters = two_way_macro([1.0, 2.0, 4.0, 8.0], ["x", "x", "y", "y"], None, ["r", "s", "r", "s"])
    assert raters.estimate.standard_error == pytest.approx(np.std([-1.25, 1.25], ddof=1) / math.sqrt(2))
    with pytest.raises(ValueError, match="prompt 'p': is in more than one category"):
        two_way_macro([1.0, 2.0], ["x", "y"], ["p", "p"], None)


def test_difference_pairs_by_prompt_and_by_rater() -> None:
    values, prompt, rater = crossed(30, 12)
    other = values - 0.25
    same = two_way_difference(values, other, (prompt, prompt), (rater, rater)).estimate
    assert same.value == pytest.approx(0.25, rel=1e-9)
    assert same.standard_error == pytest.approx(0.0, abs=1e-9)
    shuffled = np.random.default_rng(1).permutation(len(other))
    moved = (prompt, prompt[shuffled]), (rater, rater[shuffled])
    assert two_way_difference(values, other[shuffled], *moved).estimate.standard_error < 1e-9
    strangers = two_way_difference(values, other, (prompt, prompt + 30), (rater, rater + 12)).estimate
    one = two_way_mean(values, prompt, rater).estimate.standard_error
    assert strangers.standard_error == pytest.approx(one * math.sqrt(2), rel=0.03)


def test_difference_of_the_prompts_means_is_the_paired_test() -> None:
    a, prompt_a, _ = crossed(30, 12, seed=1)
    b, prompt_b, _ = crossed(30, 12, seed=2)
    gap = np.array([a[prompt_a == p].mean() - b[prompt_b == p].mean() for p in range(30)])
    found = two_way_difference(a, b, (prompt_a, prompt_b), None, by_prompt=True).estimate
    assert found.value == pytest.approx(gap.mean(), rel=1e-12)
    assert found.standard_error == pytest.approx(gap.std(ddof=1) / math.sqrt(30), rel=1e-12)
    pooled = two_way_difference(a, b, (prompt_a, prompt_b), None).estimate
    assert pooled.value == pytest.approx(a.mean() - b.mean(), rel=1e-12)


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match=r"prompts: shape \(1,\) for 2 judgements"):
        two_way_mean([1.0, 2.0], ["p"], None)
    with pytest.raises(ValueError, match="values: some are not finite"):
        two_way_mean([1.0, math.nan], ["p", "q"], None)
    with pytest.raises(ValueError, match="values and weights"):
        two_way_mean([1.0, 2.0], ["p", "q"], None, weights=[1.0])
    with pytest.raises(ValueError, match="judgements: 1 and 0"):
        two_way_difference([1.0], [], (["p"], []), None)
    with pytest.raises(ValueError, match="prompts: absent"):
        two_way_difference([1.0], [1.0], None, (["r"], ["r"]), by_prompt=True)


@pytest.mark.parametrize("n", [3, 7, 90, 1110])
@pytest.mark.parametrize("value", [1.0, 0.1, 1e6])
def test_equal_judgements_have_an_error_of_0_and_not_of_rounding(n: int, value: float) -> None:
    values, labels = np.full(n, value), np.arange(n)
    same = two_way_mean(values, labels, labels % 3).estimate
    weighted = two_way_mean(values, labels, None, weights=np.linspace(0.1, 1, n)).estimate
    between = two_way_difference(values, values, (labels, labels), None).estimate
    for estimate in (same, weighted, between):
        assert estimate.standard_error == 0
        assert math.isnan(estimate.p_value)


def test_clusters_of_equal_means_have_an_error_of_0_and_not_of_rounding() -> None:
    prompts = np.repeat(np.arange(50), 3)
    estimate = two_way_mean(np.tile([1.0, 0.0, 0.0], 50), prompts, None).estimate
    assert estimate.standard_error == 0
