"""Whether a difference is shown to be small: two one-sided tests ("on par").

That p is above 0.05 says nothing of equality. Equivalence is claimed where both "the difference is -margin or
less" and "the difference is margin or more" are rejected at level alpha, which is where the 1 - 2 alpha
interval lies within the margin (Schuirmann 1987, J. Pharmacokinet. Biopharm. 15, 657).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import stdtr

from drawbench_eval.stats.clustered import Estimate


@dataclass(frozen=True, kw_only=True)
class Equivalence:
    """The two tests of a difference against a margin in its own unit.

    `p_value` is the larger of the two, `interval` the 1 - 2 alpha interval of the difference.
    """

    difference: float
    margin: float
    alpha: float
    p_lower: float
    p_upper: float
    interval: tuple[float, float]

    @property
    def p_value(self) -> float:
        """The p of the claim that the difference is smaller than the margin; NaN without an error."""
        return max(self.p_lower, self.p_upper)

    @property
    def is_equivalent(self) -> bool:
        """Whether both tests reject; never where the error is 0 or undefined."""
        return self.p_value <= self.alpha


def equivalence(difference: Estimate, *, margin: float, alpha: float = 0.05) -> Equivalence:
    """Two one-sided tests of a difference, by t with its clusters - 1 degrees of freedom.

    Where the error is 0 or undefined both p are NaN. Raises ValueError for a margin that is not above 0 and
    finite, and for an alpha outside of (0, 0.5).
    """
    if not (math.isfinite(margin) and margin > 0):
        raise ValueError(f"margin: {margin:g}; must be above 0, in the unit of the difference")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha: {alpha:g}; must lie between 0 and 0.5")
    return Equivalence(
        difference=difference.value,
        margin=margin,
        alpha=alpha,
        p_lower=_p_above(difference.moved_to(difference.value + margin)),
        p_upper=_p_above(difference.moved_to(margin - difference.value)),
        interval=difference.interval(1 - 2 * alpha),
    )


def _p_above(estimate: Estimate) -> float:
    """One-sided p of a true value of 0 or less."""
    if not estimate.standard_error > 0:
        return math.nan
    return float(stdtr(estimate.num_clusters - 1, -estimate.value / estimate.standard_error))
