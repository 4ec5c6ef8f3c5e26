"""Totals of resampled clusters against copies of their rows, and against the clustered error."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawbench_eval.stats import bootstrap as module
from drawbench_eval.stats.bootstrap import (
    bootstrap,
    bootstrap_mean,
    cluster_draws,
    cluster_sums,
    percentile_interval,
)
from drawbench_eval.stats.clustered import clustered_mean

rows = st.lists(
    st.tuples(st.floats(-10, 10), st.integers(0, 4), st.sampled_from("abc")), min_size=2, max_size=30
)


@settings(max_examples=50, deadline=None)
@given(rows)
def test_means_of_totals_are_those_of_copied_rows(rows: list[tuple[float, int, str]]) -> None:
    values = np.array([row[0] for row in rows])
    clusters = np.array([f"{row[1]}{row[2]}" for row in rows])
    names = np.unique(clusters)
    draws = bootstrap_mean(values, clusters, seed=3, num_draws=7)
    if len(names) == 1:
        assert np.isnan(draws).all()
        return
    (weights,) = cluster_draws(len(names), 7, seed=3)
    for draw, counts in zip(draws, weights, strict=True):
        copies = [
            values[clusters == name]
            for name, count in zip(names, counts, strict=True)
            for _ in range(int(count))
        ]
        assert draw == pytest.approx(np.concatenate(copies).mean(), abs=1e-9)


def test_draws_depend_on_the_seed_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.concatenate(list(cluster_draws(7, 101, seed=1)))
    wide = np.concatenate(list(cluster_draws(7, 101, seed=1, width=module.BLOCK // 3)))
    monkeypatch.setattr(module, "BLOCK", 20)
    blocks = list(cluster_draws(7, 101, seed=1))
    assert len(blocks) == 51
    assert (np.concatenate(blocks) == whole).all()
    assert (wide == whole).all()
    assert (whole.sum(axis=1) == 7).all()
    assert (whole != np.concatenate(list(cluster_draws(7, 101, seed=2)))).any()


def test_every_cluster_comes_as_often_as_a_multinomial_says() -> None:
    counts = np.concatenate(list(cluster_draws(10, 20_000, seed=0)))
    assert counts.mean(axis=0) == pytest.approx(np.ones(10), abs=0.03)
    covariance = np.cov(counts.T)
    assert covariance == pytest.approx(np.eye(10) - 0.1, abs=0.03)


def test_spread_of_the_draws_is_the_clustered_error() -> None:
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(80), rng.integers(1, 6, 80))
    values = rng.normal(size=80)[clusters] + rng.normal(size=len(clusters))
    draws = bootstrap_mean(values, clusters, seed=0)
    assert len(draws) == 10_000
    assert draws.std() == pytest.approx(clustered_mean(values, clusters).standard_error, rel=0.04)


def test_any_statistic_of_totals() -> None:
    sums = cluster_sums([[1, 2], [3, 4], [5, 6]], ["b", "a", "b"])
    assert sums.tolist() == [[3, 4], [6, 8]]
    draws = bootstrap(sums, lambda totals: totals[:, 0] * totals[:, 1], seed=0, num_draws=50)
    assert set(draws) == {6 * 8, 9 * 12, 12 * 16}


def test_undefined_draws() -> None:
    draws = np.arange(101.0)
    assert percentile_interval(draws) == pytest.approx((2.5, 97.5))
    assert percentile_interval(draws, 0.5) == pytest.approx((25, 75))
    draws[[0, 100]] = np.nan
    assert percentile_interval(draws) == pytest.approx((3.45, 96.55))
    draws[:6] = np.nan
    assert all(map(math.isnan, percentile_interval(draws)))
    assert all(map(math.isnan, percentile_interval(np.array([]))))


def test_shapes_must_match() -> None:
    with pytest.raises(ValueError, match="columns and clusters"):
        cluster_sums([[1.0], [2.0]], ["a"])
