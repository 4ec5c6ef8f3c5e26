"""Clustered errors against statsmodels, Wilson against scipy, coverage against simulation."""

import math

import numpy as np
import pytest
import scipy.stats
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st

from drawbench_eval.stats.clustered import Estimate, clustered_mean, paired_difference, share_interval


@pytest.mark.parametrize("clusters", [2, 5, 40])
def test_error_and_interval_are_those_of_statsmodels(clusters: int) -> None:
    rng = np.random.default_rng(clusters)
    labels = np.concatenate([np.arange(clusters), rng.integers(0, clusters, 60)])
    values = rng.normal(size=len(labels)) + rng.normal(size=clusters)[labels]
    fit = sm.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": labels, "df_correction": True}, use_t=True
    )
    mean = clustered_mean(values, labels)
    assert mean.value == pytest.approx(fit.params[0], rel=1e-12)
    assert mean.standard_error == pytest.approx(fit.bse[0], rel=1e-10)
    assert mean.interval() == pytest.approx(tuple(fit.conf_int()[0]), rel=1e-9)
    assert mean.p_value == pytest.approx(fit.pvalues[0], rel=1e-9)
    assert (mean.n, mean.num_clusters) == (len(labels), clusters)


rows = st.lists(st.tuples(st.floats(-5, 5), st.integers(0, 4)), min_size=1, max_size=25)


@settings(max_examples=100, deadline=None)
@given(rows)
def test_error_is_that_of_the_double_loop(rows: list[tuple[float, int]]) -> None:
    values, cluster = (np.array(column) for column in zip(*rows, strict=True))
    num = len(set(cluster))
    mean = clustered_mean(values, cluster)
    assert mean.value == pytest.approx(sum(values) / len(values), abs=1e-12)
    if num == 1:
        assert math.isnan(mean.standard_error)
        return
    away = values - mean.value
    pairs = ((i, j) for i in range(len(away)) for j in range(len(away)) if cluster[i] == cluster[j])
    variance = num / (num - 1) * sum(float(away[i] * away[j]) for i, j in pairs) / len(away) ** 2
    assert mean.standard_error**2 == pytest.approx(variance, rel=1e-9, abs=1e-12)


def test_single_samples_give_the_ordinary_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=30)
    mean = clustered_mean(values, [f"p{index}" for index in range(30)])
    assert mean.standard_error == pytest.approx(values.std(ddof=1) / math.sqrt(30), rel=1e-12)
    assert mean.interval() == pytest.approx(
        scipy.stats.t.interval(0.95, 29, values.mean(), mean.standard_error)
    )


def test_one_cluster_is_undefined_and_never_zero() -> None:
    mean = clustered_mean([1.0, 2.0, 3.0], ["p", "p", "p"])
    assert mean.value == 2.0
    assert math.isnan(mean.standard_error)
    assert all(map(math.isnan, mean.interval()))
    assert math.isnan(mean.p_value)
    assert all(map(math.isnan, share_interval(clustered_mean([1.0, 1.0], ["p", "p"]))))


def test_no_samples_have_no_mean() -> None:
    mean = clustered_mean([], [])
    assert math.isnan(mean.value)
    assert (mean.n, mean.num_clusters) == (0, 0)
    assert all(map(math.isnan, mean.interval()))


def test_unscored_values_are_not_averaged() -> None:
    with pytest.raises(ValueError, match="not finite"):
        clustered_mean([1.0, math.nan], ["a", "b"])
    with pytest.raises(ValueError, match="both must be"):
        clustered_mean([1.0, 2.0], ["a"])


def test_an_error_can_be_put_around_another_value() -> None:
    mean = Estimate(value=0.0, standard_error=2.0, n=10, num_clusters=10)
    low, high = mean.moved_to(5.0).interval()
    assert (low + high) / 2 == 5.0
    assert high - low == pytest.approx(2 * 2 * scipy.stats.t.ppf(0.975, 9))


@pytest.mark.parametrize("right", [0, 1, 60, 1980, 2000])
def test_share_of_single_samples_is_wilsons_interval(right: int) -> None:
    values = np.arange(2000) < right
    low, high = share_interval(clustered_mean(values, np.arange(2000)))
    expected = scipy.stats.binomtest(right, 2000).proportion_ci(method="wilson")
    assert low == pytest.approx(expected.low, rel=5e-3, abs=1e-9)
    assert high == pytest.approx(expected.high, rel=5e-3, abs=1e-9)
    assert 0 <= low < high <= 1


def test_share_interval_covers_clustered_truth() -> None:
    rng = np.random.default_rng(0)
    clusters = np.repeat(np.arange(60), 3)
    covered, naive = [], []
    for _ in range(600):
        chances = rng.beta(1.8, 0.2, 60)  # 0.9 on average, alike within a prompt
        values = (rng.random(180) < chances[clusters]).astype(float)
        low, high = share_interval(clustered_mean(values, clusters))
        covered.append(low <= 0.9 <= high)
        low, high = share_interval(clustered_mean(values, np.arange(180)))
        naive.append(low <= 0.9 <= high)
    assert 0.92 <= np.mean(covered) <= 0.98
    assert np.mean(naive) < 0.92


def test_pairs_are_matched_by_prompt_and_seed_and_not_by_order() -> None:
    rng = np.random.default_rng(0)
    keys = [(f"p{index // 3}", index % 3) for index in range(60)]
    a = rng.normal(size=60)
    order = rng.permutation(60)
    b = a - 0.25
    result = paired_difference(a, keys, b[order], [keys[index] for index in order])
    assert result.difference.value == pytest.approx(0.25, rel=1e-12)
    assert result.difference.standard_error == pytest.approx(0.0, abs=1e-12)
    assert (result.difference.n, result.difference.num_clusters) == (60, 20)


def test_error_of_a_paired_difference_is_clustered_and_its_test_is_scipys() -> None:
    rng = np.random.default_rng(1)
    keys = [(f"p{index}", 7) for index in range(25)]
    a, b = rng.normal(0.3, 1, 25), rng.normal(0, 1, 25)
    result = paired_difference(a, keys, b, keys)
    expected = scipy.stats.ttest_rel(a, b)
    assert result.difference.p_value == pytest.approx(expected.pvalue, rel=1e-9)
    interval = expected.confidence_interval(0.95)
    assert result.difference.interval() == pytest.approx((interval.low, interval.high), rel=1e-9)


def test_what_has_no_partner_is_counted() -> None:
    keys_a = [("p", 0), ("p", 1), ("q", 0), ("r", 0)]
    keys_b = [("p", 0), ("q", 0), ("r", 0), ("s", 0), ("t", 0)]
    result = paired_difference([1, 2, 3, math.nan], keys_a, [0, 0, 0, 0, math.nan], keys_b)
    assert result.difference.n == 2
    assert result.difference.value == 2.0
    assert (result.num_unpaired_a, result.num_unpaired_b) == (2, 3)


def test_a_pair_that_is_named_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="side b: prompt 'p' with seed 0 appears twice"):
        paired_difference([1.0], [("p", 0)], [1.0, 2.0], [("p", 0), ("p", 0)])


def test_rounding_is_no_error() -> None:
    # 0.1 summed 90 times over is not 9; means of thirds leave 1e-17 in every cluster.
    equal = clustered_mean(np.full(90, 0.1) + 0.2, np.repeat(np.arange(30), 3))
    alike = clustered_mean(np.tile([0.1, 0.2, 0.7], 30), np.repeat(np.arange(30), 3))
    for estimate in (equal, alike):
        assert estimate.standard_error == 0
        assert math.isnan(estimate.p_value)
