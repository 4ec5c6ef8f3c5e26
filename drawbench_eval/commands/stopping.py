"""`target_ci` of a run: which metrics it may name, and what it adds to the protocol of the run's numbers."""

from collections.abc import Mapping
from typing import Any

from drawbench_eval.commands.settings import suggestion
from drawbench_eval.files import canonical_json
from drawbench_eval.metrics.base import EvalMetric
from drawbench_eval.protocol import Scalar
from drawbench_eval.runs.plan import GeneratedSamples, Samples
from drawbench_eval.runs.target import Target


def target_of(asked: Mapping[str, float] | None, metrics: Mapping[str, Any], samples: Samples) -> Target:
    """The checked target, empty for none."""
    if asked is None:
        return {}
    if not asked:
        raise ValueError("target_ci: it names no metric; write for example target_ci.scenes_accuracy=0.02")
    for name, width in asked.items():
        if name not in metrics:
            raise ValueError(f"target_ci: {name} is not among the metrics{suggestion(name, metrics)}")
        if isinstance(width, bool) or not isinstance(width, int | float) or not width > 0:
            raise ValueError(f"target_ci.{name}: {width} is not a number above 0")
    if not isinstance(samples, GeneratedSamples):
        raise ValueError("target_ci: these images are made already; it is for models that make them")
    if samples.plan.num_images_per_prompt < 2:
        raise ValueError(
            "target_ci: num_images_per_prompt is the most that a point may take; write at least 2"
        )
    return {name: float(width) for name, width in asked.items()}


def refuse_biased(target: Target, metrics: Mapping[str, EvalMetric]) -> None:
    """ValueError where a metric's expectation moves with the number of images: points would not compare."""
    biased = [name for name, metric in metrics.items() if not metric.is_mean]
    if target and biased:
        raise ValueError(
            f"target_ci: {', '.join(biased)} change with the number of images, which then differs between "
            "points; leave them out of metrics"
        )


def stopping(asked: Mapping[str, float] | None, samples: Samples) -> dict[str, Scalar]:
    """Conditions of the protocol: what was asked for, not where it stopped, makes numbers comparable."""
    if asked is None:
        return {}
    return {"n_requested": samples.num_images, "target_ci": canonical_json(dict(asked))}
