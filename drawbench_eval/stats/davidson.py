"""Davidson's model of pairwise judgements with ties, by maximum likelihood.

    P(i over j) = e^(th_i) / D,  P(indifferent) = nu e^((th_i + th_j) / 2) / D,
    D = e^(th_i) + e^(th_j) + nu e^((th_i + th_j) / 2)       (Davidson 1970, J. Am. Stat. Assoc. 65, 317)

Strengths th sum to 0; a difference of two is the log odds of preferring one to the other among those who
prefer any. Without ties it is the Bradley-Terry model.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from drawbench_eval.stats.clustered import Array
from drawbench_eval.stats.comparisons import Comparisons

# The gradient of the mean log-likelihood at which a fit is taken as done.
TOLERANCE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Davidson:
    """Strengths [M], which sum to 0, and log nu, which is -inf where nobody was indifferent."""

    strengths: Array
    log_nu: float

    @property
    def tie(self) -> Array:
        """P(indifferent) for each pair: [M, M], 0 on the diagonal."""
        return self._probabilities()[1]

    @property
    def win(self) -> Array:
        """P(row preferred to column): [M, M], 0 on the diagonal."""
        return self._probabilities()[0]

    def _probabilities(self) -> tuple[Array, Array]:
        half = (self.strengths[:, None] - self.strengths[None]) / 2
        total = np.logaddexp(np.logaddexp(half, -half), self.log_nu)
        off = ~np.eye(len(half), dtype=bool)
        return np.exp(half - total) * off, np.exp(self.log_nu - total) * off


def fit_davidson(wins: Array, ties: Array) -> Davidson:
    """The strengths that make wins [M, M] of row over column and ties [M, M], symmetric, most likely.

    Counts may be fractions, and must be rankable (`comparisons.check_rankable`).
    """
    size, total = len(wins), float(wins.sum() + ties.sum() / 2)
    has_ties = bool(ties.any())
    judged = wins + wins.T + ties
    scored = (wins + ties / 2).sum(axis=1)
    tied = float(ties.sum() / 2)

    def unpack(parameters: Array) -> Davidson:
        return Davidson(strengths=parameters[:size], log_nu=parameters[size] if has_ties else -math.inf)

    def loss(parameters: Array) -> float:
        # The square of the sum holds the strengths, which the data leave free to shift, at a sum of 0.
        half = (parameters[:size, None] - parameters[None, :size]) / 2
        log_nu = parameters[size] if has_ties else -math.inf
        likelihood = float((wins * half).sum()) + (tied * log_nu if has_ties else 0.0)
        likelihood -= float((judged * np.logaddexp(np.logaddexp(half, -half), log_nu)).sum()) / 2
        return -likelihood / total + float(parameters[:size].sum()) ** 2 / 2

    def gradient(parameters: Array) -> Array:
        fitted = unpack(parameters)
        win, tie = fitted.win, fitted.tie
        slope = scored - (judged * (win + tie / 2)).sum(axis=1)
        slopes = np.append(slope, tied - (judged * tie).sum() / 2)[: len(parameters)]
        held = np.append(np.full(size, parameters[:size].sum()), 0.0)[: len(parameters)]
        return np.asarray(-slopes / total + held)

    def hessian(parameters: Array) -> Array:
        curvature = _information(unpack(parameters), judged)[: len(parameters), : len(parameters)] / total
        curvature[:size, :size] += 1.0
        return curvature

    start = np.zeros(size + has_ties)
    found = minimize(
        loss, start, jac=gradient, hess=hessian, method="trust-exact", options={"gtol": TOLERANCE}
    )
    # Where rounding of the loss stops the search just short, one Newton step does the rest.
    best = found.x - np.linalg.solve(hessian(found.x), gradient(found.x))
    assert np.abs(gradient(best)).max() < 1e-6, "a rankable likelihood has a maximum"
    strengths = best[:size] - best[:size].mean()
    return Davidson(strengths=strengths, log_nu=float(best[size]) if has_ties else -math.inf)


def _information(fitted: Davidson, judged: Array) -> Array:
    """The negative Hessian of the log-likelihood in strengths and log nu: [M + 1, M + 1].

    Of a pair, X is 1 for a win, 1/2 for a tie, 0 for a loss, and T is 1 for a tie: the Hessian holds their
    variances under the model.
    """
    win, tie = fitted.win, fitted.tie
    expected = win + tie / 2
    var_x = judged * (win + tie / 4 - np.square(expected))
    cov = (judged * (tie / 2 - expected * tie)).sum(axis=1)
    size = len(win)
    information = np.empty((size + 1, size + 1))
    information[:size, :size] = np.diag(var_x.sum(axis=1)) - var_x
    information[:size, size] = information[size, :size] = cov
    information[size, size] = (judged * tie * (1.0 - tie)).sum() / 2
    return information


def strength_influence(fitted: Davidson, judged: Comparisons) -> Array:
    """What each judgement adds to the error of fitted strengths to first order: [n, M].

    It is H^-1 times the judgement's score, H the information of all of them.
    """
    size, rows = len(judged.models), np.arange(len(judged.outcome))
    win, tie = fitted.win[judged.a, judged.b], fitted.tie[judged.a, judged.b]
    surplus = (judged.outcome + 1) / 2 - (win + tie / 2)
    score = np.zeros((len(rows), size + 1))
    score[rows, judged.a] = surplus
    score[rows, judged.b] = -surplus
    score[:, size] = (judged.outcome == 0) - tie
    kept = size + (fitted.log_nu > -math.inf)
    information = _information(fitted, judged.wins + judged.wins.T + judged.ties)[:kept, :kept]
    # The strengths' common shift is free; scores have no part in it.
    information[:size, :size] += 1.0
    return np.asarray(np.linalg.solve(information, score[:, :kept].T).T[:, :size])
