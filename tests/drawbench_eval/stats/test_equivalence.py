"""Two one-sided tests against statsmodels."""

import math

import numpy as np
import pytest
from statsmodels.stats.weightstats import ttost_paired

from drawbench_eval.stats.clustered import Estimate, clustered_mean
from drawbench_eval.stats.equivalence import equivalence


@pytest.mark.parametrize(("shift", "margin"), [(0.0, 0.5), (0.3, 0.5), (-0.6, 0.5), (0.1, 2.0)])
def test_tests_are_those_of_statsmodels(shift: float, margin: float) -> None:
    rng = np.random.default_rng(0)
    a, b = rng.normal(shift, 1, 40), rng.normal(0, 1, 40)
    expected, lower, upper = ttost_paired(a, b, -margin, margin)
    found = equivalence(clustered_mean(a - b, np.arange(40)), margin=margin)
    assert found.p_lower == pytest.approx(lower[1], rel=1e-9)
    assert found.p_upper == pytest.approx(upper[1], rel=1e-9)
    assert found.p_value == pytest.approx(expected, rel=1e-9)
    assert found.is_equivalent is bool(expected <= 0.05)


def test_equivalent_is_the_narrower_interval_within_the_margin() -> None:
    estimate = Estimate(value=0.2, standard_error=0.1, n=30, num_clusters=30)
    low, high = estimate.interval(0.9)
    inside, outside = equivalence(estimate, margin=high + 1e-9), equivalence(estimate, margin=high - 1e-9)
    assert (inside.is_equivalent, outside.is_equivalent) == (True, False)
    assert inside.interval == (low, high)
    assert inside.p_value == inside.p_upper == pytest.approx(0.05)
    strict = equivalence(estimate, margin=estimate.interval(0.98)[1] + 1e-9, alpha=0.01)
    assert strict.is_equivalent
    assert strict.interval == estimate.interval(0.98)


@pytest.mark.parametrize("error", [0.0, math.nan])
def test_nothing_is_shown_without_an_error(error: float) -> None:
    found = equivalence(Estimate(value=0.0, standard_error=error, n=5, num_clusters=1), margin=1.0)
    assert math.isnan(found.p_value)
    assert not found.is_equivalent


@pytest.mark.parametrize("margin", [0.0, -1.0, math.nan, math.inf])
def test_a_margin_must_be_above_zero(margin: float) -> None:
    estimate = Estimate(value=0.0, standard_error=1.0, n=5, num_clusters=5)
    with pytest.raises(ValueError, match="margin: "):
        equivalence(estimate, margin=margin)
    with pytest.raises(ValueError, match=r"alpha: 0\.5"):
        equivalence(estimate, margin=1.0, alpha=0.5)
