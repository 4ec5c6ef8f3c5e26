"""How well a score follows people's ratings of the same samples, with intervals that resample whole prompts.

Of pairs of samples, with dx and dy the signs of their differences in score and rating,

    tau_b = sum dx dy / sqrt(sum |dx| sum |dy|)      (Kendall 1945, Biometrika 33, 239)
    accuracy = mean [dx = dy], ties included         (Deutsch, Foster and Freitag 2023, arXiv:2305.14324)

and Spearman's rho is the correlation of mid-ranks. A draw gives each prompt a weight, which its samples
take. A pair counts the product of two weights, so that no copy is compared with itself; where samples are
compared within their prompts alone, it counts the prompt's weight.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drawbench_eval.stats.bootstrap import cluster_draws, percentile_interval
from drawbench_eval.stats.clustered import Array

# Draws of a statistic of pairs cost P^2 each.
NUM_DRAWS = 2_000
# Pairs held at once.
BLOCK = 2**20

Codes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Association:
    """A value in [-1, 1] (accuracy: [0, 1]) with its 95 % interval; NaN where it is undefined."""

    value: float
    ci95: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Correlation:
    """Score against rating. `spearman` is None where samples are compared within their prompts alone."""

    kendall: Association
    accuracy: Association
    spearman: Association | None
    num_samples: int
    num_prompts: int
    num_pairs: int


def correlate(
    scores: ArrayLike,
    ratings: ArrayLike,
    prompts: ArrayLike,
    *,
    seed: int,
    within_prompts: bool = False,
    tie_threshold: float = 0.0,
    num_draws: int = NUM_DRAWS,
) -> Correlation:
    """Kendall's tau-b, Spearman's rho and pairwise accuracy of scores [n] against ratings [n].

    Higher must be better in both: turn a distance's sign. With `within_prompts` only samples of one prompt
    are compared, as when models are told apart on the same prompts. For the accuracy, scores no further
    apart than `tie_threshold` are tied; chosen on these samples it flatters. Intervals are undefined with
    one prompt. Raises ValueError for shapes that differ and for values that are not finite.
    """
    x, y = np.asarray(scores, dtype=np.float64), np.asarray(ratings, dtype=np.float64)
    labels = np.asarray(prompts)
    if x.ndim != 1 or y.shape != x.shape or labels.shape != x.shape:
        raise ValueError(
            f"scores, ratings and prompts: shapes {x.shape}, {y.shape} and {labels.shape}; all [n]"
        )
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("scores and ratings: some are not finite; leave unscored samples out and count them")
    if not tie_threshold >= 0:
        raise ValueError(f"tie_threshold: {tie_threshold:g}; must be 0 or more")
    names, prompt = np.unique(labels, return_inverse=True)
    # Prompts side by side, so that their sums are sums of neighbours.
    order = np.argsort(prompt, kind="stable")
    x, y, prompt = x[order], y[order], prompt[order].astype(np.int64)
    sums = _sums_within(x, y, prompt, tie_threshold) if within_prompts else _sums(x, y, prompt, tie_threshold)
    ones = np.ones((1, len(names)))
    totals = _totals(ones, sums)
    tau, accuracy = _kendall(totals), _accuracy(totals)
    rho = None if within_prompts else _spearman(ones, x, y, prompt)

    drawn: list[list[Array]] = [[], [], []]
    for weights in _weights(len(names), num_draws, seed, width=1 if within_prompts else len(x)):
        totals_drawn = _totals(weights, sums)
        drawn[0].append(_kendall(totals_drawn))
        drawn[1].append(_accuracy(totals_drawn))
        if rho is not None:
            drawn[2].append(_spearman(weights, x, y, prompt))

    def association(value: Array, draws: list[Array]) -> Association:
        ci95 = percentile_interval(np.concatenate(draws)) if draws else (math.nan, math.nan)
        return Association(value=float(value[0]), ci95=ci95)

    return Correlation(
        kendall=association(tau, drawn[0]),
        accuracy=association(accuracy, drawn[1]),
        spearman=None if rho is None else association(rho, drawn[2]),
        num_samples=len(x),
        num_prompts=len(names),
        num_pairs=int(totals[0, 4]) // 2,
    )


def _weights(num_prompts: int, num_draws: int, seed: int, *, width: int) -> Iterator[Array]:
    """The draws' weights, or none where one prompt leaves nothing to resample."""
    return cluster_draws(num_prompts, num_draws, seed=seed, width=width) if num_prompts > 1 else iter(())


def _terms(dx: Array, dy: Array, tie_threshold: float) -> tuple[Array, ...]:
    """Of differences in score and rating: concordance, untied score, untied rating, equal signs."""
    sx, sy = np.sign(dx), np.sign(dy)
    equal = np.where(np.abs(dx) <= tie_threshold, 0.0, sx) == sy
    return sx * sy, np.abs(sx), np.abs(sy), equal.astype(np.float64)


def _sums(x: Array, y: Array, prompt: Codes, tie_threshold: float) -> Array:
    """The terms' sums over ordered pairs of samples, and the pairs' number, of each two prompts: [5, P, P].

    Prompts are in order.
    """
    starts, size = np.flatnonzero(np.diff(prompt, prepend=-1)), np.bincount(prompt)
    sums = np.zeros((5, len(starts), len(starts)))
    sums[4] = np.multiply.outer(size, size)
    rows = max(1, BLOCK // max(len(x), 1))
    for start in range(0, len(x), rows):
        part = slice(start, start + rows)
        terms = _terms(x[part, None] - x, y[part, None] - y, tie_threshold)
        for term, of_pairs in zip(sums[:4], terms, strict=True):
            np.add.at(term, prompt[part], np.add.reduceat(of_pairs, starts, axis=1))
    # A sample is no pair with itself, though it was counted as an equal one.
    own = np.arange(len(starts))
    sums[3:, own, own] -= size
    return sums


def _sums_within(x: Array, y: Array, prompt: Codes, tie_threshold: float) -> Array:
    """The terms' sums over ordered pairs of samples of each prompt, and the pairs' number: [5, P].

    Prompts are in order.
    """
    size = np.bincount(prompt)
    sums = np.zeros((5, len(size)))
    sums[4] = size * (size - 1)
    for step in range(1, int(size.max(initial=1))):
        first = np.flatnonzero(prompt[:-step] == prompt[step:])
        terms = _terms(x[first] - x[first + step], y[first] - y[first + step], tie_threshold)
        for term, of_pairs in zip(sums[:4], terms, strict=True):
            term += 2.0 * np.bincount(prompt[first], weights=of_pairs, minlength=len(size))
    return sums


def _totals(weights: Array, sums: Array) -> Array:
    """The terms' totals under weights [b, P]: [b, 5]."""
    if sums.ndim == 2:
        return np.asarray(weights @ sums.T)
    return np.column_stack([((weights @ term) * weights).sum(axis=1) for term in sums])


def _kendall(totals: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(totals[:, 0] / np.sqrt(totals[:, 1] * totals[:, 2]))


def _accuracy(totals: Array) -> Array:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(totals[:, 3] / totals[:, 4])


def _spearman(weights: Array, x: Array, y: Array, prompt: Codes) -> Array:
    """The correlation of weighted mid-ranks under weights [b, P]: [b]."""
    w = weights[:, prompt]
    share = w / w.sum(axis=1, keepdims=True) if len(x) else w
    a, b = _midranks(x, share), _midranks(y, share)
    a -= (share * a).sum(axis=1, keepdims=True)
    b -= (share * b).sum(axis=1, keepdims=True)
    spread = np.sqrt((share * a * a).sum(axis=1) * (share * b * b).sum(axis=1))
    # Ranks that are all equal leave rounding alone, far below any spread that ranks can have.
    defined = spread > 1e-12
    return np.where(defined, (share * a * b).sum(axis=1) / np.where(defined, spread, 1.0), np.nan)


def _midranks(values: Array, share: Array) -> Array:
    """The weight below each of values [n] and half of that at it, under shares [b, n]: [b, n]."""
    _, level = np.unique(values, return_inverse=True)
    order = np.argsort(level, kind="stable")
    if len(order) == 0:
        return share.copy()
    at_level = np.add.reduceat(share[:, order], np.flatnonzero(np.diff(level[order], prepend=-1)), axis=1)
    return np.asarray((np.cumsum(at_level, axis=1) - at_level / 2)[:, level])
