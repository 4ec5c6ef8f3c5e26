"""`target_ci`: a point gets more images a prompt until its intervals are narrow enough.

Group-sequential: the first image of all prompts is made and scored, then the second of all, up to
num_images_per_prompt; the point stops as soon as every named metric's 95 % interval is within the value plus
or minus its target. This is a stopping rule of fixed width (Chow and Robbins, On the asymptotic theory of
fixed-width sequential confidence intervals, 1965): it looks at the width, not at the value, so no level is
spent. What it costs in coverage is simulated (tests/drawbench_eval/runs/test_target.py, docs/sweeps.md).
"""

import math
from collections.abc import Mapping
from typing import Any

Target = Mapping[str, float]
"""Metric -> half the width that its 95 % interval may have, in the metric's own unit."""


def half_width(entry: Mapping[str, Any]) -> float:
    """Half the width of the interval in a metric's entry of run.json; infinite where there is none."""
    low, high = entry["ci95"]
    return math.inf if low is None or high is None else (high - low) / 2


def is_reached(metrics: Mapping[str, Mapping[str, Any]], target: Target) -> bool:
    """Whether every named metric is known well enough."""
    return all(half_width(metrics[name]) <= wanted for name, wanted in target.items())


def said(target: Target, rounds: int, most: int, *, reached: bool) -> str:
    """What stands beside every number of a run with a target."""
    wanted = ", ".join(f"{name} within ± {value:g}" for name, value in target.items())
    if reached:
        return f"sampled until {wanted}: {rounds} of at most {most} images a prompt"
    return f"sampled until {wanted}: not reached with {most} images a prompt"
