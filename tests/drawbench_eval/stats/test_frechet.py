"""The distance against matrix roots, closed forms and nuclear norm; influences against derivatives."""

import math
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from drawbench_eval.stats import frechet
from drawbench_eval.stats.clustered import clustered_mean
from drawbench_eval.stats.frechet import (
    frechet_distance,
    frechet_distance_of,
    influence_function,
    nuclear_trace_root,
    trace_root,
)
from drawbench_eval.stats.moments import Moments

Array = NDArray[np.float64]


def naive(m1: Array, s1: Array, m2: Array, s2: Array) -> float:
    """The textbook formula with scipy's matrix root."""
    root = scipy.linalg.sqrtm(s1 @ s2)
    return float(np.square(m1 - m2).sum() + np.trace(s1) + np.trace(s2) - 2 * np.trace(root).real)


def features(rng: np.random.Generator, n: int, d: int, rank: int | None = None) -> Array:
    mixed = rng.normal(size=(n, rank or d)) @ rng.normal(size=(rank or d, d))
    return np.asarray(mixed + rng.normal(size=d))


def given_moments(mean: Any, covariance: Any, n: int = 10_001) -> Moments:
    return Moments(n=n, mean=np.asarray(mean, dtype=float), m2=np.asarray(covariance, dtype=float) * (n - 1))


@pytest.mark.parametrize("d", [1, 2, 5, 16, 64])
def test_equals_the_textbook_formula(d: int) -> None:
    rng = np.random.default_rng(d)
    x, y = features(rng, 5 * d + 20, d), features(rng, 4 * d + 9, d)
    a, b = Moments.of(x), Moments.of(y)
    expected = naive(a.mean, np.atleast_2d(a.covariance), b.mean, np.atleast_2d(b.covariance))
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9)
    assert frechet_distance_of(x, y) == pytest.approx(expected, rel=1e-9)


def test_diagonal_gaussians_have_a_closed_form() -> None:
    s1, s2 = np.array([4.0, 9.0, 0.25]), np.array([1.0, 16.0, 0.0])
    a, b = given_moments([0, 0, 1], np.diag(s1)), given_moments([3, 0, 0], np.diag(s2))
    expected = 10 + np.square(np.sqrt(s1) - np.sqrt(s2)).sum()
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    n=st.tuples(st.integers(2, 40), st.integers(2, 40)),
    d=st.integers(1, 24),
    rank=st.integers(1, 24),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
    seed=st.integers(0, 2**32 - 1),
)
def test_every_path_agrees_over_shapes_ranks_and_scales(
    n: tuple[int, int], d: int, rank: int, scale: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, y = scale * features(rng, n[0], d, rank), scale * features(rng, n[1], d)
    a, b = Moments.of(x), Moments.of(y)
    size = float(np.trace(a.covariance) + np.trace(b.covariance))
    nuclear = nuclear_trace_root(x - a.mean, y - b.mean)
    assert trace_root(a, b) == pytest.approx(nuclear, abs=1e-9 * size)
    assert trace_root(b, a) == pytest.approx(nuclear, abs=1e-9 * size)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance_of(x, y), abs=2e-9 * size)
    eigenvalues = np.linalg.eigvals(a.covariance @ b.covariance)
    expected = np.sqrt(eigenvalues.astype(complex)).real.sum()
    assert nuclear == pytest.approx(expected, abs=1e-5 * size)


def loop_moments(x: Array) -> tuple[Array, Array]:
    """Mean and covariance, one entry at a time."""
    n, d = x.shape
    mean = [math.fsum(x[:, i]) / n for i in range(d)]
    entries = [
        [math.fsum((row[i] - mean[i]) * (row[j] - mean[j]) for row in x) / (n - 1) for j in range(d)]
        for i in range(d)
    ]
    return np.array(mean), np.array(entries)


def root_of(matrix: Array) -> Array:
    """The symmetric root from eigenvalues: unlike scipy's, defined for singular matrices too."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T)


def naive_by_eigenvalues(x: Array, y: Array) -> float:
    """|m1 - m2|^2 + tr S1 + tr S2 - 2 tr((R S2 R)^(1/2)) with R = S1^(1/2), from loops over the features."""
    (m1, s1), (m2, s2) = loop_moments(x), loop_moments(y)
    half = root_of(s1)
    root = np.trace(root_of(half @ s2 @ half))
    return float(np.square(m1 - m2).sum() + np.trace(s1) + np.trace(s2) - 2 * root)


@settings(max_examples=120, deadline=None, derandomize=True, database=None)
@given(
    n=st.tuples(st.integers(2, 20), st.integers(2, 20)),
    d=st.integers(1, 9),
    ranks=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    dead=st.integers(0, 3),
    scale=st.sampled_from([1e-6, 1e-3, 1.0, 1e3, 1e6]),
    mean=st.sampled_from([0.0, 1e4]),
    seed=st.integers(0, 2**32 - 1),
)
def test_equals_a_loop_with_real_matrix_roots(
    n: tuple[int, int], d: int, ranks: tuple[int, int], dead: int, scale: float, mean: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, y = (
        scale * np.concatenate([mean + features(rng, n[i], d, ranks[i]), np.zeros((n[i], dead))], axis=1)
        for i in range(2)
    )
    a, b = Moments.of(x), Moments.of(y)
    size = float(np.trace(a.covariance) + np.trace(b.covariance))
    expected = naive_by_eigenvalues(x, y)
    # The naive root keeps half of the digits in flat directions, so this cannot be tighter for singular sets.
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9, abs=1e-6 * size)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-9, abs=1e-6 * size)
    assert frechet_distance_of(x, y) == pytest.approx(expected, rel=1e-9, abs=1e-6 * size)
    for same, moments in ((x, a), (y, b)):
        assert frechet_distance(moments, moments) <= 1e-6 * size
        assert frechet_distance_of(same, same) <= 1e-6 * size


def at_fifty_digits(x: Array, y: Array) -> float:
    """The distance of features in arithmetic that no path shares."""
    with mpmath.workdps(50):

        def root(matrix: Any) -> Any:
            values, vectors = mpmath.eigsy(matrix)
            return vectors * mpmath.diag([mpmath.sqrt(max(value, 0)) for value in values]) * vectors.T

        def trace(matrix: Any) -> Any:
            return mpmath.fsum(matrix[i, i] for i in range(matrix.rows))

        means, covariances = [], []
        for features_of in (x, y):
            rows = mpmath.matrix(features_of.tolist())
            n = rows.rows
            mean = mpmath.matrix([mpmath.fsum(rows[:, j]) / n for j in range(rows.cols)])
            centred = mpmath.matrix(n, rows.cols)
            for i in range(n):
                for j in range(rows.cols):
                    centred[i, j] = rows[i, j] - mean[j]
            means.append(mean)
            covariances.append(centred.T * centred / (n - 1))
        half = root(covariances[0])
        inner = half * covariances[1] * half
        gap = mpmath.fsum((p - q) ** 2 for p, q in zip(*means, strict=True))
        return float(
            gap + trace(covariances[0]) + trace(covariances[1]) - 2 * trace(root((inner + inner.T) / 2))
        )


@pytest.mark.parametrize("mean", [0.0, 1e4])
@pytest.mark.parametrize(
    ("n", "ranks", "dead"),
    [
        ((30, 25), (6, 6), 0),
        ((30, 25), (6, 6), 2),
        ((30, 25), (3, 6), 0),
        ((30, 25), (6, 2), 1),
        ((4, 25), (6, 6), 0),
        ((4, 3), (6, 6), 0),
        ((7, 7), (6, 6), 0),
        ((2, 2), (1, 1), 0),
    ],
)
def test_singular_covariances_cost_no_digits(
    n: tuple[int, int], ranks: tuple[int, int], dead: int, mean: float
) -> None:
    rng = np.random.default_rng(sum(n) + dead)
    x, y = (
        np.concatenate([mean + features(rng, n[i], 6, ranks[i]), np.zeros((n[i], dead))], axis=1)
        for i in range(2)
    )
    expected = at_fifty_digits(x, y)
    a, b = Moments.of(x), Moments.of(y)
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(b, a) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance_of(x, y) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("smallest", [1e-2, 1e-4, 1e-6, 1e-9])
def test_ill_conditioned_covariances_cost_no_digits_either(smallest: float) -> None:
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    x, y = (rng.normal(size=(40, 6)) * np.geomspace(1.0, smallest, 6) @ turn for _ in range(2))
    expected = at_fifty_digits(x, y)
    assert frechet_distance(Moments.of(x), Moments.of(y)) == pytest.approx(expected, rel=1e-8)


def test_a_ridge_on_the_diagonal_in_place_of_exactness_would_be_seen() -> None:
    rng = np.random.default_rng(1)
    x, y = (np.concatenate([features(rng, 30, 4), np.full((30, 1), 3.0)], axis=1) for _ in range(2))
    a, b = Moments.of(x), Moments.of(y)
    padded = [m.covariance + 1e-6 * np.eye(5) for m in (a, b)]
    off = naive(a.mean, padded[0], b.mean, padded[1]) / at_fifty_digits(x, y) - 1
    assert abs(off) > 1e-8


@pytest.mark.parametrize(
    ("n", "d", "rank"), [(200, 16, 16), (200, 16, 5), (10, 64, 64), (3, 8, 1), (65, 64, 64)]
)
def test_identical_sets_are_at_distance_zero(n: int, d: int, rank: int) -> None:
    x = features(np.random.default_rng(n), n, d, rank)
    moments = Moments.of(x)
    size = float(np.trace(moments.covariance))
    assert frechet_distance(moments, moments) <= 1e-6 * size
    assert frechet_distance_of(x, x) <= 1e-6 * size


@pytest.mark.parametrize("constant", [0.0, 0.1, 1e3])
def test_dead_channels_are_left_out_of_the_root_and_change_nothing(
    constant: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    x, y = features(rng, 300, 12), features(rng, 300, 12)
    expected = frechet_distance(Moments.of(x), Moments.of(y))
    dead = np.full((300, 3), constant)
    x, y = np.concatenate([x, dead], axis=1), np.concatenate([y, dead], axis=1)
    # The way of singular values takes longer.
    monkeypatch.delattr(frechet, "_singular_sum")
    assert frechet_distance(Moments.of(x), Moments.of(y)) == pytest.approx(expected, rel=1e-10)


def test_a_channel_that_is_dead_on_one_side_only_counts_outside_the_root() -> None:
    rng = np.random.default_rng(2)
    x, y = features(rng, 40, 6), features(rng, 30, 6)
    y[:, 2] = 0.7
    expected = at_fifty_digits(x, y)
    assert frechet_distance(Moments.of(x), Moments.of(y)) == pytest.approx(expected, rel=1e-8)
    assert frechet_distance(Moments.of(y), Moments.of(x)) == pytest.approx(expected, rel=1e-8)


def test_a_small_reference_costs_no_digits() -> None:
    """Fewer vectors than dimensions on one side: rounded zero eigenvalues would move the root by 7e-9."""
    rng = np.random.default_rng(0)
    x, y = (rng.normal(size=(n, 256)) * np.geomspace(1.0, 1e-2, 256) for n in (1000, 50))
    a, b = Moments.of(x), Moments.of(y)
    expected = nuclear_trace_root(x - a.mean, y - b.mean)
    assert trace_root(a, b) == pytest.approx(expected, rel=1e-11)
    assert trace_root(b, a) == pytest.approx(expected, rel=1e-11)


def test_constant_features_have_a_distance() -> None:
    a, b = Moments.of(np.zeros((5, 3))), Moments.of(np.ones((7, 3)))
    assert frechet_distance(a, b) == pytest.approx(3.0, rel=1e-12)


def weighted(x: Array, weights: Array, n: int) -> Moments:
    mean = weights @ x
    centred = x - mean
    return given_moments(mean, (centred * weights[:, None]).T @ centred, n)


def test_influence_is_the_derivative_of_the_distance_in_a_samples_weight() -> None:
    rng = np.random.default_rng(1)
    x, y = features(rng, 4000, 4), features(rng, 50, 4)
    a, b = Moments.of(x), Moments.of(y)
    values = influence_function(a, b)(x)
    even = np.full(len(x), 1 / len(x))
    step = 1e-5
    for index in (0, 7, int(values.argmax()), int(values.argmin())):
        towards = np.zeros(len(x))
        towards[index] = 1.0
        up = frechet_distance(weighted(x, (1 - step) * even + step * towards, a.n), b)
        down = frechet_distance(weighted(x, (1 + step) * even - step * towards, a.n), b)
        assert values[index] == pytest.approx((up - down) / (2 * step), rel=2e-3, abs=1e-2)


@settings(max_examples=60, deadline=None, derandomize=True, database=None)
@given(
    n=st.tuples(st.integers(4, 24), st.integers(4, 24)),
    d=st.integers(1, 6),
    rank=st.integers(1, 6),
    dead=st.integers(0, 2),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    mean=st.sampled_from([0.0, 1e4]),
    seed=st.integers(0, 2**32 - 1),
)
def test_influence_predicts_what_reweighting_one_sample_does(
    n: tuple[int, int], d: int, rank: int, dead: int, scale: float, mean: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    x, y = (
        scale * np.concatenate([mean + features(rng, count, d, rank), np.zeros((count, dead))], axis=1)
        for count in n
    )
    a, b = Moments.of(x), Moments.of(y)
    values = influence_function(a, b)(x)
    assert abs(values.sum()) <= 1e-7 * np.abs(values).sum()
    linear = 2 * (x - a.mean) @ (a.mean - b.mean)
    even, step = np.full(n[0], 1 / n[0]), 1e-4
    bessel = n[0] / (n[0] - 1)
    size = float(np.trace(a.covariance) + np.trace(b.covariance))
    for index in range(n[0]):
        towards = np.eye(n[0])[index] - even
        up, down = (
            frechet_distance(reweighted(x, even + sign * step * towards, bessel), b) for sign in (1, -1)
        )
        # The covariance divides by n - 1, so its share of the derivative is n / (n - 1) times as large.
        expected = linear[index] + bessel * (values[index] - linear[index])
        assert (up - down) / (2 * step) == pytest.approx(expected, rel=1e-4, abs=1e-4 * size)


def reweighted(x: Array, weights: Array, bessel: float) -> Moments:
    mean = weights @ x
    centred = x - mean
    return given_moments(mean, bessel * (centred * weights[:, None]).T @ centred, len(x))


@pytest.mark.parametrize(("n", "d", "rank"), [(300, 8, 8), (300, 8, 3), (12, 40, 40), (5, 3, 1)])
def test_influences_add_up_to_zero(n: int, d: int, rank: int) -> None:
    rng = np.random.default_rng(n)
    x = features(rng, n, d, rank)
    values = influence_function(Moments.of(x), Moments.of(features(rng, 400, d)))(x)
    assert abs(values.sum()) < 1e-7 * np.abs(values).sum()
    assert values.std() > 0


def test_influence_against_the_transport_map_itself() -> None:
    rng = np.random.default_rng(3)
    x = features(rng, 60, 3)
    a, b = Moments.of(x), Moments.of(features(rng, 90, 3))
    half = scipy.linalg.sqrtm(a.covariance)
    inverse = np.linalg.inv(half)
    transport = inverse @ scipy.linalg.sqrtm(half @ b.covariance @ half) @ inverse
    np.testing.assert_allclose(transport @ a.covariance @ transport, b.covariance, rtol=1e-8)
    residual = np.eye(3) - transport
    centred = x - a.mean
    expected = 2 * centred @ (a.mean - b.mean) + np.einsum("ni,ij,nj->n", centred, residual, centred)
    expected -= np.trace(residual @ (a.m2 / a.n))
    np.testing.assert_allclose(influence_function(a, b)(x), expected, rtol=1e-8, atol=1e-9)


def test_clustered_errors_are_the_spread_over_repeated_draws_single_and_paired() -> None:
    rng = np.random.default_rng(5)
    mixing = rng.normal(size=(3, 3))
    reference = given_moments([0.4, 0.0, 0.0], np.eye(3))
    clusters = np.repeat(np.arange(80), 4)
    values, errors = [], []
    for _ in range(400):
        # Images of a prompt share half of their variance; a second model draws nearly the same images.
        x = (rng.normal(size=(80, 3))[clusters] + rng.normal(size=(320, 3))) @ mixing / np.sqrt(2)
        y = 1.1 * x + 0.2 * rng.normal(size=x.shape)
        a, b = Moments.of(x), Moments.of(y)
        of_a, of_b = influence_function(a, reference)(x), influence_function(b, reference)(y)
        values.append(
            (frechet_distance(a, reference), frechet_distance(b, reference) - frechet_distance(a, reference))
        )
        single, paired = clustered_mean(of_a, clusters), clustered_mean(of_b - of_a, clusters)
        unclustered = clustered_mean(of_a, np.arange(320))
        errors.append((single.standard_error, paired.standard_error, unclustered.standard_error))
    spread_single, spread_paired = np.std(values, axis=0, ddof=1)
    error_single, error_paired, unclustered_error = np.mean(errors, axis=0)
    assert error_single == pytest.approx(spread_single, rel=0.12)
    assert error_paired == pytest.approx(spread_paired, rel=0.12)
    # Without clusters, or unpaired, the figure would be far off: the test can tell.
    assert unclustered_error < 0.8 * spread_single
    assert error_paired < 0.5 * error_single


def test_errors_are_those_of_the_bootstrap_over_prompts_where_that_holds() -> None:
    """n = 160 d. At n = 15 d and below the bootstrap itself is a third and more too wide."""
    rng = np.random.default_rng(6)
    clusters = np.repeat(np.arange(120), 4)
    x = rng.normal(size=(120, 3))[clusters] + rng.normal(size=(480, 3)) @ rng.normal(size=(3, 3))
    y = 1.2 * x + 0.3 * rng.normal(size=x.shape)
    reference = given_moments([0.5, 0.0, 0.0], np.diag([1.0, 2.0, 0.5]))

    def distances(images: Array) -> tuple[float, float]:
        a, b = (frechet_distance(weighted(z, images / images.sum(), 480), reference) for z in (x, y))
        return a, b - a

    drawn = rng.multinomial(120, np.full(120, 1 / 120), size=800)[:, clusters].astype(float)
    bootstrap = np.std([distances(images) for images in drawn], axis=0, ddof=1)
    of_x, of_y = (influence_function(Moments.of(z), reference)(z) for z in (x, y))
    errors = [clustered_mean(values, clusters).standard_error for values in (of_x, of_y - of_x)]
    np.testing.assert_allclose(errors, bootstrap, rtol=0.1)
    # As if images were drawn one by one, it would be another figure.
    assert clustered_mean(of_x, np.arange(480)).standard_error < 0.85 * bootstrap[0]


def test_equal_images_have_no_influence_and_raise_nothing() -> None:
    x = np.ones((6, 4))
    reference = Moments.of(features(np.random.default_rng(0), 30, 4))
    np.testing.assert_array_equal(influence_function(Moments.of(x), reference)(x), np.zeros(6))
