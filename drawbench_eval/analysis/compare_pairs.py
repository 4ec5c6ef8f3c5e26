"""Two runs on the same prompts: the difference of a metric, its error, and what could have been found.

Images of two models share their prompt and nothing else, so the prompt is the pair: image 1 of one
model has no partner among the images of the other. With y_p = mean_a,p - mean_b,p over P prompts the
difference of a per-sample metric is the mean of y_p with the t interval on P - 1 degrees of freedom. A metric
of the whole set (a Frechet or kernel distance) has influence values u per sample, and of the difference of
two distances

    SE^2 = P/(P-1) * sum_p (sum_i u_a,pi / n_a - sum_i u_b,pi / n_b)^2,

with the reference taken as given on both sides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import nctdtrinc, stdtrit

from drawbench_eval.analysis.measures import DISTANCE
from drawbench_eval.analysis.paired import differences
from drawbench_eval.stats.clustered import Estimate, clustered_mean

Kind = Literal["per prompt", "whole set", "no column"]

INFLUENCES = (*DISTANCE, "kid", "cmmd")
"""Metrics whose per-sample column holds influence values: the value is not their mean."""


@dataclass(frozen=True, kw_only=True)
class Paired:
    """a - b with its error, and how many prompts were scored on one side only (left out, or in the error)."""

    difference: Estimate
    num_only_a: int
    num_only_b: int


def kind_of(metric: str, *frames: pd.DataFrame) -> Kind:
    """How two runs are compared in `metric`: by their columns' means, their influences, or not at all."""
    if any(metric not in frame.columns for frame in frames):
        return "no column"
    return "whole set" if metric in INFLUENCES else "per prompt"


def prompt_means(scores: pd.DataFrame, column: str) -> pd.Series:
    """The mean of a column over each prompt's scored samples, by prompt id in alphabetical order."""
    scored = scores.dropna(subset=[column])
    means = scored[column].astype("float64").groupby(scored["prompt_id"].astype(str)).mean()
    return means.sort_index()


def mean_difference(a: pd.DataFrame, b: pd.DataFrame, column: str) -> Paired:
    """Mean over prompts of a's mean minus b's; prompts that one side has not scored are left out, counted."""
    of_a, of_b = prompt_means(a, column), prompt_means(b, column)
    both = of_a.index.intersection(of_b.index)
    return Paired(
        difference=clustered_mean(differences(of_a[both], of_b[both]), np.arange(len(both))),
        num_only_a=len(of_a) - len(both),
        num_only_b=len(of_b) - len(both),
    )


def influence_difference(
    a: pd.DataFrame, b: pd.DataFrame, column: str, *, value_a: float, value_b: float
) -> Paired:
    """The difference of two recorded values of a set metric, with the error of its influences by prompt.

    A prompt that only one side has scored is part of that side's value and so of the error; it is counted.
    """
    shares = [influence_by_prompt(scores, column) for scores in (a, b)]
    parts = pd.concat(shares, axis=1, keys=["a", "b"])
    change = differences(parts["a"].fillna(0.0), parts["b"].fillna(0.0))
    count = len(change)
    error = math.sqrt(count / (count - 1) * float(np.square(change).sum())) if count > 1 else math.nan
    estimate = Estimate(
        value=float(differences(value_a, value_b)),
        standard_error=error,
        n=min(int(scores[column].notna().sum()) for scores in (a, b)),
        num_clusters=count,
    )
    return Paired(
        difference=estimate,
        num_only_a=int(parts["b"].isna().sum()),
        num_only_b=int(parts["a"].isna().sum()),
    )


def detectable(difference: Estimate, *, alpha: float, power: float) -> float:
    """The smallest true difference that a two-sided test at `alpha` finds with this power, at this error.

    t with P - 1 degrees of freedom, centred at difference / SE, exceeds its critical value with probability
    `power` (the far tail left out). NaN where the error is 0 or undefined.
    """
    degrees = difference.num_clusters - 1
    if degrees < 1 or not difference.standard_error > 0:
        return math.nan
    shift = float(nctdtrinc(degrees, 1.0 - power, stdtrit(degrees, 1.0 - alpha / 2)))
    return shift * difference.standard_error


def influence_by_prompt(scores: pd.DataFrame, column: str) -> pd.Series:
    """What each prompt's images add to a set metric: their summed influence over the number of images."""
    scored = scores.dropna(subset=[column])
    share = scored[column].astype("float64") / len(scored)
    return share.groupby(scored["prompt_id"].astype(str)).sum()
