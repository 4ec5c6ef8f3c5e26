"""Alpha against Krippendorff's example, evalica and a loop over pairs; kappa against statsmodels."""

import math
from collections.abc import Callable

import evalica
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.inter_rater import fleiss_kappa

from drawbench_eval.stats.agreement import MEASURES, agreement, count_ratings, count_table

_ = math.nan
# Krippendorff 2011, Computing Krippendorff's alpha-reliability, section C: four observers, twelve units.
EXAMPLE = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
).T


def values_of(table: np.ndarray, measures: tuple[str, ...] = MEASURES) -> dict[str, float]:
    return {
        found.measure: found.value for found in agreement(count_table(table), measures, seed=0, num_draws=2)
    }


def test_krippendorffs_example() -> None:
    found = values_of(EXAMPLE)
    assert found["nominal"] == pytest.approx(0.743, abs=5e-4)
    assert found["ordinal"] == pytest.approx(0.815, abs=5e-4)
    assert found["interval"] == pytest.approx(0.849, abs=5e-4)
    one = agreement(count_table(EXAMPLE), ("nominal",), seed=0, num_draws=2)[0]
    assert (one.num_units, one.num_ratings, one.num_single) == (11, 40, 1)


@pytest.mark.parametrize("seed", range(3))
def test_alpha_is_that_of_evalica(seed: int) -> None:
    rng = np.random.default_rng(seed)
    table = np.clip(np.round(rng.normal(3, 1, (40, 1)) + rng.normal(0, 0.8, (40, 6))), 1, 5)
    table[rng.random(table.shape) < 0.3] = np.nan
    found = values_of(table)
    for metric in ("nominal", "ordinal", "interval"):
        expected = evalica.alpha(pd.DataFrame(table.T), metric).alpha
        assert found[metric] == pytest.approx(expected, rel=1e-9)


def distance(metric: str, ratings: list[float]) -> Callable[[float, float], float]:
    """The squared difference of two levels by its definition, among all pairable ratings."""
    if metric == "nominal":
        return lambda a, b: float(a != b)
    if metric == "interval":
        return lambda a, b: (a - b) ** 2

    def ordinal(a: float, b: float) -> float:
        low, high = min(a, b), max(a, b)
        between = sum(low <= rating <= high for rating in ratings)
        return (between - (ratings.count(a) + ratings.count(b)) / 2) ** 2 if a != b else 0.0

    return ordinal


cells = st.lists(
    st.lists(st.sampled_from([1.0, 2.0, 3.5, 5.0, math.nan]), min_size=4, max_size=4), min_size=1, max_size=7
)


@settings(max_examples=100, deadline=None)
@given(cells)
def test_alpha_is_that_of_the_loop_over_pairs(table: list[list[float]]) -> None:
    units = [[rating for rating in unit if not math.isnan(rating)] for unit in table]
    units = [unit for unit in units if len(unit) > 1]
    ratings = [rating for unit in units for rating in unit]
    found = values_of(np.array(table))
    for metric in ("nominal", "ordinal", "interval"):
        apart = distance(metric, ratings)
        within = sum(
            apart(a, b) / (len(unit) - 1)
            for unit in units
            for i, a in enumerate(unit)
            for j, b in enumerate(unit)
            if i != j
        )
        among = sum(apart(a, b) for i, a in enumerate(ratings) for j, b in enumerate(ratings) if i != j)
        expected = 1 - within * (len(ratings) - 1) / among if among else math.nan
        assert found[metric] == pytest.approx(expected, rel=1e-9, abs=1e-9, nan_ok=True)
    agreeing = [np.mean([a == b for i, a in enumerate(u) for j, b in enumerate(u) if i != j]) for u in units]
    assert found["raw"] == pytest.approx(np.mean(agreeing) if units else math.nan, nan_ok=True)
    if units:
        chance = sum((ratings.count(level) / len(ratings)) ** 2 for level in set(ratings))
        kappa = (np.mean(agreeing) - chance) / (1 - chance) if chance < 1 else math.nan
        assert found["fleiss"] == pytest.approx(kappa, abs=1e-9, nan_ok=True)


def test_kappa_is_that_of_statsmodels() -> None:
    rng = np.random.default_rng(0)
    table = np.clip(np.round(rng.normal(1, 1, (30, 1)) + rng.normal(0, 0.5, (30, 3))), 0, 2)
    expected = fleiss_kappa(count_table(table).counts)
    assert values_of(table, ("fleiss",))["fleiss"] == pytest.approx(expected, rel=1e-12)


def test_long_form_and_table_are_one() -> None:
    unit, rater = np.nonzero(~np.isnan(EXAMPLE))
    order = np.random.default_rng(0).permutation(len(unit))
    values, names = EXAMPLE[unit, rater][order], np.array([f"u{u:02d}" for u in unit])[order]
    long, table = count_ratings(values, names), count_table(EXAMPLE)
    assert (long.counts == table.counts).all()
    assert long.levels.tolist() == table.levels.tolist() == [1, 2, 3, 4, 5]


def test_interval_is_that_of_resampled_units() -> None:
    rng = np.random.default_rng(0)
    table = np.clip(np.round(rng.normal(3, 1, (60, 1)) + rng.normal(0, 0.7, (60, 4))), 1, 5)
    table[rng.random(table.shape) < 0.2] = np.nan
    found = agreement(count_table(table), seed=1, num_draws=3000)
    naive = [values_of(table[rng.integers(0, 60, 60)]) for _ in range(500)]
    for one in found:
        expected = np.quantile([draw[one.measure] for draw in naive], (0.025, 0.975))
        assert one.ci95 == pytest.approx(expected, abs=0.035)
        assert one.ci95[0] < one.value < one.ci95[1]
    assert found == agreement(count_table(table), seed=1, num_draws=3000)


def test_what_is_undefined_is_never_zero() -> None:
    alike = {found.measure: found for found in agreement(count_table([[2, 2], [2, 2]]), seed=0)}
    assert alike["raw"].value == 1.0
    assert all(math.isnan(alike[measure].value) for measure in ("nominal", "ordinal", "interval", "fleiss"))
    assert all(map(math.isnan, alike["nominal"].ci95))
    single = agreement(count_table([[1, _], [_, 2]]), seed=0)
    assert all(math.isnan(found.value) and found.num_units == 0 and found.num_single == 2 for found in single)
    (one_unit,) = agreement(count_table([[1, 2]]), ("nominal",), seed=0)
    assert one_unit.value == 0.0
    assert all(map(math.isnan, one_unit.ci95))


def test_bad_input_is_named() -> None:
    with pytest.raises(ValueError, match="not finite"):
        count_ratings([1.0, math.nan], ["u", "u"])
    with pytest.raises(ValueError, match="shapes"):
        count_ratings([1.0, 2.0], ["u"])
    with pytest.raises(ValueError, match="102 unequal values"):
        count_ratings(np.arange(102.0), np.zeros(102))
    with pytest.raises(ValueError, match="units, raters"):
        count_table([1.0, 2.0])
    with pytest.raises(ValueError, match="measure 'kappa': is none of nominal"):
        agreement(count_table([[1, 2]]), ("kappa",), seed=0)
