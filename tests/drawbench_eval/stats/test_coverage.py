"""How often the 95 % intervals hold what they are about: 1,000 draws of fixed seeds for each design.

`docs/statistics.md` shows the table. What is claimed covers 92 to 98 %; what is not claimed is held to that.
"""

import math
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbench_eval.stats.clustered import Estimate, clustered_mean, paired_difference, share_interval
from drawbench_eval.stats.extrapolation import frechet_infinity
from drawbench_eval.stats.frechet import frechet_distance, influence_function
from drawbench_eval.stats.kernels import discrepancy, polynomial
from drawbench_eval.stats.moments import Moments
from drawbench_eval.stats.neighbors import Neighborhoods, neighborhoods

pytestmark = pytest.mark.slow

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Draw = Callable[[np.random.Generator], tuple[float, float, float]]

NUM_DRAWS = 1000
NUM_TRUTHS = 10_000
DIM = 16


def measured(what: str, target: float, draw: Draw) -> float:
    """The share of intervals that hold the target. `draw` gives an estimate and its interval's two ends."""
    rng = np.random.default_rng(20220523)
    draws = np.array([draw(rng) for _ in range(NUM_DRAWS)])
    values, low, high = draws.T
    share = float(np.mean((low <= target) & (target <= high)))
    # Half of the interval over 1.96 true errors: how much too wide it is, t quantile included.
    width = float(np.mean(high - low) / 2 / 1.96 / values.std(ddof=1))
    print(f"\n| {what} | {target:.4f} | {values.mean():.4f} | {width:.2f} | {100 * share:.1f} % |")
    return share


def ends(estimate: Estimate) -> tuple[float, float, float]:
    return (estimate.value, *estimate.interval())


def shared_normal(rng: np.random.Generator, prompts: int, each: int, dim: int) -> tuple[Array, Labels]:
    """Unit normal vectors; those of one prompt share half of their variance."""
    labels = np.repeat(np.arange(prompts), each)
    own = rng.normal(size=(len(labels), dim))
    return (own + rng.normal(size=(prompts, dim))[labels]) / math.sqrt(2), labels


def known(mean: Array, covariance: Array) -> Moments:
    return Moments(n=10**6, mean=mean, m2=covariance * (10**6 - 1))


@pytest.mark.parametrize(
    ("prompts", "fewest", "most"), [(200, 4, 4), (40, 1, 8), (10, 10, 10)], ids=["200", "40 uneven", "10"]
)
def test_mean_of_scores_clustered_by_prompt(prompts: int, fewest: int, most: int) -> None:
    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        labels = np.repeat(np.arange(prompts), rng.integers(fewest, most + 1, prompts))
        # Cosines: skewed between prompts, and less unlike within one.
        prompt = 0.2 * rng.beta(2, 5, prompts)
        scores = 0.2 + prompt[labels] + rng.normal(0, 0.02, len(labels))
        return ends(clustered_mean(scores, labels))

    share = measured(f"CLIP score, {prompts} prompts x {fewest}-{most}", 0.2 + 0.2 * 2 / 7, draw)
    assert 0.92 <= share <= 0.98


def test_mean_of_scores_without_clusters_would_not_cover() -> None:
    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        scores = np.repeat(rng.normal(size=50), 4) + rng.normal(0, 0.3, 200)
        return ends(clustered_mean(scores, np.arange(200)))

    assert measured("CLIP score, 50 prompts x 4, clusters ignored", 0.0, draw) < 0.8


def normal_features(rng: np.random.Generator, prompts: int, each: int) -> tuple[Array, Labels]:
    x, labels = shared_normal(rng, prompts, each, DIM)
    return x * np.linspace(0.6, 1.6, DIM) + 0.15, labels


def skewed_features(rng: np.random.Generator, prompts: int, each: int) -> tuple[Array, Labels]:
    """Positive with a long tail, as features after a rectifier are."""
    x, labels = shared_normal(rng, prompts, each, DIM)
    return np.exp(0.5 * x) * np.linspace(0.6, 1.6, DIM), labels


def equal_features(rng: np.random.Generator, prompts: int, each: int) -> tuple[Array, Labels]:
    """The reference's own distribution."""
    return shared_normal(rng, prompts, each, DIM)


FEATURES = {"normal": normal_features, "skewed": skewed_features, "equal": equal_features}


@cache
def reference_of(kind: str) -> Moments:
    if kind == "skewed":
        mean = np.exp(0.125) * np.ones(DIM) + 0.1
        return known(mean, 0.4 * np.eye(DIM) + 0.05)
    return known(np.zeros(DIM), np.eye(DIM))


def expected_distance(kind: str, prompts: int, each: int) -> float:
    """E[FD at this n], from draws that no interval is made of."""
    rng = np.random.default_rng(1)
    distances = [
        frechet_distance(Moments.of(FEATURES[kind](rng, prompts, each)[0]), reference_of(kind))
        for _ in range(NUM_TRUTHS)
    ]
    return float(np.mean(distances))


def frechet_share(kind: str, prompts: int, each: int) -> float:
    reference = reference_of(kind)

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        x, labels = FEATURES[kind](rng, prompts, each)
        moments = Moments.of(x)
        error = clustered_mean(influence_function(moments, reference)(x), labels)
        return ends(error.moved_to(frechet_distance(moments, reference)))

    what = f"FD, {kind}, n = {prompts * each // DIM} d, {prompts} prompts x {each}"
    return measured(what, expected_distance(kind, prompts, each), draw)


@pytest.mark.parametrize("kind", ["normal", "skewed"])
@pytest.mark.parametrize(("prompts", "each"), [(240, 1), (60, 4), (80, 1), (20, 4)])
def test_frechet_distance_by_its_influence_function(kind: str, prompts: int, each: int) -> None:
    assert 0.92 <= frechet_share(kind, prompts, each) <= 0.98


@pytest.mark.parametrize(("prompts", "each"), [(240, 1), (60, 4)])
def test_frechet_distance_to_ones_own_distribution_is_not_claimed(prompts: int, each: int) -> None:
    assert frechet_share("equal", prompts, each) > 0.98


PAIRS = {
    # The second model's images are the first's, a little further off.
    "better and worse": (1.1, 0.2),
    # Both draw from one distribution: an A/A comparison, whose truth is 0.
    "equally good": (math.sqrt(1 - 0.3**2), 0.3),
}


def paired_share(pair: str, prompts: int, each: int) -> float:
    factor, noise = PAIRS[pair]
    reference = known(np.full(DIM, 0.2), np.diag(np.linspace(0.5, 2.0, DIM)))
    keys = [(f"p{index // each}", index % each) for index in range(prompts * each)]

    def models(rng: np.random.Generator) -> tuple[Array, Array]:
        x, other = (shared_normal(rng, prompts, each, DIM)[0] for _ in range(2))
        return x, factor * x + noise * other

    def distances(rng: np.random.Generator) -> float:
        x, y = (frechet_distance(Moments.of(side), reference) for side in models(rng))
        return y - x

    truths = np.random.default_rng(1)
    target = float(np.mean([distances(truths) for _ in range(NUM_TRUTHS)])) if factor > 1 else 0.0

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        sides = models(rng)
        moments = [Moments.of(side) for side in sides]
        of_x, of_y = (influence_function(m, reference)(side) for m, side in zip(moments, sides, strict=True))
        x_is, y_is = (frechet_distance(m, reference) for m in moments)
        error = paired_difference(of_y, keys, of_x, keys).difference
        return ends(error.moved_to(y_is - x_is))

    what = f"FD difference, {pair}, n = {prompts * each // DIM} d, {prompts} prompts x {each}"
    return measured(what, target, draw)


@pytest.mark.parametrize("pair", PAIRS)
@pytest.mark.parametrize(("prompts", "each"), [(240, 1), (60, 4), (80, 1)])
def test_paired_difference_of_two_frechet_distances(pair: str, prompts: int, each: int) -> None:
    assert 0.92 <= paired_share(pair, prompts, each) <= 0.98


def test_paired_difference_of_few_prompts_is_not_claimed() -> None:
    assert paired_share("better and worse", 20, 4) > 0.98


def cubic_mean(mean_a: Array, covariance_a: Array, mean_b: Array, covariance_b: Array) -> float:
    """E (a.b / d + 1)^3 of independent Gaussians, from their first three moments."""
    d = len(mean_a)

    def second(mean: Array, covariance: Array) -> Array:
        return covariance + np.outer(mean, mean)

    def third(mean: Array, covariance: Array) -> Array:
        tensor = np.einsum("i,j,k->ijk", mean, mean, mean)
        for axes in ("ij,k->ijk", "ik,j->ijk", "jk,i->ijk"):
            tensor = tensor + np.einsum(axes, covariance, mean)
        return np.asarray(tensor)

    one = mean_a @ mean_b / d
    two = float((second(mean_a, covariance_a) * second(mean_b, covariance_b)).sum()) / d**2
    three = float((third(mean_a, covariance_a) * third(mean_b, covariance_b)).sum()) / d**3
    return float(1 + 3 * one + 3 * two + three)


def kid_share(shift: float, prompts: int, each: int) -> float:
    dim, num_reference = 8, 200
    x_is = np.full(dim, shift), np.eye(dim)
    y_is = np.zeros(dim), np.eye(dim)
    target = cubic_mean(*x_is, *x_is) + cubic_mean(*y_is, *y_is) - 2 * cubic_mean(*x_is, *y_is)

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        x, labels = shared_normal(rng, prompts, each, dim)
        found = discrepancy(x + shift, rng.normal(size=(num_reference, dim)), polynomial, unbiased=True)
        of_x = clustered_mean(found.influence_x, labels)
        of_y = clustered_mean(found.influence_y, np.arange(num_reference))
        error = math.hypot(of_x.standard_error, of_y.standard_error)
        return ends(
            Estimate(value=found.value, standard_error=error, n=len(x), num_clusters=of_x.num_clusters)
        )

    return measured(f"KID, means {shift} apart, {prompts} prompts x {each}", target, draw)


@pytest.mark.parametrize("shift", [0.3, 0.6])
@pytest.mark.parametrize(("prompts", "each"), [(200, 1), (60, 4)])
def test_kid_by_its_u_statistics_error(shift: float, prompts: int, each: int) -> None:
    assert 0.92 <= kid_share(shift, prompts, each) <= 0.98


@pytest.mark.parametrize(("prompts", "each"), [(200, 1), (60, 4)])
def test_kid_of_the_references_own_distribution_is_not_claimed(prompts: int, each: int) -> None:
    assert kid_share(0.0, prompts, each) > 0.98


def infinity_share(prompts: int, each: int) -> float:
    dim, mean = 8, 0.2
    deviations = np.linspace(0.6, 1.6, dim)
    reference = known(np.zeros(dim), np.eye(dim))
    target = dim * mean**2 + float(np.square(deviations - 1).sum())

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        x, labels = shared_normal(rng, prompts, each, dim)
        return ends(frechet_infinity(mean + x * deviations, labels, reference, seed=0))

    return measured(f"FID-infinity, n = {prompts * each // dim} d, {prompts} prompts x {each}", target, draw)


@pytest.mark.parametrize(("prompts", "each"), [(40, 1), (120, 1), (60, 4)])
def test_fid_infinity_by_its_jackknife(prompts: int, each: int) -> None:
    assert 0.92 <= infinity_share(prompts, each) <= 0.98


def test_fid_infinity_of_few_prompts_is_not_claimed() -> None:
    assert infinity_share(20, 2) > 0.98


def in_neighborhoods(
    side: str,
    read: Callable[[Neighborhoods], Array],
    interval: Callable[[Estimate], tuple[float, float]],
    prompts: int,
    each: int,
    what: str,
) -> float:
    """Draws one side anew, with the other as given: what the interval of a neighbourhood's mean is about."""
    dim, num_reference = 8, 200
    fixed, truths = np.random.default_rng(2), np.random.default_rng(1)

    def generated(rng: np.random.Generator) -> tuple[Array, Labels]:
        x, labels = shared_normal(rng, prompts, each, dim)
        return 1.1 * x, labels

    def reference(rng: np.random.Generator) -> Array:
        return rng.normal(size=(num_reference, dim))

    if side == "generated":
        kept = reference(fixed)
        found = [neighborhoods(generated(truths)[0], kept) for _ in range(NUM_TRUTHS // 5)]
    else:
        kept = generated(fixed)[0]
        found = [neighborhoods(kept, reference(truths)) for _ in range(NUM_TRUTHS // 5)]
    target = float(np.mean([read(each_found).mean() for each_found in found]))

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        if side == "generated":
            x, labels = generated(rng)
            mean = clustered_mean(read(neighborhoods(x, kept)), labels)
        else:
            mean = clustered_mean(read(neighborhoods(kept, reference(rng))), np.arange(num_reference))
        return (mean.value, *interval(mean))

    return measured(f"{what}, {prompts} prompts x {each}, {num_reference} reference images", target, draw)


@pytest.mark.parametrize(("prompts", "each"), [(200, 1), (60, 4)])
def test_precision_over_prompts(prompts: int, each: int) -> None:
    share = in_neighborhoods(
        "generated", lambda found: found.realistic, share_interval, prompts, each, "precision"
    )
    assert 0.92 <= share <= 0.98


@pytest.mark.parametrize(("prompts", "each"), [(200, 1), (60, 4)])
def test_density_over_prompts(prompts: int, each: int) -> None:
    share = in_neighborhoods(
        "generated", lambda found: found.density, Estimate.interval, prompts, each, "density"
    )
    assert 0.92 <= share <= 0.98


@pytest.mark.parametrize(("prompts", "each"), [(200, 1), (60, 4)])
def test_recall_over_reference_images(prompts: int, each: int) -> None:
    share = in_neighborhoods(
        "reference", lambda found: found.recalled, share_interval, prompts, each, "recall"
    )
    assert 0.92 <= share <= 0.98


@pytest.mark.parametrize(("prompts", "each"), [(200, 1), (60, 2)])
def test_coverage_over_reference_images_is_not_claimed(prompts: int, each: int) -> None:
    share = in_neighborhoods(
        "reference", lambda found: found.covered, share_interval, prompts, each, "coverage"
    )
    assert share < 0.92
