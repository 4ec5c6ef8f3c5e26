"""A ranking of many models from pairwise judgements, with errors that allow for prompts and raters.

Strengths are those of Davidson's model (`stats.davidson`). Judgements of one prompt are alike, and a
rater's are, so errors come from the sandwich H^-1 B H^-1 with B the two-way cluster-robust covariance of
the score (`stats.twoway`). The strengths are then about the population of prompts and raters: the ones that
its choices, noise and all, follow on average.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtr

from drawbench_eval.stats.clustered import Array, t_quantile, without_rounding
from drawbench_eval.stats.comparisons import check_rankable, read_comparisons
from drawbench_eval.stats.davidson import fit_davidson, strength_influence
from drawbench_eval.stats.multiple import holm
from drawbench_eval.stats.twoway import two_way_covariance


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """M models with strengths, their intervals [M, 2], and what follows of them.

    `win` and `tie` [M, M] are probabilities of the row against the column. `p_values` [M, M] are those of
    equal strength, by Holm over all pairs, NaN where the gap has no error; `rank` [M] starts at 1, and
    `rank_interval` [M, 2] leaves out the ranks that models of other strength (p <= 1 - level) take: all hold
    together with that level.
    `half_win` [M] are Bradley-Terry strengths with a tie as half a win for either: a second view, shrunken
    where there are ties. `num_raters` is None where errors are clustered by prompt alone.
    """

    models: tuple[str, ...]
    strengths: Array
    standard_error: Array
    interval: Array
    rank: NDArray[np.int64]
    rank_interval: NDArray[np.int64]
    win: Array
    tie: Array
    p_values: Array
    nu: float
    half_win: Array
    num_judgements: NDArray[np.int64]
    num_prompts: int | None
    num_raters: int | None


def rank_models(
    models_a: ArrayLike,
    models_b: ArrayLike,
    choices: ArrayLike,
    prompts: ArrayLike | None,
    raters: ArrayLike | None = None,
    *,
    level: float = 0.95,
) -> Ranking:
    """Ranks models from judgements [n]: names of a and b, choices 1 (a), 0 (indifferent) or -1 (b).

    Errors are clustered by prompts [n], and by raters [n] too where they are given; intervals take t with
    min(P, R) - 1 degrees of freedom, and are NaN with one cluster. Where an error is 0, as when all prompts
    were answered alike, nothing can be held against it: interval and p are NaN. Raises ValueError for what
    `read_comparisons` and `check_rankable` refuse.
    """
    judged = read_comparisons(models_a, models_b, choices)
    wins, ties = judged.wins, judged.ties
    check_rankable(wins, ties, judged.models)
    fitted = fit_davidson(wins, ties)
    size = len(judged.models)
    covariance = two_way_covariance(strength_influence(fitted, judged), prompts, raters)
    degrees = covariance.num_clusters - 1
    variance = covariance.variance(np.eye(size))
    error = np.sqrt(variance)
    reach = t_quantile(degrees, level) * np.where(error > 0, error, np.nan)
    p_values = np.full((size, size), np.nan)
    first, second = np.triu_indices(size, 1)
    contrasts = np.eye(size)[first] - np.eye(size)[second]
    gap = contrasts @ fitted.strengths
    # Errors that two models share cancel, but for rounding.
    spread = np.sqrt(without_rounding(covariance.variance(contrasts), variance[first] + variance[second]))
    testable = (spread > 0) & (degrees > 0)
    pairs = np.full(len(gap), np.nan)
    pairs[testable] = 2.0 * stdtr(degrees, -np.abs(gap[testable]) / spread[testable])
    p_values[first, second] = p_values[second, first] = holm(pairs)
    below = (p_values <= 1 - level) & (fitted.strengths[:, None] > fitted.strengths[None])
    return Ranking(
        models=judged.models,
        strengths=fitted.strengths,
        standard_error=error,
        interval=np.column_stack([fitted.strengths - reach, fitted.strengths + reach]),
        rank=1 + (fitted.strengths[:, None] < fitted.strengths[None]).sum(axis=1),
        rank_interval=np.column_stack([1 + below.sum(axis=0), size - below.sum(axis=1)]),
        win=fitted.win,
        tie=fitted.tie,
        p_values=p_values,
        nu=math.exp(fitted.log_nu),
        half_win=fit_davidson(wins + ties / 2, np.zeros_like(ties)).strengths,
        num_judgements=(wins + wins.T + ties).sum(axis=1).astype(np.int64),
        num_prompts=covariance.num_prompts,
        num_raters=covariance.num_raters,
    )
