"""Fits against evalica, closed forms and a naive likelihood; errors against differences of the fit."""

import math

import evalica
import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from drawbench_eval.stats.comparisons import Comparisons, check_rankable, read_comparisons
from drawbench_eval.stats.davidson import Davidson, fit_davidson, strength_influence

Array = NDArray[np.float64]


def draw(theta: Array, nu: float, n: int, seed: int) -> Comparisons:
    rng = np.random.default_rng(seed)
    a = rng.integers(0, len(theta), n)
    b = (a + rng.integers(1, len(theta), n)) % len(theta)
    gap = (theta[a] - theta[b]) / 2
    total = np.exp(gap) + np.exp(-gap) + nu
    u = rng.random(n) * total
    outcome = np.where(u < np.exp(gap), 1, np.where(u < np.exp(gap) + nu, 0, -1))
    return read_comparisons(a.astype(str), b.astype(str), outcome)


def log_likelihood(judged: Comparisons, theta: Array, nu: float) -> float:
    """One judgement at a time, from the formula of the paper."""
    total = 0.0
    for a, b, outcome in zip(judged.a, judged.b, judged.outcome, strict=True):
        pi_a, pi_b = math.exp(theta[a]), math.exp(theta[b])
        tied = nu * math.sqrt(pi_a * pi_b)
        chosen = {1: pi_a, 0: tied, -1: pi_b}[int(outcome)]
        total += math.log(chosen / (pi_a + pi_b + tied))
    return total


@pytest.mark.parametrize("seed", range(3))
def test_strengths_are_evalicas_newman_and_half_wins_its_bradley_terry(seed: int) -> None:
    judged = draw(np.array([0.8, 0.2, -0.3, -0.7]), 0.6, 300, seed)
    names = np.array(judged.models)
    winners = [
        {1: evalica.Winner.X, 0: evalica.Winner.Draw, -1: evalica.Winner.Y}[int(o)] for o in judged.outcome
    ]
    a, b = names[judged.a].tolist(), names[judged.b].tolist()

    def logs(scores: "pd.Series[float]") -> Array:
        log = np.log(scores.reindex(list(judged.models)).to_numpy())
        return np.asarray(log - log.mean())

    newman = evalica.newman(a, b, winners, tolerance=1e-13, limit=100_000)
    fitted = fit_davidson(judged.wins, judged.ties)
    assert fitted.strengths == pytest.approx(logs(newman.scores), abs=1e-8)
    # Its tie parameter is half of Davidson's.
    assert math.exp(fitted.log_nu) == pytest.approx(2 * newman.v, rel=1e-8)
    half = evalica.bradley_terry(a, b, winners, tolerance=1e-13, limit=100_000)
    half_win = fit_davidson(judged.wins + judged.ties / 2, np.zeros_like(judged.ties))
    assert half_win.strengths == pytest.approx(logs(half.scores), abs=1e-6)
    assert half_win.log_nu == -math.inf
    assert np.abs(half_win.strengths).max() < np.abs(fitted.strengths).max()


def test_two_models_in_closed_form() -> None:
    fitted = fit_davidson(np.array([[0.0, 6.0], [2.0, 0.0]]), np.array([[0.0, 5.0], [5.0, 0.0]]))
    assert fitted.strengths == pytest.approx([math.log(3) / 2, -math.log(3) / 2], abs=1e-9)
    assert math.exp(fitted.log_nu) == pytest.approx(5 / math.sqrt(12), rel=1e-9)
    assert fitted.win == pytest.approx(np.array([[0, 6], [2, 0]]) / 13, abs=1e-9)
    assert fitted.tie == pytest.approx(np.array([[0, 5], [5, 0]]) / 13, abs=1e-9)


def test_expected_counts_give_back_what_they_were_made_of() -> None:
    truth = Davidson(strengths=np.array([1.5, 0.1, -0.4, -1.2]), log_nu=math.log(0.7))
    assert truth.win + truth.win.T + truth.tie == pytest.approx(1 - np.eye(4), abs=1e-12)
    fitted = fit_davidson(100 * truth.win, 100 * truth.tie)
    assert fitted.strengths == pytest.approx(truth.strengths, abs=1e-8)
    assert fitted.log_nu == pytest.approx(truth.log_nu, abs=1e-8)


def test_half_wins_shrink_strengths() -> None:
    truth = Davidson(strengths=np.array([0.6, 0.0, -0.6]), log_nu=math.log(1.5))
    half = fit_davidson(truth.win + truth.tie / 2, np.zeros((3, 3)))
    assert 0.5 < half.strengths[0] / 0.6 < 0.75


def test_far_apart_strengths_are_found() -> None:
    truth = Davidson(strengths=np.array([9.0, 3.0, -4.0, -8.0]), log_nu=1.0)
    fitted = fit_davidson(truth.win, truth.tie)
    assert fitted.strengths == pytest.approx(truth.strengths, abs=1e-3)


outcomes = st.lists(
    st.tuples(st.sampled_from(["xy", "yz", "xz"]), st.sampled_from([1, 0, -1])), min_size=5, max_size=20
)


@settings(max_examples=40, deadline=None)
@given(outcomes, st.integers(0, 2**32 - 1))
def test_nothing_nearby_is_more_likely(rows: list[tuple[str, int]], seed: int) -> None:
    judged = read_comparisons(
        [pair[0] for pair, _ in rows], [pair[1] for pair, _ in rows], [o for _, o in rows]
    )
    try:
        check_rankable(judged.wins, judged.ties, judged.models)
    except ValueError:
        assume(False)
    fitted = fit_davidson(judged.wins, judged.ties)
    assert fitted.strengths.sum() == pytest.approx(0, abs=1e-9)
    nu = math.exp(fitted.log_nu)
    assume(judged.ties.any())
    best = log_likelihood(judged, fitted.strengths, nu)
    rng = np.random.default_rng(seed)
    for scale in (1.0, 0.1, 0.001):
        theta = fitted.strengths + scale * rng.normal(size=len(judged.models))
        assert log_likelihood(judged, theta, nu * math.exp(scale * rng.normal())) <= best + 1e-9


@pytest.mark.parametrize("nu", [0.6, 0.0])
def test_influence_is_what_one_judgement_more_changes(nu: float) -> None:
    judged = draw(np.array([0.8, 0.2, -0.3, -0.7]), nu, 400, 0)
    wins, ties = judged.wins, judged.ties
    fitted = fit_davidson(wins, ties)
    influence = strength_influence(fitted, judged)
    assert influence.sum(axis=0) == pytest.approx(np.zeros(4), abs=1e-8)
    assert influence.sum(axis=1) == pytest.approx(np.zeros(400), abs=1e-12)
    for row in range(5):
        weight = 1e-4
        a, b, outcome = judged.a[row], judged.b[row], judged.outcome[row]
        more_wins, more_ties = wins.copy(), ties.copy()
        if outcome == 0:
            more_ties[a, b] += weight
            more_ties[b, a] += weight
        else:
            more_wins[(a, b) if outcome > 0 else (b, a)] += weight
        moved = (fit_davidson(more_wins, more_ties).strengths - fitted.strengths) / weight
        assert influence[row] == pytest.approx(moved, rel=1e-2, abs=1e-5)
