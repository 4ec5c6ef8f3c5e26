"""Schedulers of diffusers by name, and our thresholding settings in their terms."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from drawbench_eval.generators.pipelines.files import PipelineFiles
from drawbench_eval.generators.pipelines.library import class_named, quiet

Threshold = Literal["none", "static", "dynamic"]


@dataclass(frozen=True, kw_only=True)
class Scheduler:
    """A scheduler's class and what is set in it; everything else is as the pipeline's own has it."""

    name: str
    options: Mapping[str, Any]

    def build(self, pipe: Any) -> Any:
        """The scheduler, made from the configuration of the pipeline's own."""
        if self.name == type(pipe.scheduler).__name__ and not self.options:
            return pipe.scheduler
        config = dict(pipe.scheduler.config)
        if "variance_type" not in accepted(self.name):
            # DeepFloyd's networks predict a variance beside eps; their pipelines drop it where none is named.
            config["variance_type"] = None
        with quiet():
            return class_named(self.name, key="model.scheduler").from_config(config, **self.options)

    def identity(self, prefix: str) -> dict[str, Any]:
        """The class and the options, flat."""
        options = {f"{prefix}.scheduler_options.{key}": value for key, value in self.options.items()}
        return {f"{prefix}.scheduler": self.name, **options}


def choose_scheduler(
    files: PipelineFiles, name: str | None, options: Mapping[str, Any], *, prefix: str
) -> Scheduler:
    """The scheduler `name`, or the pipeline's own for None, with `options` set.

    Raises ValueError, opening with a key under `prefix`, for one that diffusers does not have or that the
    pipeline's own cannot be exchanged for, and for an option that it does not read.
    """
    own_name = files.components.get("scheduler")
    if own_name is None:
        raise ValueError(f"{prefix}.path: {files.pipeline} has no scheduler")
    chosen = name or own_name
    if chosen != own_name and not _exchangeable(own_name, chosen, prefix):
        raise ValueError(
            f"{prefix}.scheduler: {chosen} does not go with {files.pipeline}, made for {own_name}"
        )
    read = accepted(chosen)
    for option in options:
        if option not in read:
            raise ValueError(
                f"{prefix}.scheduler_options.{option}: {chosen} has no such option; "
                f"it has {', '.join(sorted(read))}"
            )
    return Scheduler(name=chosen, options=dict(options))


def accepted(scheduler: str) -> set[str]:
    """The names of a scheduler's options."""
    made = class_named(scheduler, key="model.scheduler").__init__
    return {name for name in inspect.signature(made).parameters if name not in ("self", "kwargs")}


def threshold_options(
    scheduler: str, threshold: Threshold, percentile: float, sample_max_value: float | None, *, prefix: str
) -> dict[str, Any]:
    """Our thresholding as options of a scheduler (Imagen, section 2.3).

    diffusers and DeepFloyd add a cap to dynamic thresholding: s = min(max(s, 1), sample_max_value). None is
    the paper's, without a cap; at 1 dynamic is static. Their quantile interpolates linearly. Raises
    ValueError for a scheduler that does not threshold, and for values out of range.
    """
    if not 0 < percentile <= 1:
        raise ValueError(
            f"{prefix}.percentile: {percentile:g} is not a fraction above 0, up to 1 (the paper's is 0.995)"
        )
    if sample_max_value is not None and not 1 <= sample_max_value < math.inf:
        raise ValueError(
            f"{prefix}.sample_max_value: {sample_max_value:g} is not at least 1; null is the paper's: no cap"
        )
    read = accepted(scheduler)
    clips, thresholds = "clip_sample" in read, "thresholding" in read
    if (threshold == "dynamic" and not thresholds) or (threshold == "static" and not (clips or thresholds)):
        raise ValueError(f"{prefix}.threshold: {scheduler} has no {threshold} thresholding; write none")
    options: dict[str, Any] = {}
    if clips:
        options |= {"clip_sample": threshold == "static", "clip_sample_range": 1.0}
    if thresholds:
        options |= {"thresholding": threshold == "dynamic"}
    if threshold == "dynamic":
        options["dynamic_thresholding_ratio"] = percentile
        options["sample_max_value"] = math.inf if sample_max_value is None else sample_max_value
    elif threshold == "static" and not clips:
        # A cap of 1 clips to [-1, 1].
        options |= {"thresholding": True, "sample_max_value": 1.0}
    return options


def _exchangeable(own: str, other: str, prefix: str) -> bool:
    """Whether two schedulers solve the same equation, as far as diffusers says so."""
    a, b = (class_named(name, key=f"{prefix}.scheduler") for name in (own, other))
    if not all(hasattr(found, "_compatibles") for found in (a, b)):
        raise ValueError(f"{prefix}.scheduler: {other} is not a scheduler of diffusers")
    both_flow = own.startswith("FlowMatch") and other.startswith("FlowMatch")
    return both_flow or other in a._compatibles or own in b._compatibles
