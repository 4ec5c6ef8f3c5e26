"""Detectable differences against statsmodels and simulation, intraclass correlations against a loop."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.power import TTestPower

from drawbench_eval.stats.power import detectable_difference, intraclass, power_table


@pytest.mark.parametrize("prompts", [2, 10, 200])
@pytest.mark.parametrize("alpha", [0.05, 0.005])
def test_prompts_alone_are_the_one_sample_test(prompts: int, alpha: float) -> None:
    # As many raters as prompts without a part of their own; all judgements of a prompt are equal.
    found = detectable_difference(
        prompts,
        1000,
        ratings_per_prompt=5,
        icc_prompt=1.0,
        icc_rater=0.0,
        share_indifferent=0.75,
        alpha=alpha,
    )
    effect = TTestPower().solve_power(nobs=prompts, alpha=alpha, power=0.8, alternative="larger")
    two_sided = TTestPower().solve_power(nobs=prompts, alpha=alpha / 2, power=0.8, alternative="larger")
    assert two_sided > effect
    expected = 0.5 * float(np.squeeze(two_sided))
    assert found == pytest.approx(expected if expected <= 1 else math.nan, rel=1e-4, nan_ok=True)


def test_detected_as_often_as_asked_for() -> None:
    rng = np.random.default_rng(0)
    design = {"ratings_per_prompt": 12, "icc_prompt": 0.3, "icc_rater": 0.1}
    gap = detectable_difference(30, 12, **design)  # type: ignore[arg-type]
    error = math.sqrt(0.3 / 30 + 0.1 / 12 + 0.6 / 360)
    means = gap + error * rng.normal(size=20_000)
    spread = error * np.sqrt(rng.chisquare(11, 20_000) / 11)
    assert np.mean(means / spread > 2.20098516) == pytest.approx(0.8, abs=0.01)


def test_more_of_anything_detects_less_unless_it_is_not_what_lacks() -> None:
    def gap(prompts: int, raters: int, ratings: int, **others: float) -> float:
        settings_ = {"icc_prompt": 0.2, "icc_rater": 0.1, **others}
        return detectable_difference(prompts, raters, ratings_per_prompt=ratings, **settings_)

    assert gap(200, 25, 25) < gap(100, 25, 25) < gap(100, 25, 5)
    assert gap(200, 50, 5) < gap(200, 25, 5)
    assert gap(200, 25, 5, share_indifferent=0.3) < gap(200, 25, 5)
    assert gap(200, 25, 5, power=0.9) > gap(200, 25, 5)
    assert math.isnan(gap(1, 25, 5))
    assert math.isnan(gap(200, 1, 1))
    assert math.isnan(gap(2, 2, 1))


def test_table_has_every_design_that_can_be() -> None:
    table = power_table([50, 200], [5, 25], ratings_per_prompt=[3, 10], icc_prompt=0.2, icc_rater=0.1)
    designs = [(row.num_prompts, row.num_raters, row.ratings_per_prompt) for row in table]
    assert designs == [(50, 5, 3), (50, 25, 3), (50, 25, 10), (200, 5, 3), (200, 25, 3), (200, 25, 10)]
    assert table[2].difference == detectable_difference(
        50, 25, ratings_per_prompt=10, icc_prompt=0.2, icc_rater=0.1
    )


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"num_prompts": 0}, "0 prompts"),
        ({"ratings_per_prompt": 26}, "a rater judges a prompt once"),
        ({"icc_prompt": -0.1}, "icc_prompt -0.1"),
        ({"icc_rater": 0.9}, "sum to 1 at most"),
        ({"share_indifferent": 1.0}, "share_indifferent: 1"),
        ({"power": 0.04}, "power above alpha"),
    ],
)
def test_what_no_study_can_have(changed: dict[str, float], message: str) -> None:
    figures = {
        "num_prompts": 200,
        "num_raters": 25,
        "ratings_per_prompt": 5,
        "icc_prompt": 0.2,
        "icc_rater": 0.1,
    }
    with pytest.raises(ValueError, match=message):
        detectable_difference(**{**figures, **changed})  # type: ignore[arg-type]


rows = st.lists(st.tuples(st.integers(-3, 3), st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=15)


@settings(max_examples=100, deadline=None)
@given(rows)
def test_intraclass_is_that_of_the_double_loop(rows: list[tuple[int, int, int]]) -> None:
    pairs: dict[tuple[bool, bool], list[float]] = {}
    for i, (x, prompt, rater) in enumerate(rows):
        for y, other_prompt, other_rater in rows[:i]:
            pairs.setdefault((prompt == other_prompt, rater == other_rater), []).append((x - y) ** 2 / 2)
    nothing = np.mean(pairs[False, False]) if (False, False) in pairs else math.nan
    found = intraclass(*zip(*rows, strict=True))
    assert found.variance == pytest.approx(nothing, abs=1e-9, nan_ok=True)
    for kind, share in (((True, False), found.prompt), ((False, True), found.rater)):
        if kind in pairs and nothing > 1e-9:
            assert share == pytest.approx(max(1 - np.mean(pairs[kind]) / nothing, 0), abs=1e-9)
        else:
            assert math.isnan(share) or nothing <= 1e-9


def test_intraclass_finds_what_was_put_in() -> None:
    rng = np.random.default_rng(0)
    prompt, rater = (
        np.repeat(np.arange(400), 20),
        np.concatenate([rng.permutation(200)[:20] for _ in range(400)]),
    )
    values = (
        math.sqrt(0.3) * rng.normal(size=400)[prompt]
        + math.sqrt(0.2) * rng.normal(size=200)[rater]
        + math.sqrt(0.5) * rng.normal(size=8000)
    )
    found = intraclass(values, prompt, rater)
    assert (found.variance, found.prompt, found.rater) == pytest.approx((1.0, 0.3, 0.2), abs=0.05)


def test_intraclass_shapes() -> None:
    with pytest.raises(ValueError, match="must all be"):
        intraclass([1.0, 2.0], ["p"], ["r", "s"])
    assert math.isnan(intraclass([], [], []).variance)
