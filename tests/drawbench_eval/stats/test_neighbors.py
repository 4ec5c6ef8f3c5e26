"""Neighbourhoods in blocks against brute force, and which of the measures sees which fault."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from drawbench_eval.stats import neighbors
from drawbench_eval.stats.neighbors import kth_distance, neighborhoods

Array = NDArray[np.float64]


def radius(vectors: Array, index: int, k: int) -> float:
    """The distance to the k-th nearest other, by sorting."""
    return sorted(
        float(np.linalg.norm(vectors[index] - other)) for j, other in enumerate(vectors) if j != index
    )[k - 1]


def naive(x: Array, y: Array, k: int) -> tuple[list[bool], list[float], list[bool], list[bool]]:
    """Precision, density, recall and coverage per vector, straight from their definitions."""
    apart = [[float(np.linalg.norm(a - b)) for b in y] for a in x]
    ball_x = [radius(x, i, k) for i in range(len(x))]
    ball_y = [radius(y, j, k) for j in range(len(y))]
    n, m = range(len(x)), range(len(y))
    realistic = [any(apart[i][j] < ball_y[j] for j in m) for i in n]
    density = [sum(apart[i][j] < ball_y[j] for j in m) / k for i in n]
    recalled = [any(apart[i][j] < ball_x[i] for i in n) for j in m]
    covered = [any(apart[i][j] < ball_y[j] for i in n) for j in m]
    return realistic, density, recalled, covered


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    sizes=st.tuples(st.integers(7, 24), st.integers(7, 24)),
    d=st.integers(1, 12),
    rank=st.integers(1, 12),
    k=st.integers(1, 6),
    block=st.integers(1, 26),
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
    mean=st.sampled_from([0.0, 1e4]),
    seed=st.integers(0, 2**32 - 1),
)
def test_blocks_give_what_the_definitions_say(
    sizes: tuple[int, int], d: int, rank: int, k: int, block: int, scale: float, mean: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    mixing = rng.normal(size=(rank, d))
    x = scale * (mean + 0.8 * rng.normal(size=(sizes[0], rank)) @ mixing)
    y = scale * (mean + 0.3 + rng.normal(size=(sizes[1], rank)) @ mixing)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbors, "BLOCK", block)
        found = neighborhoods(x, y, k=k)
    realistic, density, recalled, covered = naive(x, y, k)
    np.testing.assert_array_equal(found.realistic, realistic)
    np.testing.assert_allclose(found.density, density, rtol=1e-15)
    np.testing.assert_array_equal(found.recalled, recalled)
    np.testing.assert_array_equal(found.covered, covered)


@settings(max_examples=100, deadline=None, derandomize=True, database=None)
@given(
    n=st.integers(4, 30),
    d=st.integers(1, 8),
    k=st.integers(1, 3),
    block=st.integers(1, 32),
    seed=st.integers(0, 2**32 - 1),
)
def test_the_kth_distance_leaves_the_vector_itself_out_but_not_its_copies(
    n: int, d: int, k: int, block: int, seed: int
) -> None:
    # Whole numbers: ties and copies are frequent, and squares exact.
    vectors = np.random.default_rng(seed).integers(0, 3, (n, d)).astype(np.float64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbors, "BLOCK", block)
        found = kth_distance(vectors, k)
    np.testing.assert_allclose(np.sqrt(found), [radius(vectors, i, k) for i in range(n)], rtol=1e-12)


def two_heaps(rng: np.random.Generator) -> tuple[Array, Array]:
    """40 vectors about 0 and 40 about 100; the first heap alone is the other set."""
    near, far = rng.normal(size=(40, 2)), 100 + rng.normal(size=(40, 2))
    return near + 0.01, np.concatenate([near, far])


def test_dropped_modes_lower_recall_and_coverage_and_not_precision() -> None:
    generated, reference = two_heaps(np.random.default_rng(0))
    found = neighborhoods(generated, reference, k=3)
    assert found.realistic.mean() > 0.9
    assert found.recalled.mean() == found.recalled[:40].sum() / 80 <= 0.5
    assert found.covered.mean() == found.covered[:40].sum() / 80 <= 0.5
    assert found.recalled[:40].mean() > 0.9


def test_invented_modes_lower_precision_and_density_and_not_recall() -> None:
    reference, generated = two_heaps(np.random.default_rng(0))
    found = neighborhoods(generated, reference, k=3)
    assert found.recalled.mean() > 0.9
    assert found.covered.mean() > 0.9
    assert found.realistic.mean() == found.realistic[:40].sum() / 80 <= 0.5
    assert found.density[40:].sum() == 0


def test_recall_is_the_precision_of_the_exchanged_sets_and_coverage_is_not() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(50, 3)), rng.normal(0.4, 1.4, (70, 3))
    found, turned = neighborhoods(x, y), neighborhoods(y, x)
    np.testing.assert_array_equal(found.recalled, turned.realistic)
    np.testing.assert_array_equal(found.realistic, turned.recalled)
    assert found.realistic.mean() != found.recalled.mean()
    # A few vectors far apart have balls that hold everything, and lie in few of the reference's own.
    few = neighborhoods(5 * rng.normal(size=(6, 3)), y)
    assert few.recalled.all()
    assert few.covered.mean() < 0.5


def test_density_counts_the_balls_over_k() -> None:
    reference = np.array([[0.0], [1.0], [2.0], [10.0]])
    # With k = 2 the balls reach 2, 1, 2 and 9 far.
    found = neighborhoods(np.array([[0.5], [1.5], [11.0], [-5.0]]), reference, k=2)
    np.testing.assert_array_equal(found.density, [1.5, 2.0, 0.5, 0.0])
    np.testing.assert_array_equal(found.realistic, [True, True, True, False])
    np.testing.assert_array_equal(found.covered, [True, True, True, True])


def test_the_border_of_a_ball_is_outside() -> None:
    reference = np.array([[0.0], [1.0], [-3.0], [-7.0]])
    found = neighborhoods(np.array([[2.0], [40.0]]), reference, k=1)
    # 2 is 1 away from 1, whose ball reaches 1; the generated ball reaches 38 and holds everything.
    np.testing.assert_array_equal(found.realistic, [False, False])
    np.testing.assert_array_equal(found.recalled, [True, True, True, True])


@pytest.mark.parametrize(("n", "m"), [(5, 9), (9, 5)])
def test_a_set_without_a_kth_neighbour_is_refused(n: int, m: int) -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ValueError, match=f"vectors: {n} and {m}; with k = 5 either side needs at least 6"):
        neighborhoods(rng.normal(size=(n, 2)), rng.normal(size=(m, 2)))
