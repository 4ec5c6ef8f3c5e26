"""Many runs on resampled prompts at once: what a number would have been with other prompts and seeds.

All runs share prompts and seeds, so one resampling serves them all and differences stay paired. A per-sample
metric is the mean of its column. A Frechet or kernel distance moves from its recorded value by the mean of
its influence values, to first order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import stdtr

from drawbench_eval.analysis.collect import Run
from drawbench_eval.analysis.findings import FEW_PROMPTS
from drawbench_eval.analysis.measures import INFLUENCES
from drawbench_eval.analysis.paired import (
    Array,
    Effect,
    Panel,
    make_panel,
    percentile_interval,
    prompt_draws,
)

NUM_DRAWS = 2000
BOOTSTRAP_SEED = 0
_ENOUGH = 0.95
_FEW_DRAWS = 10


@dataclass(frozen=True, kw_only=True)
class Resampled:
    """Runs in a few metrics: `observed` [runs] and redrawn `draws` [num_draws, runs], each by metric."""

    panel: Panel
    observed: Mapping[str, Array]
    draws: Mapping[str, Array]

    def effect(self, value: float, draws: Array) -> Effect:
        """A number with the percentile interval of its `draws` [num_draws].

        No interval with one prompt, or where more than a twentieth of the draws leave the number undefined:
        the rest would give false comfort.
        """
        known = draws[~np.isnan(draws)]
        num_prompts = len(self.panel.prompt_ids)
        enough = num_prompts > 1 and len(known) >= _ENOUGH * len(draws)
        return Effect(
            value=value,
            ci95=percentile_interval(known) if enough else None,
            n=len(self.panel.prompt),
            num_prompts=num_prompts,
        )


def resample(
    runs: Sequence[Run],
    scores: Mapping[str, pd.DataFrame],
    metrics: Sequence[str],
    *,
    num_draws: int = NUM_DRAWS,
) -> Resampled:
    """`runs` on the samples that all of them scored in all `metrics`, as they are and redrawn by prompt.

    Raises ValueError as `make_panel` does.
    """
    panel = make_panel(scores, [run.run_id for run in runs], metrics)
    weights = prompt_draws(len(panel.prompt_ids), num_draws, seed=BOOTSTRAP_SEED)
    means = np.split(panel.values.mean(axis=0), len(metrics))
    redrawn = np.split(panel.draw_means(weights), len(metrics), axis=1)
    observed, draws = {}, {}
    for metric, mean, drawn in zip(metrics, means, redrawn, strict=True):
        if metric in INFLUENCES:
            observed[metric] = np.array([recorded(run, metric) for run in runs])
            draws[metric] = observed[metric] + drawn - mean
        else:
            observed[metric], draws[metric] = mean, drawn
    return Resampled(panel=panel, observed=observed, draws=draws)


def recorded(run: Run, metric: str) -> float:
    """The value in the run's record."""
    return float(run.metrics[metric]["value"])


def widened(value: Array | float, draws: Array, num_prompts: int) -> Array:
    """Draws about an observed value, with the spread that P prompts leave to be estimated.

    Resampled prompts spread by the P in the sample, sqrt((P - 1) / P) of what the population's do: draws are
    moved from the value by the inverse. One prompt has no spread to widen.
    """
    return value + math.sqrt(num_prompts / max(num_prompts - 1, 1)) * (draws - value)


def two_sided_p(draws: Array, num_prompts: int) -> float:
    """A p of a true value of 0 from bootstrap draws [n] over P prompts: twice the smaller tail, at most 1.

    It agrees with the percentile interval: p < 0.05 where that leaves 0 out. Where fewer than 10 draws are in
    the tail it is that of t with P - 1 degrees, if that is smaller: 2,000 draws alone never go below 0.001,
    which no correction for 50 tests survives. NaN with fewer than 10 prompts, of which resampling finds what
    is not there too often, with undefined draws above a twentieth, and where all are equal.
    """
    known = draws[~np.isnan(draws)]
    if num_prompts < FEW_PROMPTS or len(known) < _ENOUGH * len(draws) or len(known) == 0:
        return math.nan
    if np.ptp(known) == 0:
        return math.nan
    tail = min(int((known <= 0).sum()), int((known >= 0).sum()))
    p = 2 * (tail + 1) / (len(known) + 1)
    if tail < _FEW_DRAWS:
        p = min(p, float(2 * stdtr(num_prompts - 1, -abs(known.mean()) / known.std())))
    return min(1.0, p)
