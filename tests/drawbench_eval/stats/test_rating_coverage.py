"""How often intervals of ratings hold the population's value: 1,000 draws of fixed seeds for each design.

`docs/statistics.md` shows the tables. What is claimed covers 92 to 98 %; what is not claimed is held to that.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import ndtr

from drawbench_eval.stats.agreement import agreement, count_table
from drawbench_eval.stats.bootstrap import bootstrap_mean, percentile_interval
from drawbench_eval.stats.clustered import share_interval
from drawbench_eval.stats.correlation import correlate
from drawbench_eval.stats.davidson import Davidson, fit_davidson
from drawbench_eval.stats.equivalence import equivalence
from drawbench_eval.stats.multiple import sign_flip_test
from drawbench_eval.stats.power import detectable_difference
from drawbench_eval.stats.ranking import rank_models
from drawbench_eval.stats.rates import bounded_interval, share_rate
from drawbench_eval.stats.twoway import two_way_difference, two_way_macro, two_way_mean

pytestmark = pytest.mark.slow

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

NUM_DRAWS = 1000


@dataclass(frozen=True, kw_only=True)
class Design:
    """Each of P prompts is judged by `each` of R raters; prompts and raters shift a latent preference."""

    prompts: int
    raters: int
    each: int
    prompt_noise: float = 0.8
    rater_noise: float = 0.5

    def __str__(self) -> str:
        noise = (
            "prompts and raters differ"
            if self.prompt_noise and self.rater_noise
            else (
                "prompts differ"
                if self.prompt_noise
                else "raters differ"
                if self.rater_noise
                else "no one differs"
            )
        )
        return f"{self.prompts} prompts x {self.each} of {self.raters} raters, {noise}"

    def assign(self, rng: np.random.Generator) -> tuple[Labels, Labels]:
        """The prompt and the rater of each judgement."""
        raters = rng.permuted(np.tile(np.arange(self.raters), (self.prompts, 1)), axis=1)[:, : self.each]
        return np.repeat(np.arange(self.prompts), self.each), raters.ravel()

    def latent(self, rng: np.random.Generator, prompt: Labels, rater: Labels) -> Array:
        shared = self.prompt_noise * rng.normal(size=self.prompts)[prompt]
        shared += self.rater_noise * rng.normal(size=self.raters)[rater]
        return np.asarray(shared + rng.normal(size=len(prompt)))

    def chance(self, threshold: float) -> float:
        """The population's share of judgements whose latent preference is above a threshold."""
        return float(ndtr(-threshold / math.sqrt(1 + self.prompt_noise**2 + self.rater_noise**2)))


# A latent preference above CUT - SHIFT is a choice of a, one below -CUT - SHIFT of b.
SHIFT, CUT = 0.3, 0.4


def choices(design: Design, rng: np.random.Generator) -> tuple[Array, Labels, Labels]:
    prompt, rater = design.assign(rng)
    latent = design.latent(rng, prompt, rater) + SHIFT
    return (latent > CUT) - 1.0 * (latent < -CUT), prompt, rater


def report(what: str, target: float, values: Array, low: Array, high: Array) -> float:
    """Prints one row of the table and gives the share of intervals that hold the target."""
    share = float(np.mean((low <= target) & (target <= high)))
    # Half of the interval over 1.96 true errors: how much too wide it is, t quantile included.
    width = float(np.mean(high - low) / 2 / 1.96 / values.std(ddof=1))
    print(f"\n| {what} | {target:.4f} | {values.mean():.4f} | {width:.2f} | {100 * share:.1f} % |", end="")
    return share


def measured(
    what: str, target: float, draw: Callable[[np.random.Generator], tuple[float, float, float]]
) -> float:
    rng = np.random.default_rng(20220523)
    return report(what, target, *np.array([draw(rng) for _ in range(NUM_DRAWS)]).T)


CLAIMED = [
    Design(prompts=200, raters=25, each=25),
    Design(prompts=200, raters=25, each=25, rater_noise=0.0),
    Design(prompts=200, raters=25, each=25, prompt_noise=0.0),
    Design(prompts=200, raters=25, each=25, prompt_noise=0.0, rater_noise=0.0),
    Design(prompts=200, raters=275, each=25),
    Design(prompts=200, raters=25, each=3),
    Design(prompts=40, raters=8, each=5),
    Design(prompts=20, raters=25, each=25),
    Design(prompts=7, raters=25, each=25),
    Design(prompts=200, raters=5, each=5),
]
TOO_WIDE = [
    Design(prompts=40, raters=8, each=5, prompt_noise=0.0, rater_noise=0.0),
    Design(prompts=7, raters=25, each=25, prompt_noise=0.0, rater_noise=0.0),
    Design(prompts=200, raters=5, each=5, rater_noise=0.0),
]


def share_of_a(design: Design) -> float:
    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        choice, prompt, rater = choices(design, rng)
        estimate = two_way_mean(choice == 1, prompt, rater).estimate
        return (estimate.value, *share_interval(estimate))

    return measured(f"share of a, {design}", design.chance(CUT - SHIFT), draw)


@pytest.mark.parametrize("design", CLAIMED, ids=str)
def test_share_with_two_way_error(design: Design) -> None:
    assert 0.92 <= share_of_a(design) <= 0.98


@pytest.mark.parametrize("design", TOO_WIDE, ids=str)
def test_share_with_few_clusters_that_do_not_differ_is_too_wide(design: Design) -> None:
    assert share_of_a(design) > 0.97


@pytest.mark.parametrize("design", [CLAIMED[0], CLAIMED[6], CLAIMED[9]], ids=str)
def test_mean_of_split_choices(design: Design) -> None:
    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        choice, prompt, rater = choices(design, rng)
        estimate = two_way_mean((choice + 1) / 2, prompt, rater).estimate
        return (estimate.value, *bounded_interval(estimate))

    target = (design.chance(CUT - SHIFT) + design.chance(-CUT - SHIFT)) / 2
    assert 0.92 <= measured(f"rate of a, split, {design}", target, draw) <= 0.98


@pytest.mark.parametrize("design", [CLAIMED[0], CLAIMED[4], CLAIMED[6]], ids=str)
def test_pooled_intervals_do_not_hold(design: Design) -> None:
    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        choice, _, _ = choices(design, rng)
        rate = share_rate(choice == 1, None, None, seed=0)
        return (rate.value, *rate.ci95_pooled)

    assert measured(f"share of a, pooled, {design}", design.chance(CUT - SHIFT), draw) < 0.8


@pytest.mark.parametrize(("design", "holds"), [(CLAIMED[0], False), (CLAIMED[1], True)], ids=["0", "1"])
def test_bootstrap_over_prompts_holds_where_raters_are_alike(design: Design, holds: bool) -> None:
    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        choice, prompt, _ = choices(design, rng)
        means = bootstrap_mean(choice == 1, prompt, seed=int(rng.integers(2**32)), num_draws=1000)
        return (float((choice == 1).mean()), *percentile_interval(means))

    share = measured(f"share of a, prompt bootstrap, {design}", design.chance(CUT - SHIFT), draw)
    assert 0.92 <= share <= 0.98 if holds else share < 0.9


SIZES = [25, 10, 19, 20, 20, 10, 10, 20, 7, 38, 21]


@pytest.mark.parametrize("nested", [True, False], ids=["25 raters a category", "25 raters in all"])
def test_macro_average_of_categories(nested: bool) -> None:
    category = np.repeat(np.arange(11), SIZES)
    levels = np.linspace(-0.5, 1.0, 11)
    design = Design(prompts=200, raters=25, each=25)
    target = float(np.mean([design.chance(CUT - level) for level in levels]))

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        prompt, rater = np.repeat(np.arange(200), 25), np.tile(np.arange(25), 200)
        if nested:
            rater = rater + 25 * category[prompt]
        noise = 0.8 * rng.normal(size=200)[prompt] + 0.5 * rng.normal(size=275)[rater]
        latent = levels[category[prompt]] + noise + rng.normal(size=5000)
        estimate = two_way_macro(latent > CUT, category[prompt], prompt, rater).estimate
        return (estimate.value, *share_interval(estimate))

    what = f"share of a, macro over 11 categories, 25 raters {'a category' if nested else 'in all'}"
    assert 0.92 <= measured(what, target, draw) <= 0.98


def alignment(
    rng: np.random.Generator, design: Design, gap: float
) -> tuple[Array, Array, tuple[Labels, Labels], tuple[Labels, Labels]]:
    """Judgements 100 / 50 / 0 of a model and of the reference by the same people on the same prompts."""
    (prompt_a, rater_a), (prompt_b, rater_b) = design.assign(rng), design.assign(rng)
    shared = 0.6 * rng.normal(size=design.prompts), 0.5 * rng.normal(size=design.raters)
    own = 0.5 * rng.normal(size=(2, design.prompts))
    scores = []
    for side, (prompt, rater) in enumerate(((prompt_a, rater_a), (prompt_b, rater_b))):
        latent = 1.2 + gap * (side == 0) + shared[0][prompt] + own[side][prompt] + shared[1][rater]
        latent = latent + rng.normal(size=len(prompt))
        scores.append(50.0 * (latent > 0) + 50.0 * (latent > 0.8))
    return scores[0], scores[1], (prompt_a, prompt_b), (rater_a, rater_b)


def alignment_mean(level: float) -> float:
    spread = math.sqrt(1 + 0.6**2 + 0.5**2 + 0.5**2)
    return 50.0 * float(ndtr(level / spread) + ndtr((level - 0.8) / spread))


ALIGNMENT = Design(prompts=200, raters=60, each=20)


def test_difference_of_a_model_and_the_reference() -> None:
    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        a, b, prompts, raters = alignment(rng, ALIGNMENT, 0.1)
        estimate = two_way_difference(a, b, prompts, raters).estimate
        return (estimate.value, *estimate.interval())

    target = alignment_mean(1.3) - alignment_mean(1.2)
    share = measured("alignment, model minus reference, 200 prompts x 20 of 60 raters", target, draw)
    assert 0.92 <= share <= 0.98


@pytest.mark.parametrize("factor", [1.0, 1.5])
def test_equivalence_is_claimed_wrongly_in_one_of_twenty(factor: float) -> None:
    gap = alignment_mean(1.6) - alignment_mean(1.2)
    rng = np.random.default_rng(20220523)
    claims = []
    for _ in range(NUM_DRAWS):
        a, b, prompts, raters = alignment(rng, ALIGNMENT, 0.4)
        difference = two_way_difference(a, b, prompts, raters).estimate
        claims.append(equivalence(difference, margin=factor * gap).is_equivalent)
    share = float(np.mean(claims))
    print(
        f"\n| equivalence claimed, true difference {gap:.2f}, margin {factor * gap:.2f} | {share:.3f} |",
        end="",
    )
    assert 0.03 <= share <= 0.07 if factor == 1.0 else share >= 0.9


@pytest.mark.parametrize("prompts", [7, 20, 100])
def test_sign_flips_reject_no_more_than_they_say(prompts: int) -> None:
    rng = np.random.default_rng(20220523)
    p = np.array([sign_flip_test(rng.standard_t(5, prompts), seed=0).p_value for _ in range(NUM_DRAWS)])
    print(f"\n| sign flips, {prompts} prompts, p <= 0.05 | {np.mean(p <= 0.05):.3f} |", end="")
    assert 0.03 <= np.mean(p <= 0.05) <= 0.07


def test_detectable_difference_is_detected_in_four_of_five() -> None:
    """Choices of a latent normal model with its intraclass correlations, at the promised difference."""
    design = Design(prompts=100, raters=25, each=10)
    rng = np.random.default_rng(1)
    # The correlations of choices themselves: of pairs of judgements that share a prompt or a rater.
    first, second = rng.normal(size=(2, 400_000))
    total = math.sqrt(1 + 0.8**2 + 0.5**2)
    correlations = []
    for part in (0.8 / total, 0.5 / total):
        shared = rng.normal(size=400_000)
        pair = [part * shared + math.sqrt(1 - part**2) * own for own in (first, second)]
        signs = [(x * total > CUT) - 1.0 * (x * total < -CUT) for x in pair]
        correlations.append(float(np.corrcoef(*signs)[0, 1]))
    share_indifferent = 1 - 2 * design.chance(CUT)
    gap = detectable_difference(
        100,
        25,
        ratings_per_prompt=10,
        icc_prompt=correlations[0],
        icc_rater=correlations[1],
        share_indifferent=share_indifferent,
    )
    shifts = np.linspace(0, 2, 20_001)
    gaps = [ndtr((s - CUT) / total) - ndtr((-s - CUT) / total) for s in shifts]
    shift = float(np.interp(gap, gaps, shifts))
    rng = np.random.default_rng(20220523)
    found = []
    for _ in range(NUM_DRAWS):
        prompt, rater = design.assign(rng)
        latent = design.latent(rng, prompt, rater) + shift
        p = two_way_mean((latent > CUT) - 1.0 * (latent < -CUT), prompt, rater).estimate.p_value
        found.append(p <= 0.05)
    print(f"\n| difference {gap:.3f} detected, 80 % promised | {np.mean(found):.3f} |", end="")
    assert np.mean(found) == pytest.approx(0.8, abs=0.05)


LIKERT = (-1.2, -0.4, 0.4, 1.2)


def likert(rng: np.random.Generator, units: int, raters: int, rater_noise: float) -> Array:
    latent = rng.normal(size=(units, 1)) + rater_noise * rng.normal(size=(1, raters))
    levels = np.searchsorted(LIKERT, latent + 0.7 * rng.normal(size=(units, raters)))
    return np.asarray(levels, dtype=np.float64)


@pytest.mark.parametrize(
    ("units", "raters", "rater_noise", "holds"),
    [(200, 3, 0.0, True), (50, 5, 0.0, True), (200, 5, 0.5, False)],
    ids=["200 x 3", "50 x 5", "200 x 5, raters differ"],
)
@pytest.mark.parametrize("measure", ["nominal", "ordinal", "fleiss"])
def test_agreement_over_units(units: int, raters: int, rater_noise: float, holds: bool, measure: str) -> None:
    rng = np.random.default_rng(1)
    whole = np.concatenate([likert(rng, 200, raters, rater_noise) for _ in range(2000)])
    target = agreement(count_table(whole), (measure,), seed=0, num_draws=1)[0].value

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        seed = int(rng.integers(2**32))
        found = agreement(
            count_table(likert(rng, units, raters, rater_noise)), (measure,), seed=seed, num_draws=500
        )
        return (found[0].value, *found[0].ci95)

    differ = ", raters differ" if rater_noise else ""
    share = measured(f"{measure}, {units} units x {raters} raters{differ}", target, draw)
    assert 0.92 <= share <= 0.98 if holds else share < 0.9


@pytest.mark.parametrize(("prompts", "each"), [(200, 1), (60, 5), (20, 10)])
@pytest.mark.parametrize("statistic", ["kendall", "spearman", "accuracy"])
def test_metric_against_human(prompts: int, each: int, statistic: str) -> None:
    correlation = 0.5
    target = {
        "kendall": 2 / math.pi * math.asin(correlation),
        "spearman": 6 / math.pi * math.asin(correlation / 2),
        "accuracy": 0.5 + math.asin(correlation) / math.pi,
    }[statistic]

    def draw(rng: np.random.Generator) -> tuple[float, float, float]:
        prompt = np.repeat(np.arange(prompts), each)
        pair = rng.normal(size=(2, prompts))[:, prompt] + rng.normal(size=(2, len(prompt)))
        x, y = pair[0], correlation * pair[0] + math.sqrt(1 - correlation**2) * pair[1]
        found = correlate(x, y, prompt, seed=int(rng.integers(2**32)), num_draws=300)
        one = getattr(found, statistic)
        return (one.value, *one.ci95)

    share = measured(f"{statistic}, {prompts} prompts x {each}", target, draw)
    assert 0.92 <= share <= 0.98 if prompts > 20 else share > 0.88


STRENGTHS = np.array([0.9, 0.4, 0.0, -0.4, -0.9])
LOG_NU = math.log(0.8)


@dataclass(frozen=True, kw_only=True)
class Tournament:
    """Five models, every pair on every prompt; prompts and raters favour models of their own."""

    prompts: int
    raters: int
    each: int
    prompt_noise: float = 0.8
    rater_noise: float = 0.4

    def __str__(self) -> str:
        return (
            f"{self.prompts} prompts x {self.each} of {self.raters} raters,"
            f" noise {self.prompt_noise:g} and {self.rater_noise:g}"
        )

    def population(self) -> Davidson:
        """The strengths that choices follow on average: those of expected counts, noise integrated out."""
        spread = math.sqrt(2 * (self.prompt_noise**2 + self.rater_noise**2))
        nodes, weights = np.polynomial.hermite_e.hermegauss(60)
        gap = STRENGTHS[:, None] - STRENGTHS[None]
        half = (gap[..., None] + spread * nodes) / 2
        total = np.exp(half) + np.exp(-half) + math.exp(LOG_NU)
        shares = weights / weights.sum()
        off = 1 - np.eye(len(STRENGTHS))
        wins, ties = ((part / total) @ shares * off for part in (np.exp(half), math.exp(LOG_NU)))
        return fit_davidson(wins, ties)

    def draw(self, rng: np.random.Generator) -> tuple[Labels, Labels, Labels, Labels, Labels]:
        first, second = np.triu_indices(len(STRENGTHS), 1)
        raters = rng.permuted(np.tile(np.arange(self.raters), (self.prompts, 1)), axis=1)[:, : self.each]
        prompt = np.repeat(np.arange(self.prompts), self.each * len(first))
        rater = np.repeat(raters.ravel(), len(first))
        a, b = (np.tile(side, self.prompts * self.each) for side in (first, second))
        of_prompt = STRENGTHS + self.prompt_noise * rng.normal(size=(self.prompts, len(STRENGTHS)))
        of_rater = self.rater_noise * rng.normal(size=(self.raters, len(STRENGTHS)))
        half = (of_prompt[prompt, a] - of_prompt[prompt, b] + of_rater[rater, a] - of_rater[rater, b]) / 2
        total = np.exp(half) + np.exp(-half) + math.exp(LOG_NU)
        u = rng.random(len(half)) * total
        choice = np.where(u < np.exp(half), 1, np.where(u < np.exp(half) + math.exp(LOG_NU), 0, -1))
        return a, b, choice, prompt, rater


TOURNAMENTS = [
    Tournament(prompts=200, raters=25, each=3),
    Tournament(prompts=60, raters=12, each=3),
    Tournament(prompts=60, raters=12, each=3, rater_noise=0.0),
    Tournament(prompts=30, raters=30, each=5, prompt_noise=0.0, rater_noise=0.8),
    Tournament(prompts=20, raters=20, each=4),
    Tournament(prompts=60, raters=5, each=3),
    Tournament(prompts=200, raters=10, each=1),
]


def held(tournament: Tournament, *, errors: str, num_draws: int = NUM_DRAWS) -> tuple[Array, float]:
    """The share of intervals that hold each model's strength, and of draws in which all ranks held."""
    truth = tournament.population().strengths
    rng = np.random.default_rng(20220523)
    values, inside, ranks, errors_found = [], [], [], []
    for _ in range(num_draws):
        a, b, choice, prompt, rater = tournament.draw(rng)
        clusters = {"both": (prompt, rater), "prompt": (prompt, None), "none": (np.arange(len(a)), None)}[
            errors
        ]
        found = rank_models(a, b, choice, *clusters)
        values.append(found.strengths)
        errors_found.append(np.ptp(found.interval, axis=1) / 2 / 1.96)
        inside.append((found.interval[:, 0] <= truth) & (truth <= found.interval[:, 1]))
        rank = np.arange(1, len(truth) + 1)
        ranks.append(((found.rank_interval[:, 0] <= rank) & (rank <= found.rank_interval[:, 1])).all())
    shares = np.mean(inside, axis=0)
    width = np.mean(errors_found, axis=0) / np.std(values, axis=0, ddof=1)
    print(
        f"\n| {tournament}, {errors} | {width.mean():.2f} |"
        f" {100 * shares.min():.1f}-{100 * shares.max():.1f} % | {100 * np.mean(ranks):.1f} % |",
        end="",
    )
    return shares, float(np.mean(ranks))


@pytest.mark.parametrize("tournament", TOURNAMENTS, ids=str)
def test_strengths_of_the_population_with_two_way_errors(tournament: Tournament) -> None:
    shares, ranks = held(tournament, errors="both")
    assert (shares >= 0.92).all()
    assert (shares <= 0.98).all()
    assert ranks >= 0.94


@pytest.mark.parametrize(
    ("tournament", "errors", "holds"),
    [
        (TOURNAMENTS[2], "prompt", True),
        (TOURNAMENTS[1], "prompt", False),
        (TOURNAMENTS[0], "none", False),
    ],
    ids=["raters alike", "raters differ", "no clusters"],
)
def test_strengths_with_errors_by_prompt_or_without_clusters(
    tournament: Tournament, errors: str, holds: bool
) -> None:
    shares, _ = held(tournament, errors=errors)
    assert ((shares >= 0.92) & (shares <= 0.98)).all() if holds else (shares < 0.92).all()
