"""Holm step by step, sign flips one by one, and tests that can never be significant."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from drawbench_eval.stats.multiple import (
    can_be_significant,
    holm,
    holm_by_family,
    sign_flip_test,
    smallest_sign_flip_p,
)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_step_by_step(p: list[float]) -> None:
    expected, largest = [0.0] * len(p), 0.0
    for step, index in enumerate(sorted(range(len(p)), key=p.__getitem__)):
        largest = max(largest, min(1.0, p[index] * (len(p) - step)))
        expected[index] = largest
    assert holm(p) == pytest.approx(expected)


def test_holm_is_that_of_statsmodels() -> None:
    p = np.random.default_rng(0).random(40) ** 4
    assert holm(p) == pytest.approx(multipletests(p, method="holm")[1], rel=1e-12)


def test_holm_by_hand_and_with_a_test_that_could_not_be_made() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.01, math.nan, 0.03]) == pytest.approx([0.03, math.nan, 0.06], nan_ok=True)
    assert len(holm([])) == 0
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.5, 1.5])


def test_families_are_adjusted_by_themselves() -> None:
    adjusted = holm_by_family([0.01, 0.02, 0.03, 0.04], ["x", "y", "x", "y"])
    assert adjusted == pytest.approx([0.02, 0.04, 0.03, 0.04])
    with pytest.raises(ValueError, match="p values and families"):
        holm_by_family([0.1], ["x", "y"])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(-5, 5), min_size=1, max_size=9))
def test_sign_flips_one_by_one(values: list[int]) -> None:
    sums = [
        abs(sum(map(math.prod, zip(values, signs, strict=True))))
        for signs in itertools.product((1, -1), repeat=len(values))
    ]
    expected = np.mean([total >= abs(sum(values)) for total in sums])
    # Thirds, so that sums which ought to be equal differ by rounding.
    found = sign_flip_test(np.array(values) / 3, seed=0)
    assert found.p_value == pytest.approx(expected)
    assert found.p_value >= found.smallest_p or 0 in values


def test_seven_prompts_cannot_go_lower() -> None:
    found = sign_flip_test([0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], seed=0)
    assert found.p_value == found.smallest_p == smallest_sign_flip_p(7) == 0.015625
    assert math.isnan(sign_flip_test([], seed=0).p_value)
    assert math.isnan(smallest_sign_flip_p(0))


def test_random_flips_of_many_prompts_come_near_the_normal_test() -> None:
    rng = np.random.default_rng(0)
    means = rng.normal(0.2, 1, 100)
    z = abs(means.sum()) / math.sqrt(np.square(means).sum())
    found = sign_flip_test(means, seed=0)
    assert found.p_value == pytest.approx(math.erfc(z / math.sqrt(2)), abs=0.01)
    assert found == sign_flip_test(means, seed=0)
    sure = sign_flip_test(np.ones(100), seed=0)
    assert sure.p_value == sure.smallest_p == 1 / 20_001


def test_random_flips_agree_with_exact_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    means = np.random.default_rng(3).normal(0.3, 1, 12)
    exact = sign_flip_test(means, seed=0).p_value
    monkeypatch.setattr("drawbench_eval.stats.multiple.MOST_EXACT", 5)
    random = sign_flip_test(means, seed=0).p_value
    assert random != exact
    assert random == pytest.approx(exact, abs=0.012)


def test_tests_that_can_never_be_significant() -> None:
    # In a family of eleven even 7 prompts can be, if the other ten are: Holm's last step asks for 0.05.
    prompts = np.array([25, 10, 19, 20, 20, 10, 10, 20, 7, 38, 21])
    smallest = [smallest_sign_flip_p(int(n)) for n in prompts]
    assert can_be_significant(smallest, ["all"] * 11).all()
    assert can_be_significant([0.0625], ["one"]).tolist() == [False]
    assert can_be_significant([0.03, 0.03], ["f", "f"]).tolist() == [False, False]
    assert can_be_significant([0.001, 0.03, math.nan], ["f", "f", "g"]).tolist() == [True, True, False]
    assert can_be_significant([0.03, 0.03], ["f", "f"], alpha=0.1).all()
