"""Errors of judgements that share prompts and raters: the two-way cluster-robust variance.

A prompt's judgements are alike, and so are a rater's. With psi_i what judgement i adds to the error of an
estimate to first order, and S_g sums of psi over the clusters of one kind,

    V = V_prompt + V_rater - V_cell,    V_kind = G/(G-1) sum_g S_g^2,

where cells are pairs of a prompt and a rater (Cameron, Gelbach and Miller 2011, J. Bus. Econ. Stat. 29, 238;
Miglioretti and Heagerty 2007, Am. J. Epidemiol. 165, 453). Intervals take t with min(P, R) - 1 degrees of
freedom. V falls below V_cell, the variance of judgements that share nothing, only by chance, and then V_cell
stands for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from drawbench_eval.stats.bootstrap import cluster_sums
from drawbench_eval.stats.clustered import Array, Estimate, without_rounding

# With fewer clusters of either kind an interval is said to rest on few.
FEW_CLUSTERS = 10

Codes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class TwoWay:
    """An estimate whose error allows for prompts and raters; a kind that a file does not name is None.

    `estimate.num_clusters` is the smaller of the two counts, which its t takes its degrees of freedom from.
    """

    estimate: Estimate
    num_prompts: int | None
    num_raters: int | None

    @property
    def few_clusters(self) -> bool:
        """Whether the error rests on fewer than 10 prompts or raters."""
        return self.estimate.num_clusters < FEW_CLUSTERS


@dataclass(frozen=True, kw_only=True)
class TwoWayCovariance:
    """The three parts of the covariance of q estimates, each [q, q]; parts not asked for are None."""

    prompt: Array | None
    rater: Array | None
    cell: Array | None
    num_prompts: int | None
    num_raters: int | None

    @property
    def num_clusters(self) -> int:
        """The smaller number of clusters."""
        return min(count for count in (self.num_prompts, self.num_raters) if count is not None)

    def variance(self, contrasts: ArrayLike) -> Array:
        """The variance [m] of contrasts [m, q] of the estimates; NaN where a kind has one cluster."""
        rows = np.atleast_2d(np.asarray(contrasts, dtype=np.float64))

        def of(part: Array) -> Array:
            return np.asarray(np.einsum("mq,qr,mr->m", rows, part, rows))

        if self.prompt is None or self.rater is None or self.cell is None:
            (only,) = (part for part in (self.prompt, self.rater) if part is not None)
            return of(only)
        cell = of(self.cell)
        return np.maximum(of(self.prompt) + of(self.rater) - cell, cell)


def two_way_covariance(
    influence: ArrayLike, prompts: ArrayLike | None, raters: ArrayLike | None
) -> TwoWayCovariance:
    """The covariance of q estimates from influences [n, q] of judgements with prompts [n] and raters [n].

    Where one kind is None the covariance is clustered by the other alone. Raises ValueError when both are, or
    when shapes do not match.
    """
    rows = np.asarray(influence, dtype=np.float64)
    if prompts is None and raters is None:
        raise ValueError("prompts and raters: both are absent; an error needs one of them as clusters")
    by_prompt = None if prompts is None else _codes("prompts", prompts, len(rows))
    by_rater = None if raters is None else _codes("raters", raters, len(rows))
    cell = None
    if by_prompt is not None and by_rater is not None:
        pairs = by_prompt * (by_rater.max(initial=0) + 1) + by_rater
        cell = _part(rows, _codes("cells", pairs, len(rows)))
    return TwoWayCovariance(
        prompt=None if by_prompt is None else _part(rows, by_prompt),
        rater=None if by_rater is None else _part(rows, by_rater),
        cell=cell,
        num_prompts=None if by_prompt is None else int(by_prompt.max(initial=-1)) + 1,
        num_raters=None if by_rater is None else int(by_rater.max(initial=-1)) + 1,
    )


def two_way(
    value: float, influence: ArrayLike, prompts: ArrayLike | None, raters: ArrayLike | None
) -> TwoWay:
    """A value whose error is, to first order, the sum of influences [n]."""
    rows = np.asarray(influence, dtype=np.float64)
    covariance = two_way_covariance(rows[:, None], prompts, raters)
    return TwoWay(
        estimate=Estimate(
            value=value,
            standard_error=math.sqrt(float(covariance.variance([[1.0]])[0])) if len(rows) else math.nan,
            n=len(rows),
            num_clusters=covariance.num_clusters,
        ),
        num_prompts=covariance.num_prompts,
        num_raters=covariance.num_raters,
    )


def two_way_mean(
    values: ArrayLike,
    prompts: ArrayLike | None,
    raters: ArrayLike | None,
    *,
    weights: ArrayLike | None = None,
) -> TwoWay:
    """The mean of values [n], or with weights [n] the mean weighted by them.

    `equal_weights(prompts)` gives the mean of the prompts' means.
    """
    x = _finite("values", values)
    w = np.ones(len(x)) if weights is None else _finite("weights", weights)
    if w.shape != x.shape:
        raise ValueError(f"values and weights: shapes {x.shape} and {w.shape}; both must be [n]")
    if len(x) == 0:
        return two_way(math.nan, x, prompts, raters)
    shares = w / w.sum()
    mean = float(shares @ x)
    return two_way(mean, shares * _deviations(x, mean), prompts, raters)


def two_way_macro(
    values: ArrayLike, strata: ArrayLike, prompts: ArrayLike | None, raters: ArrayLike | None
) -> TwoWay:
    """The plain mean of the means of K strata [n], such as categories, which are all there are.

    Each stratum's C_k prompts were drawn by themselves, so their influences are widened by C_k/(C_k-1) in
    place of C/(C-1), and C - K + 1 counts as the number of prompts. A prompt alone in its stratum leaves the
    error undefined. Raises ValueError where a prompt is in two strata.
    """
    x = _finite("values", values)
    if len(x) == 0:
        return two_way(math.nan, x, prompts, raters)
    codes = _codes("strata", strata, len(x))
    sizes = np.bincount(codes).astype(np.float64)
    means = np.bincount(codes, weights=x) / sizes
    influence = _deviations(x, means[codes]) / (sizes[codes] * len(sizes))
    value = float(means.mean())
    if prompts is None:
        return two_way(value, influence, prompts, raters)
    drawn = _prompts_of_strata(codes, prompts)
    count = drawn.sum()
    with np.errstate(divide="ignore"):
        widened = np.where(drawn > 1, drawn / (drawn - 1), np.nan) * (count - 1) / count
    macro = two_way(value, influence * np.sqrt(widened[codes]), prompts, raters)
    degrees = min(int(count) - len(sizes) + 1, macro.estimate.num_clusters)
    return replace(macro, estimate=replace(macro.estimate, num_clusters=degrees))


def two_way_difference(
    values_a: ArrayLike,
    values_b: ArrayLike,
    prompts: tuple[ArrayLike, ArrayLike] | None,
    raters: tuple[ArrayLike, ArrayLike] | None,
    *,
    by_prompt: bool = False,
) -> TwoWay:
    """The mean of a [n] minus the mean of b [m], judged one by one: what they share is allowed for.

    `prompts` and `raters` hold the labels of a's and of b's judgements. A prompt or rater of both sides is
    one cluster, so that what it adds to both cancels. With `by_prompt` both means are those of the prompts'
    means. Pairing is by clusters and not by rows: a prompt that only one side has still counts, on that
    side.
    """
    a, b = _finite("a", values_a), _finite("b", values_b)
    if by_prompt and prompts is None:
        raise ValueError("prompts: absent; the mean of the prompts' means needs them")
    weights = [
        equal_weights(prompts[side]) if by_prompt and prompts is not None else np.ones(len(x))
        for side, x in enumerate((a, b))
    ]
    if min(len(a), len(b)) == 0:
        raise ValueError(f"judgements: {len(a)} and {len(b)}; a difference takes some on either side")
    shares = [w / w.sum() for w in weights]
    means = [float(share @ x) for share, x in zip(shares, (a, b), strict=True)]
    influence = np.concatenate([shares[0] * _deviations(a, means[0]), -shares[1] * _deviations(b, means[1])])
    return two_way(means[0] - means[1], influence, _joined(prompts), _joined(raters))


def equal_weights(clusters: ArrayLike) -> Array:
    """Weights [n] under which each cluster [n] counts the same: one over its size."""
    _, index, sizes = np.unique(np.asarray(clusters), return_inverse=True, return_counts=True)
    return np.asarray(1.0 / sizes[index])


def _deviations(values: Array, centre: Array | float) -> Array:
    """Values minus their centre, 0 where they differ by rounding alone."""
    return without_rounding(values - centre, np.abs(values).max(initial=0.0))


def _prompts_of_strata(codes: Codes, prompts: ArrayLike) -> Array:
    """How many prompts each stratum has: [K]."""
    labels = np.asarray(prompts)
    by_prompt = _codes("prompts", labels, len(codes))
    pairs = np.unique(np.column_stack([by_prompt, codes]), axis=0)
    repeated = np.flatnonzero(np.diff(pairs[:, 0]) == 0)
    if len(repeated):
        name = np.unique(labels)[pairs[repeated[0], 0]]
        raise ValueError(
            f"prompt {str(name)!r}: is in more than one category; a macro average takes one each"
        )
    return np.bincount(pairs[:, 1]).astype(np.float64)


def _joined(labels: tuple[ArrayLike, ArrayLike] | None) -> NDArray[np.generic] | None:
    return None if labels is None else np.concatenate([np.asarray(side) for side in labels])


def _codes(kind: str, labels: ArrayLike, n: int) -> Codes:
    array = np.asarray(labels)
    if array.shape != (n,):
        raise ValueError(f"{kind}: shape {array.shape} for {n} judgements; there must be one label for each")
    return np.asarray(np.unique(array, return_inverse=True)[1], dtype=np.int64)


def _finite(name: str, values: ArrayLike) -> Array:
    x = np.asarray(values, dtype=np.float64)
    if x.ndim != 1:
        raise ValueError(f"{name}: shape {x.shape}; must be [n]")
    if not np.isfinite(x).all():
        raise ValueError(f"{name}: some are not finite; leave missing judgements out and count them")
    return x


def _part(influence: Array, codes: Codes) -> Array:
    """G/(G-1) sum_g S_g S_g' over G clusters: [q, q]; NaN for one cluster."""
    count = int(codes.max(initial=-1)) + 1
    width = influence.shape[1]
    if count < 2:
        return np.full((width, width), np.nan)
    sums = without_rounding(cluster_sums(influence, codes), cluster_sums(np.abs(influence), codes))
    return np.asarray(count / (count - 1) * (sums.T @ sums))
