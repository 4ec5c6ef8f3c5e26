"""Correlations against scipy and a loop over pairs; intervals against copies of whole prompts."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from drawbench_eval.stats import correlation as module
from drawbench_eval.stats.bootstrap import cluster_draws
from drawbench_eval.stats.correlation import correlate

samples = st.lists(
    st.tuples(st.integers(0, 4), st.sampled_from([0, 50, 100]), st.sampled_from("pqs")),
    min_size=2,
    max_size=15,
)


def loop(
    x: np.ndarray, y: np.ndarray, weight: np.ndarray, kept: np.ndarray, threshold: float
) -> tuple[float, float]:
    """tau_b and accuracy from pairs that count their weights' product; `kept` [n, n] says which pairs."""
    agree = untied_x = untied_y = equal = total = 0.0
    for i in range(len(x)):
        for j in range(i):
            if kept[i, j]:
                w = weight[i] * weight[j]
                dx, dy = np.sign(x[i] - x[j]), np.sign(y[i] - y[j])
                agree += w * dx * dy
                untied_x += w * dx**2
                untied_y += w * dy**2
                equal += w * ((dx if abs(x[i] - x[j]) > threshold else 0) == dy)
                total += w
    untied = math.sqrt(untied_x * untied_y)
    return (agree / untied if untied else math.nan), (equal / total if total else math.nan)


@settings(max_examples=60, deadline=None)
@given(samples, st.booleans(), st.sampled_from([0.0, 1.0]))
def test_values_and_draws_are_those_of_the_loop_over_pairs(
    rows: list[tuple[int, int, str]], within: bool, threshold: float
) -> None:
    x, y = (np.array([row[column] for row in rows], dtype=float) for column in (0, 1))
    names, prompt = np.unique([row[2] for row in rows], return_inverse=True)
    kept = prompt[:, None] == prompt if within else np.ones((len(x), len(x)), dtype=bool)
    options = {"within_prompts": within, "tie_threshold": threshold}
    found = correlate(x, y, names[prompt], seed=1, num_draws=3, **options)  # type: ignore[arg-type]
    tau, accuracy = loop(x, y, np.ones(len(x)), kept, threshold)
    assert found.kendall.value == pytest.approx(tau, nan_ok=True)
    assert found.accuracy.value == pytest.approx(accuracy, nan_ok=True)
    assert found.num_pairs == np.tril(kept, -1).sum()
    if len(names) > 1:
        (weights,) = cluster_draws(len(names), 3, seed=1)
        # Within prompts a prompt that came twice brings its pairs twice, not four times.
        of_samples = np.sqrt(weights[:, prompt]) if within else weights[:, prompt]
        draws = np.array([loop(x, y, w, kept, threshold) for w in of_samples])
        for one, drawn in zip((found.kendall, found.accuracy), draws.T, strict=True):
            expected = (math.nan, math.nan) if np.isnan(drawn).any() else np.quantile(drawn, (0.025, 0.975))
            assert one.ci95 == pytest.approx(expected, nan_ok=True)


def related(prompts: int, each: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    prompt = np.repeat(np.arange(prompts), each)
    quality = rng.normal(size=prompts)[prompt] + rng.normal(size=len(prompt))
    score = np.round(quality + rng.normal(size=len(prompt)), 1)
    return score, np.clip(np.round(quality + 3), 1, 5), prompt


def test_values_are_those_of_scipy() -> None:
    score, rating, prompt = related(50, 6)
    found = correlate(score, rating, prompt, seed=0, num_draws=200)
    assert found.kendall.value == pytest.approx(scipy.stats.kendalltau(score, rating).statistic, rel=1e-12)
    assert found.spearman is not None
    assert found.spearman.value == pytest.approx(scipy.stats.spearmanr(score, rating).statistic, rel=1e-12)
    assert (found.num_samples, found.num_prompts, found.num_pairs) == (300, 50, 300 * 299 // 2)
    for one in (found.kendall, found.accuracy, found.spearman):
        assert one.ci95[0] < one.value < one.ci95[1]
    opposite = correlate(-score, rating, prompt, seed=0, num_draws=200)
    assert opposite.kendall.value == pytest.approx(-found.kendall.value)


def test_spearmans_draws_are_those_of_copied_prompts() -> None:
    score, rating, prompt = related(12, 4)
    found = correlate(score, rating, prompt, seed=5, num_draws=40).spearman
    (weights,) = cluster_draws(12, 40, seed=5)
    draws = []
    for counts in weights.astype(int):
        rows = np.repeat(np.arange(48), counts[prompt])
        draws.append(scipy.stats.spearmanr(score[rows], rating[rows]).statistic)
    assert found is not None
    assert found.ci95 == pytest.approx(np.quantile(draws, (0.025, 0.975)), rel=1e-9)


def test_neither_order_nor_blocks_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    score, rating, prompt = related(20, 5)
    one = correlate(score, rating, prompt, seed=0, num_draws=50)
    order = np.random.default_rng(0).permutation(100)
    other = correlate(score[order], rating[order], prompt[order], seed=0, num_draws=50)
    assert other.kendall.ci95 == pytest.approx(one.kendall.ci95, rel=1e-12)
    monkeypatch.setattr(module, "BLOCK", 130)
    assert correlate(score, rating, prompt, seed=0, num_draws=50) == one


def test_prompts_that_differ_widen_the_interval() -> None:
    score, rating, prompt = related(40, 10)
    clustered = correlate(score, rating, prompt, seed=0, num_draws=500).kendall.ci95
    naive = correlate(score, rating, np.arange(400), seed=0, num_draws=500).kendall.ci95
    assert np.ptp(clustered) > 1.1 * np.ptp(naive)


def test_within_prompts_a_prompts_own_level_does_not_count() -> None:
    score, rating, prompt = related(40, 6)
    level = 100 * np.random.default_rng(1).normal(size=40)[prompt]
    plain = correlate(score, rating, prompt, seed=0, within_prompts=True, num_draws=50)
    moved = correlate(score + np.round(level), rating, prompt, seed=0, within_prompts=True, num_draws=50)
    assert plain == moved
    assert plain.spearman is None
    assert plain.num_pairs == 40 * 15


def test_what_is_undefined() -> None:
    flat = correlate([1.0, 1.0, 1.0], [1.0, 2.0, 3.0], ["p", "q", "s"], seed=0)
    assert math.isnan(flat.kendall.value)
    assert flat.spearman is not None
    assert math.isnan(flat.spearman.value)
    assert flat.accuracy.value == 0.0
    one = correlate([1.0, 2.0], [1.0, 2.0], ["p", "p"], seed=0)
    assert one.kendall.value == 1.0
    assert all(map(math.isnan, one.kendall.ci95))
    for within in (False, True):
        none = correlate([], [], [], seed=0, within_prompts=within)
        assert math.isnan(none.kendall.value)
        assert none.num_pairs == 0


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="shapes"):
        correlate([1.0], [1.0, 2.0], ["p"], seed=0)
    with pytest.raises(ValueError, match="not finite"):
        correlate([1.0, math.nan], [1.0, 2.0], ["p", "q"], seed=0)
    with pytest.raises(ValueError, match="tie_threshold"):
        correlate([1.0, 2.0], [1.0, 2.0], ["p", "q"], seed=0, tie_threshold=-1.0)
