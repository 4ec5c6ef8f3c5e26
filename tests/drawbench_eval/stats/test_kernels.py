"""Discrepancies in blocks against a loop over all pairs, closed forms and derivatives."""

import itertools
import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from drawbench_eval.stats import kernels
from drawbench_eval.stats.kernels import discrepancy, gaussian, polynomial

Array = NDArray[np.float64]


def cubic_of_pair(a: Array, b: Array) -> float:
    return (math.fsum(p * q for p, q in zip(a, b, strict=True)) / len(a) + 1) ** 3


def gaussian_of_pair(a: Array, b: Array, sigma: float) -> float:
    return math.exp(-math.fsum((p - q) ** 2 for p, q in zip(a, b, strict=True)) / (2 * sigma**2))


def naive(x: Array, y: Array, pair: Callable[[Array, Array], float], *, unbiased: bool) -> float:
    """The textbook sums over all pairs, one at a time."""

    def within(z: Array) -> float:
        pairs = itertools.permutations(z, 2) if unbiased else itertools.product(z, z)
        count = len(z) * (len(z) - 1) if unbiased else len(z) ** 2
        return math.fsum(pair(a, b) for a, b in pairs) / count

    across = math.fsum(pair(a, b) for a, b in itertools.product(x, y)) / (len(x) * len(y))
    return within(x) + within(y) - 2 * across


@pytest.mark.parametrize("unbiased", [True, False])
@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    n=st.integers(2, 14),
    m=st.integers(2, 14),
    d=st.integers(1, 9),
    rank=st.integers(1, 9),
    block=st.integers(1, 16),
    scale=st.sampled_from([1e-6, 1e-2, 1.0, 30.0, 1e3]),
    mean=st.sampled_from([0.0, 1.0, 100.0]),
    kind=st.sampled_from(["polynomial", "gaussian"]),
    seed=st.integers(0, 2**32 - 1),
)
def test_blocks_give_the_sums_over_all_pairs(
    n: int,
    m: int,
    d: int,
    rank: int,
    block: int,
    scale: float,
    mean: float,
    kind: str,
    seed: int,
    unbiased: bool,
) -> None:
    rng = np.random.default_rng(seed)
    mixing = scale * rng.normal(size=(rank, d))
    x = mean + rng.normal(size=(n, rank)) @ mixing
    y = mean + 0.5 * scale + rng.normal(size=(m, rank)) @ mixing
    if kind == "polynomial":
        kernel, pair = polynomial, cubic_of_pair
    else:
        sigma = 1.3 * scale * math.sqrt(d)
        kernel, pair = partial(gaussian, sigma=sigma), partial(gaussian_of_pair, sigma=sigma)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kernels, "BLOCK", block)
        found = discrepancy(x, y, kernel, unbiased=unbiased)
    # Means of kernel values cancel: what is left is exact to rounding of the largest of them. For |a - b|^2
    # of far points rounding is that of |a|^2 over sigma^2.
    largest = max(abs(pair(a, b)) for a, b in itertools.product([*x, *y], repeat=2))
    rounding = 1e-13 * largest
    if kind == "gaussian":
        rounding += 1e-14 * float(np.square([*x, *y]).sum(axis=1).max()) / sigma**2
    assert found.value == pytest.approx(naive(x, y, pair, unbiased=unbiased), rel=1e-10, abs=rounding)
    assert found.influence_x.shape == (n,)
    assert found.influence_y.shape == (m,)
    assert abs(found.influence_x.mean()) <= 10 * rounding
    assert abs(found.influence_y.mean()) <= 10 * rounding


@pytest.mark.parametrize("unbiased", [True, False])
def test_the_diagonal_is_what_the_two_statistics_differ_by(unbiased: bool) -> None:
    x, y = np.array([[0.0], [1.0]]), np.array([[3.0], [5.0]])
    # Products 0 0 / 0 1 within x, 9 15 / 15 25 within y, 0 0 / 3 5 across: cubes of one more.
    within_x, within_y = (1.0, 16.0**3) if unbiased else (11 / 4, (10**3 + 2 * 16**3 + 26**3) / 4)
    expected = within_x + within_y - 2 * (1 + 1 + 4**3 + 6**3) / 4
    assert discrepancy(x, y, polynomial, unbiased=unbiased).value == expected


def test_float32_vectors_are_summed_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    x = (5 + rng.normal(size=(30, 12))).astype(np.float32)
    y = (5 + rng.normal(size=(25, 12))).astype(np.float32)
    monkeypatch.setattr(kernels, "BLOCK", 7)
    single = discrepancy(x, y, polynomial, unbiased=True).value
    assert single == pytest.approx(
        naive(x.astype(float), y.astype(float), cubic_of_pair, unbiased=True), rel=1e-9
    )
    low = polynomial(x, x)  # type: ignore[arg-type]
    off = np.abs(low - polynomial(x.astype(float), x.astype(float))).max() / low.max()
    assert off > 1e-8  # float32 products would have been seen


def weighted_v(x: Array, weights: Array, y: Array) -> float:
    """MMD^2 of x with these weights, which add up to 1, to y: the functional that the statistics estimate."""
    even = np.full(len(y), 1 / len(y))
    within = weights @ polynomial(x, x) @ weights + even @ polynomial(y, y) @ even
    return float(within - 2 * weights @ polynomial(x, y) @ even)


def test_influences_are_the_derivative_in_a_samples_weight() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(0.4, 1, (17, 3)), rng.normal(size=(11, 3))
    found = discrepancy(x, y, polynomial, unbiased=False)
    even, step = np.full(17, 1 / 17), 1e-5
    for index in range(17):
        towards = np.eye(17)[index] - even
        up = weighted_v(x, even + step * towards, y)
        down = weighted_v(x, even - step * towards, y)
        assert found.influence_x[index] == pytest.approx((up - down) / (2 * step), rel=1e-6)
    # The other side is the same with the sets exchanged.
    turned = discrepancy(y, x, polynomial, unbiased=False)
    assert turned.value == pytest.approx(found.value, rel=1e-12)
    np.testing.assert_allclose(turned.influence_x, found.influence_y, rtol=1e-9, atol=1e-12)


def test_influence_predicts_what_leaving_a_sample_out_does_to_the_unbiased_statistic() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.normal(0.5, 1, (400, 2)), rng.normal(size=(300, 2))
    found = discrepancy(x, y, polynomial, unbiased=True)
    for index in (0, int(found.influence_x.argmax()), int(found.influence_x.argmin())):
        fewer = discrepancy(np.delete(x, index, axis=0), y, polynomial, unbiased=True).value
        assert found.value - fewer == pytest.approx(found.influence_x[index] / 399, rel=1e-2)


def test_the_unbiased_statistic_is_negative_as_often_as_positive_on_equal_distributions() -> None:
    rng = np.random.default_rng(3)
    draws = [
        [discrepancy(*rng.normal(size=(2, 20, 4)), polynomial, unbiased=kind).value for _ in range(400)]
        for kind in (True, False)
    ]
    unbiased, biased = np.array(draws)
    assert abs(unbiased.mean()) < 3 * unbiased.std() / 20
    assert 0.3 < (unbiased < 0).mean() < 0.7
    assert biased.min() >= 0.0


def test_identical_sets_have_no_discrepancy() -> None:
    x = np.random.default_rng(4).normal(size=(40, 6))
    found = discrepancy(x, x, polynomial, unbiased=False)
    assert found.value == pytest.approx(0.0, abs=1e-12)
    np.testing.assert_allclose(found.influence_x, 0.0, atol=1e-10)


@pytest.mark.parametrize(("n", "m"), [(1, 5), (5, 1), (0, 0)])
def test_one_vector_has_no_discrepancy(n: int, m: int) -> None:
    with pytest.raises(ValueError, match=f"vectors: {n} and {m}; a discrepancy takes at least two"):
        discrepancy(np.ones((n, 3)), np.ones((m, 3)), polynomial, unbiased=True)
