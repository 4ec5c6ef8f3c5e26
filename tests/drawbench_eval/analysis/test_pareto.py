import numpy as np
import pytest

from drawbench_eval.analysis.pareto import (
    front_at,
    lowest_at,
    matched_difference,
    overlap,
    pareto_front,
)


def naive_front(x, y):
    """Lower x, higher y: kept unless some other point is as good in both and better in one."""
    kept = []
    for i in range(len(x)):
        beaten = any(
            x[j] <= x[i] and y[j] >= y[i] and (x[j] < x[i] or y[j] > y[i]) for j in range(len(x)) if j != i
        )
        kept.append(not beaten)
    return kept


@pytest.mark.parametrize("seed", range(5))
def test_front_equals_naive_front_with_ties(seed):
    rng = np.random.default_rng(seed)
    x, y = rng.integers(0, 6, size=(2, 40)).astype(float)
    assert pareto_front(x, y).tolist() == naive_front(x, y)


def test_equal_points_both_stay_and_nan_never():
    x = np.array([1.0, 1.0, 2.0, np.nan])
    y = np.array([3.0, 3.0, 2.0, 9.0])
    assert pareto_front(x, y).tolist() == [True, True, False, False]


def test_directions():
    x, y = np.array([1.0, 2.0, 3.0]), np.array([1.0, 2.0, 3.0])
    assert pareto_front(x, y, x_higher=True, y_higher=True).tolist() == [False, False, True]
    assert pareto_front(x, y, x_higher=False, y_higher=False).tolist() == [True, False, False]
    assert pareto_front(x, y).tolist() == [True, True, True]


def test_lowest_at_takes_the_better_passage_of_a_curve_that_turns_down():
    alignment, distance = np.array([0.0, 1.0, 0.5]), np.array([4.0, 2.0, 8.0])
    found = lowest_at(np.array([-0.1, 0.0, 0.5, 1.0, 1.1]), alignment, distance)
    np.testing.assert_allclose(found, [np.nan, 4.0, 3.0, 2.0, np.nan])
    # On the way back the curve lies at 8 where alignment is 0.5: the same points the other way round.
    back = lowest_at(np.array([0.5]), alignment[::-1], distance[::-1])
    np.testing.assert_allclose(back, [3.0])


def test_lowest_at_on_a_flat_piece():
    found = lowest_at(np.array([1.0]), np.array([1.0, 1.0]), np.array([5.0, 3.0]))
    np.testing.assert_allclose(found, [3.0])


def test_matched_difference_of_parallel_lines_is_their_distance():
    first = (np.array([0.0, 1.0]), np.array([1.0, 3.0]))
    second = (np.array([0.5, 2.0]), np.array([2.0 + 0.75, 5.0 + 0.75]))
    gap, share = matched_difference(first, second)
    assert gap == pytest.approx(-0.75)
    assert share == 1.0


def test_no_overlap_is_nan():
    first = (np.array([0.0, 1.0]), np.array([1.0, 3.0]))
    second = (np.array([1.5, 2.0]), np.array([1.0, 3.0]))
    low, high = overlap(first[0], second[0])
    assert (low, high) == (1.5, 1.0)
    assert np.isnan(matched_difference(first, second)).all()
    assert np.isnan(matched_difference((np.array([0.5]), np.array([1.0])), first)).all()


def test_many_curves_at_once_are_as_one_by_one():
    rng = np.random.default_rng(1)
    first, second = (rng.normal(size=(2, 30, 5)) for _ in range(2))
    gaps, shares = matched_difference((first[0], first[1]), (second[0], second[1]))
    for i in range(30):
        gap, share = matched_difference((first[0, i], first[1, i]), (second[0, i], second[1, i]))
        np.testing.assert_allclose((gaps[i], shares[i]), (gap, share))
    assert not np.isnan(gaps).all()


def test_many_fronts_at_once_are_as_one_by_one():
    rng = np.random.default_rng(2)
    x, y = rng.integers(0, 5, size=(2, 50, 12)).astype(float)
    x[3, 4] = np.nan
    together = pareto_front(x, y)
    for index in range(50):
        known = ~np.isnan(x[index])
        assert together[index][known].tolist() == naive_front(x[index][known], y[index][known])
    assert not together[3, 4]


def test_front_at_is_the_lowest_distance_at_the_level_or_above():
    alignment, distance = np.array([0.0, 1.0, 2.0]), np.array([9.0, 4.0, 6.0])
    found = front_at(np.array([-1.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.1]), alignment, distance)
    np.testing.assert_allclose(found, [4.0, 4.0, 4.0, 4.0, 5.0, 6.0, np.nan])
