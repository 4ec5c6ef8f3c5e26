"""Category means drawn towards their common mean, by how little each of them knows.

Prompt means y_kp of categories k follow y_kp = mu + b_k + e_kp with b_k ~ N(0, tau^2), e_kp ~ N(0, sigma^2).
With l = tau^2 / sigma^2 and n_k prompts,

    estimate_k = mu + n_k l / (1 + n_k l) * (mean_k - mu),

l by restricted maximum likelihood (Searle, Casella and McCulloch 1992, Variance Components, chapters 3 and
7). Estimates describe: their errors take tau and sigma as known.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import minimize_scalar

from drawbench_eval.stats.clustered import Array, t_quantile

# The share of variance between categories, l / (1 + l), is sought on this grid and then between its points.
GRID = np.linspace(0.0, 0.9999, 200)


@dataclass(frozen=True, kw_only=True)
class ShrunkenCategory:
    """A category's own mean over its prompts, and the estimate that borrows from the others."""

    category: str
    num_prompts: int
    mean: float
    shrunken: float
    standard_error: float
    interval: tuple[float, float]


@dataclass(frozen=True, kw_only=True)
class Shrinkage:
    """The common mean, the standard deviations between categories and between prompts, and the categories."""

    mean: float
    between: float
    within: float
    categories: tuple[ShrunkenCategory, ...]


def shrink_categories(values: ArrayLike, categories: ArrayLike, *, level: float = 0.95) -> Shrinkage:
    """Shrunken means of prompt values [n] in categories [n], in the order of the categories' names.

    Raises ValueError for fewer than two categories, and where none has two prompts.
    """
    x, labels = np.asarray(values, dtype=np.float64), np.asarray(categories)
    if x.ndim != 1 or labels.shape != x.shape or not np.isfinite(x).all():
        raise ValueError("values and categories: must both be [n], and values finite")
    names, index = np.unique(labels, return_inverse=True)
    if len(names) < 2 or len(x) == len(names):
        raise ValueError(
            f"categories: {len(names)} of {len(x)} prompts; shrinking takes two categories, and one of them"
            " with two prompts"
        )
    size = np.bincount(index).astype(np.float64)
    mean = np.bincount(index, weights=x) / size
    within_sum = float(np.square(x - mean[index]).sum())
    ratio = _variance_ratio(mean, size, within_sum)
    weights = _weights(size, ratio)
    common = float(weights @ mean / weights.sum())
    sigma2 = (within_sum + float(weights @ np.square(mean - common))) / (len(x) - 1)
    kept = 1.0 - weights / size
    shrunken = common + kept * (mean - common)
    # tau^2 (1 - kept) is sigma^2 l / (1 + n l), and the common mean's own error comes in by what is lent.
    variance = sigma2 * (ratio / (1.0 + ratio * size) + np.square(1.0 - kept) / weights.sum())
    reach = t_quantile(len(x) - len(names), level)
    return Shrinkage(
        mean=common,
        between=math.sqrt(ratio * sigma2),
        within=math.sqrt(sigma2),
        categories=tuple(
            ShrunkenCategory(
                category=str(names[k]),
                num_prompts=int(size[k]),
                mean=float(mean[k]),
                shrunken=float(shrunken[k]),
                standard_error=math.sqrt(variance[k]),
                interval=(
                    float(shrunken[k] - reach * math.sqrt(variance[k])),
                    float(shrunken[k] + reach * math.sqrt(variance[k])),
                ),
            )
            for k in range(len(names))
        ),
    )


def _weights(size: Array, ratio: float) -> Array:
    """The weight n / (1 + n l) of each category's mean."""
    return np.asarray(size / (1.0 + ratio * size))


def _variance_ratio(mean: Array, size: Array, within_sum: float) -> float:
    """tau^2 / sigma^2 that maximises the restricted likelihood; at most 9,999."""
    degrees = size.sum() - 1.0

    def deviance(share: float) -> float:
        ratio = share / (1.0 - share)
        weights = _weights(size, ratio)
        residual = within_sum + float(weights @ np.square(mean - weights @ mean / weights.sum()))
        if residual <= 0.0:
            return -math.inf
        return float(degrees * math.log(residual) + np.log1p(ratio * size).sum() + math.log(weights.sum()))

    on_grid = [deviance(share) for share in GRID]
    best = int(np.argmin(on_grid))
    if best == 0 and on_grid[0] <= deviance(1e-6):
        return 0.0
    bounds = (float(GRID[max(best - 1, 0)]), float(GRID[min(best + 1, len(GRID) - 1)]))
    share = float(minimize_scalar(deviance, bounds=bounds, method="bounded", options={"xatol": 1e-10}).x)
    return share / (1.0 - share)
