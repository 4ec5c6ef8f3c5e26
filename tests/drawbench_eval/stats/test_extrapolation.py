"""FID-infinity against the population's own distance, in closed form."""

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbench_eval.stats import extrapolation
from drawbench_eval.stats.clustered import t_quantile
from drawbench_eval.stats.extrapolation import frechet_infinity, smallest_size
from drawbench_eval.stats.frechet import frechet_distance
from drawbench_eval.stats.moments import Moments

Array = NDArray[np.float64]

# A diagonal Gaussian against the unit one: the distance of the populations is a sum.
DEVIATIONS = np.linspace(0.5, 1.5, 6)
MEAN = 0.1
POPULATION = 6 * MEAN**2 + float(np.square(DEVIATIONS - 1).sum())
REFERENCE = Moments(n=10**6, mean=np.zeros(6), m2=np.eye(6) * (10**6 - 1))


def sample(rng: np.random.Generator, prompts: int, each: int) -> tuple[Array, NDArray[np.int64]]:
    """Vectors and their prompts; those of one prompt share half of their variance."""
    labels = np.repeat(np.arange(prompts), each)
    shared = rng.normal(size=(prompts, 6))[labels] if each > 1 else rng.normal(size=(prompts, 6))
    mixed = (shared + rng.normal(size=(len(labels), 6))) / math.sqrt(2)
    return MEAN + mixed * DEVIATIONS, labels


@pytest.mark.parametrize(("prompts", "each"), [(90, 1), (30, 4)])
def test_the_population_is_recovered_where_the_plain_distance_is_biased(prompts: int, each: int) -> None:
    rng = np.random.default_rng(prompts)
    plain, infinite = [], []
    for _ in range(60):
        vectors, labels = sample(rng, prompts, each)
        plain.append(frechet_distance(Moments.of(vectors), REFERENCE))
        infinite.append(frechet_infinity(vectors, labels, REFERENCE, seed=0).value)
    error = np.std(infinite, ddof=1) / math.sqrt(60)
    assert np.mean(infinite) == pytest.approx(POPULATION, abs=3 * error)
    assert np.mean(plain) > POPULATION + 3 * error
    assert np.mean(plain) - POPULATION > 3 * abs(np.mean(infinite) - POPULATION)


def test_a_large_sample_gives_the_known_value_within_its_interval() -> None:
    vectors, labels = sample(np.random.default_rng(1), 4000, 1)
    estimate = frechet_infinity(vectors, labels, REFERENCE, seed=0)
    assert estimate.value == pytest.approx(POPULATION, abs=0.1)
    low, high = estimate.interval()
    assert low < POPULATION < high
    assert high - low < 0.3
    # The jackknife has ten groups, and so nine degrees of freedom.
    assert (high - low) / 2 == pytest.approx(t_quantile(9, 0.95) * estimate.standard_error, rel=1e-12)
    assert estimate.n == 4000


def test_a_distance_that_falls_along_a_line_is_read_at_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_a_line(generated: Moments, reference: Moments) -> float:
        return 7.0 + 30.0 / generated.n

    monkeypatch.setattr(extrapolation, "frechet_distance", on_a_line)
    vectors, labels = sample(np.random.default_rng(2), 50, 1)
    estimate = frechet_infinity(vectors, labels, REFERENCE, seed=0)
    assert estimate.value == pytest.approx(7.0, rel=1e-9)
    assert estimate.standard_error == pytest.approx(0.0, abs=1e-9)


def test_the_line_weighs_each_distance_by_the_vectors_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def on_a_curve(generated: Moments, reference: Moments) -> float:
        return 7.0 + 30.0 / generated.n + 900.0 / generated.n**2

    monkeypatch.setattr(extrapolation, "frechet_distance", on_a_curve)
    vectors, labels = sample(np.random.default_rng(2), 56, 1)
    # Eight even steps of 1/n from 2/56 to 1/56, in whole vectors; only halves fit in twice.
    sizes = np.array([28, 30, 33, 36, 39, 44, 49, 56])
    counts = np.array([2, 1, 1, 1, 1, 1, 1, 1])
    rows = np.stack([np.ones(8), 1 / sizes], axis=1)
    values = 7.0 + 30.0 / sizes + 900.0 / sizes**2
    normal = rows.T @ ((counts * sizes)[:, None] * rows)
    expected = np.linalg.solve(normal, rows.T @ (counts * sizes * values))[0]
    assert frechet_infinity(vectors, labels, REFERENCE, seed=0).value == pytest.approx(expected, rel=1e-9)
    unweighted = np.linalg.lstsq(rows, values)[0][0]
    assert abs(unweighted - expected) > 1e-3


def test_the_jackknife_is_that_of_its_formula(monkeypatch: pytest.MonkeyPatch) -> None:
    def mean_of_first(shuffled: Array, reference: Moments) -> float:
        return float(shuffled[:, 0].mean())

    monkeypatch.setattr(extrapolation, "_fit", mean_of_first)
    vectors, labels = sample(np.random.default_rng(3), 120, 1)
    estimate = frechet_infinity(vectors, labels, REFERENCE, seed=4)
    assert estimate.value == pytest.approx(vectors[:, 0].mean(), rel=1e-12)
    # For a mean, groups of equal size give an estimate of its ordinary error with nine degrees of freedom.
    errors = [
        frechet_infinity(vectors, labels, REFERENCE, seed=seed).standard_error ** 2 for seed in range(200)
    ]
    assert np.mean(errors) == pytest.approx(vectors[:, 0].var(ddof=1) / 120, rel=0.1)


def test_images_of_a_prompt_are_kept_together_and_left_out_together(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[float]] = []

    def note(shuffled: Array, reference: Moments) -> float:
        seen.append(shuffled[:, 0].tolist())
        return 0.0

    monkeypatch.setattr(extrapolation, "_fit", note)
    labels = np.tile(np.arange(20), 3)
    vectors = np.repeat(labels[:, None], 6, axis=1).astype(np.float64)
    frechet_infinity(vectors, labels, REFERENCE, seed=0)
    whole, *left_out = seen
    assert len(left_out) == 10
    for prompts in seen:
        runs = [prompts[at : at + 3] for at in range(0, len(prompts), 3)]
        assert all(len(set(run)) == 1 for run in runs)
    assert sorted(whole) == sorted(labels.tolist())
    assert whole != sorted(whole)
    missing = [set(whole) - set(prompts) for prompts in left_out]
    assert all(len(group) == 2 for group in missing)
    assert set.union(*missing) == set(whole)


def test_the_seed_decides_the_order_and_nothing_else_does() -> None:
    vectors, labels = sample(np.random.default_rng(5), 40, 2)
    first = frechet_infinity(vectors, labels, REFERENCE, seed=0)
    assert frechet_infinity(vectors, labels, REFERENCE, seed=0) == first
    assert frechet_infinity(vectors, labels, REFERENCE, seed=1).value != first.value
    assert frechet_infinity(vectors, labels + 1000, REFERENCE, seed=0) == first
    prompts_elsewhere = np.argsort(np.random.default_rng(6).permutation(40)[labels], kind="stable")
    moved = frechet_infinity(vectors[prompts_elsewhere], labels[prompts_elsewhere], REFERENCE, seed=0)
    assert moved.value == pytest.approx(first.value, rel=1e-9)
    assert moved.standard_error == pytest.approx(first.standard_error, rel=1e-9)


def test_too_few_vectors_or_prompts_are_refused() -> None:
    vectors, labels = sample(np.random.default_rng(7), 30, 1)
    assert smallest_size(6) == 30
    assert math.isfinite(frechet_infinity(vectors, labels, REFERENCE, seed=0).value)
    with pytest.raises(ValueError, match="29 vectors of length 6: at least 30 are needed to extrapolate"):
        frechet_infinity(vectors[:29], labels[:29], REFERENCE, seed=0)
    with pytest.raises(ValueError, match="9 prompts: at least 10 are needed for the error"):
        frechet_infinity(vectors, labels % 9, REFERENCE, seed=0)
