"""The arithmetic of an ablation's effects: over training runs, intervals, p, and what could be found."""

from __future__ import annotations

import math
from collections.abc import Sequence

from scipy.special import nctdtrinc, stdtr, stdtrit

from drawbench_eval.analysis.paired import Effect
from drawbench_eval.stats.clustered import Estimate, t_quantile


def over_trainings(estimates: Sequence[Estimate]) -> tuple[Estimate, float]:
    """The mean of one estimate a training run, its error with the spread between trainings, and its degrees.

    SE^2 = s^2 / k + mean(SE_i^2), with s the standard deviation of the k estimates: the prompts are the same
    for all trainings, so their error does not shrink with k; what of it is independent counts twice, which
    errs on the wide side. Degrees of freedom by Satterthwaite. One training: its own error and degrees, and
    the interval is about that training alone.
    """
    count = len(estimates)
    first = estimates[0]
    if count == 1:
        return first, first.num_clusters - 1
    value = sum(one.value for one in estimates) / count
    between = sum((one.value - value) ** 2 for one in estimates) / (count - 1) / count
    sampling = sum(one.standard_error**2 for one in estimates) / count
    total = between + sampling
    inner = between**2 / (count - 1) + sampling**2 / max(first.num_clusters - 1, 1)
    estimate = Estimate(
        value=value,
        standard_error=math.sqrt(total),
        n=min(one.n for one in estimates),
        num_clusters=first.num_clusters,
    )
    return estimate, total**2 / inner if inner > 0 else count - 1


def as_effect(estimate: Estimate, degrees: float) -> Effect:
    """The estimate with its 95 % t interval."""
    reach = t_quantile(degrees, 0.95) * estimate.standard_error
    ci95 = (estimate.value - reach, estimate.value + reach) if math.isfinite(reach) else None
    return Effect(value=estimate.value, ci95=ci95, n=estimate.n, num_prompts=estimate.num_clusters)


def two_sided_p(estimate: Estimate, degrees: float) -> float:
    """The p of a true value of 0 by t; NaN where the error is 0 or undefined."""
    if not estimate.standard_error > 0 or not degrees > 0:
        return math.nan
    return float(2 * stdtr(degrees, -abs(estimate.value) / estimate.standard_error))


def detectable(effect: Effect, degrees: float, *, alpha: float, power: float) -> float:
    """The smallest true difference that a two-sided t test at `alpha` finds with this power, at this error.

    The error is read off the 95 % interval. NaN where that is undefined or has no width.
    """
    if effect.ci95 is None or not degrees > 0:
        return math.nan
    error = (effect.ci95[1] - effect.ci95[0]) / 2 / t_quantile(degrees, 0.95)
    shift = float(nctdtrinc(degrees, 1.0 - power, stdtrit(degrees, 1.0 - alpha / 2)))
    return shift * error if error > 0 else math.nan
