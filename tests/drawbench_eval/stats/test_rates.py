"""Shares and means: pooled intervals against scipy, clustered ones against their parts, counts by hand."""

import math

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from drawbench_eval.stats.clustered import share_interval
from drawbench_eval.stats.rates import (
    Rate,
    bounded_interval,
    category_wins,
    mean_rate,
    preference,
    share_rate,
)
from drawbench_eval.stats.twoway import two_way_macro, two_way_mean

RNG = np.random.default_rng(0)
PROMPT = np.repeat(np.arange(40), 6)
RATER = np.concatenate([RNG.permutation(15)[:6] for _ in range(40)])
CHOICE = np.sign(np.round(RNG.normal(size=40)[PROMPT] + RNG.normal(size=15)[RATER] + RNG.normal(size=240)))
CATEGORY = np.array(["x", "y", "z"])[np.minimum(PROMPT // 10, 2)]


def test_share_pooled_is_wilsons_and_clustered_is_the_two_way_one() -> None:
    chosen = CHOICE == 1
    rate = share_rate(chosen, PROMPT, RATER, seed=0)
    wilson = scipy.stats.binomtest(int(chosen.sum()), 240).proportion_ci(method="wilson")
    assert rate.value == chosen.mean()
    assert rate.n == 240
    assert rate.ci95_pooled == pytest.approx((wilson.low, wilson.high), rel=1e-12)
    clustered = two_way_mean(chosen, PROMPT, RATER)
    assert rate.clustered == clustered
    assert rate.ci95_clustered == share_interval(clustered.estimate)
    assert rate.ci95_bootstrap is not None
    width, by_prompt = np.ptp(rate.ci95_bootstrap), two_way_mean(chosen, PROMPT, None).estimate
    assert width == pytest.approx(np.ptp(by_prompt.interval()), rel=0.08)
    assert np.ptp(rate.ci95_clustered) > 1.3 * np.ptp(rate.ci95_pooled)


def test_mean_of_a_scale() -> None:
    values = 50 * (CHOICE + 1)
    rate = mean_rate(values, PROMPT, RATER, seed=0)
    expected = scipy.stats.norm.interval(0.95, values.mean(), values.std(ddof=1) / math.sqrt(240))
    assert rate.ci95_pooled == pytest.approx(expected, rel=1e-12)
    assert rate.ci95_clustered == two_way_mean(values, PROMPT, RATER).estimate.interval()
    assert rate.p_value(50) == pytest.approx(
        two_way_mean(values - 50, PROMPT, RATER).estimate.p_value, rel=1e-9
    )


def test_both_conventions_for_indifferent() -> None:
    found = preference(CHOICE, PROMPT, RATER, seed=0)
    shares = [float((choice == CHOICE).mean()) for choice in (1, 0, -1)]
    assert [found.a.value, found.indifferent.value, found.b.value] == pytest.approx(shares)
    assert found.dropped.value == pytest.approx(shares[0] / (shares[0] + shares[2]))
    assert found.dropped.n == (CHOICE != 0).sum()
    assert found.split.value == pytest.approx(shares[0] + shares[1] / 2)
    decided = CHOICE != 0
    alone = share_rate(CHOICE[decided] == 1, PROMPT[decided], RATER[decided], seed=0)
    assert found.dropped == alone


def test_sides_swapped_swap_the_rates() -> None:
    one, other = preference(CHOICE, PROMPT, RATER, seed=0), preference(-CHOICE, PROMPT, RATER, seed=0)
    assert one.a == other.b
    assert one.split.value == pytest.approx(1 - other.split.value)
    assert one.split.p_value(0.5) == pytest.approx(other.split.p_value(0.5), rel=1e-9)
    assert one.dropped.p_value(0.5) == pytest.approx(other.dropped.p_value(0.5), rel=1e-9)


def test_macro_average_counts_categories_the_same() -> None:
    chosen = (CHOICE == 1).astype(float)
    rate = share_rate(chosen, PROMPT, RATER, categories=CATEGORY, seed=0)
    parts = [chosen[name == CATEGORY] for name in "xyz"]
    assert rate.value == pytest.approx(np.mean([part.mean() for part in parts]))
    assert rate.value != pytest.approx(chosen.mean())
    assert rate.clustered == two_way_macro(chosen, CATEGORY, PROMPT, RATER)
    error = math.sqrt(sum(part.var(ddof=1) / len(part) for part in parts)) / 3
    assert rate.ci95_pooled == pytest.approx(scipy.stats.norm.interval(0.95, rate.value, error), rel=1e-12)
    by_prompt = two_way_macro(chosen, CATEGORY, PROMPT, None).estimate
    assert rate.ci95_bootstrap is not None
    assert np.ptp(rate.ci95_bootstrap) == pytest.approx(np.ptp(by_prompt.interval()), rel=0.1)
    macro = preference(CHOICE, PROMPT, RATER, categories=CATEGORY, seed=0)
    assert macro.a.value == pytest.approx(rate.value)
    assert macro.a.value + macro.indifferent.value + macro.b.value == pytest.approx(1)


choices = st.lists(st.tuples(st.sampled_from([1, 0, -1]), st.integers(0, 3)), min_size=1, max_size=20)


@settings(max_examples=50, deadline=None)
@given(choices)
def test_counts_by_hand(rows: list[tuple[int, int]]) -> None:
    counts = {choice: sum(row[0] == choice for row in rows) for choice in (1, 0, -1)}
    found = preference([row[0] for row in rows], [row[1] for row in rows], None, seed=0, num_draws=20)
    assert found.a.value == pytest.approx(counts[1] / len(rows))
    decided = counts[1] + counts[-1]
    assert found.dropped.value == pytest.approx(counts[1] / decided if decided else math.nan, nan_ok=True)
    assert found.split.value == pytest.approx((counts[1] + counts[0] / 2) / len(rows))
    wins = {"a": 0, "b": 0, "even": 0}
    for category in {row[1] for row in rows}:
        balance = sum(row[0] for row in rows if row[1] == category)
        wins["a" if balance > 0 else "b" if balance < 0 else "even"] += 1
    won = category_wins([row[0] for row in rows], [row[1] for row in rows])
    assert {"a": won.a, "b": won.b, "even": won.even} == wins


def _undefined(rate: Rate) -> bool:
    intervals = (rate.ci95_pooled, rate.ci95_clustered, rate.ci95_bootstrap)
    return all(interval is not None and math.isnan(sum(interval)) for interval in intervals)


def test_what_is_undefined() -> None:
    nobody = preference([0, 0, 0], ["p", "q", "s"], ["r", "s", "t"], seed=0)
    assert math.isnan(nobody.dropped.value)
    assert _undefined(nobody.dropped)
    assert nobody.indifferent.ci95_clustered is not None
    assert nobody.indifferent.ci95_clustered[0] < 1 == nobody.indifferent.ci95_clustered[1]
    assert nobody.indifferent.ci95_pooled[0] < 1
    one_rater = share_rate([1, 0, 1], ["p", "q", "s"], ["r", "r", "r"], seed=0)
    assert one_rater.ci95_clustered is not None
    assert all(map(math.isnan, one_rater.ci95_clustered))
    assert math.isnan(one_rater.p_value(0.5))
    lone = share_rate([1, 0, 1], ["p", "q", "s"], None, categories=["x", "x", "y"], seed=0)
    assert _undefined(lone)


def test_the_split_rate_stays_between_0_and_1_and_close_to_its_error() -> None:
    split = preference(CHOICE, PROMPT, RATER, seed=0).split
    assert split.clustered is not None
    estimate = split.clustered.estimate
    assert split.ci95_clustered == bounded_interval(estimate)
    low, high = bounded_interval(estimate)
    assert high - low == pytest.approx(np.ptp(estimate.interval()), rel=0.05)
    # Wilson's interval holds the p at which (value - p)^2 = t^2 p (1 - p) / n.
    t, p = scipy.stats.t.ppf(0.975, 14), estimate.value
    n = p * (1 - p) / estimate.standard_error**2
    for end in (low, high):
        assert (p - end) ** 2 == pytest.approx(t**2 * end * (1 - end) / n)
    few = preference([1, 0], ["p", "q"], ["r", "s"], seed=0).split
    for interval in (few.ci95_pooled, few.ci95_clustered):
        assert interval is not None
        assert 0 <= interval[0] < 0.75 < interval[1] <= 1
    agreed = preference([1, 1, 1], ["p", "q", "s"], ["r", "s", "t"], seed=0).split
    for interval in (agreed.ci95_pooled, agreed.ci95_clustered):
        assert interval is not None
        assert interval[0] < 0.8
        assert interval[1] == 1


def test_a_mean_of_equal_judgements_has_no_interval() -> None:
    rate = mean_rate([50, 50, 50], ["p", "q", "s"], ["r", "s", "t"], seed=0)
    assert rate.value == 50
    assert rate.ci95_clustered is not None
    assert all(map(math.isnan, (*rate.ci95_pooled, *rate.ci95_clustered)))


def test_without_prompts_and_raters_only_the_pooled_interval_is_there() -> None:
    rate = share_rate([1, 0, 1], None, None, seed=0)
    assert (rate.ci95_clustered, rate.ci95_bootstrap, rate.clustered) == (None, None, None)
    assert math.isnan(rate.p_value(0.5))
    by_rater = share_rate([1, 0, 1], None, ["r", "s", "t"], seed=0)
    assert by_rater.ci95_bootstrap is None
    assert by_rater.ci95_clustered is not None


def test_unknown_values_are_named() -> None:
    with pytest.raises(ValueError, match=r"choices: 2 is none of 1 \(a\)"):
        preference([1, 2], ["p", "q"], None, seed=0)
    with pytest.raises(ValueError, match=r"judgements: 0\.5 is neither 0 nor 1"):
        share_rate([1, 0.5], ["p", "q"], None, seed=0)
    with pytest.raises(ValueError, match="not finite"):
        mean_rate([1, math.nan], ["p", "q"], None, seed=0)
