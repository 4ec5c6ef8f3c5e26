"""Metric names -> metrics, wired to the real scorers, which are loaded only when their metric is made."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drawbench_eval.metrics.base import EvalMetric
from drawbench_eval.prompt import PromptSet
from drawbench_eval.protocol import Scalar
from drawbench_eval.references import Reference
from drawbench_eval.store import Store


@dataclass(frozen=True, kw_only=True)
class MetricContext:
    """What metrics share within a run.

    `conditions` are protocol values that only the run knows (guidance_kind, ...).
    """

    prompt_set: PromptSet
    reference: Reference | None
    store: Store
    batch_size: int
    conditions: Mapping[str, Scalar] = field(default_factory=dict)


def known_metrics() -> tuple[str, ...]:
    """The names that `make_metric` knows."""
    return tuple(_ENTRIES)


def make_metric(name: str, settings: Mapping[str, Any], *, context: MetricContext) -> EvalMetric:
    """The metric of this name with its settings (the keys of `metrics.<name>`).

    Raises ValueError for an unknown name or setting, and where the metric needs a reference and there is
    none.
    """
    if name not in _ENTRIES:
        raise ValueError(f"metrics: {name!r} is not known; known are {', '.join(_ENTRIES)}")
    entry = _ENTRIES[name]
    for key in settings:
        if key not in entry.settings:
            known = f"known are {', '.join(entry.settings)}" if entry.settings else "it has none"
            raise ValueError(f"metrics.{name}.{key}: not a setting of this metric; {known}")
    return entry.make(settings, context)


@dataclass(frozen=True, kw_only=True)
class _Entry:
    settings: tuple[str, ...]
    make: Callable[[Mapping[str, Any], MetricContext], EvalMetric]


def _fd_scenes(settings: Mapping[str, Any], context: MetricContext) -> EvalMetric:
    from drawbench_eval.features.bank import StoredFeatures
    from drawbench_eval.features.scenes import scenes_image
    from drawbench_eval.metrics.fd_scenes import FdScenes

    if context.reference is None:
        raise ValueError(
            "metrics: fd_scenes needs a reference set and reference is none; use reference=scenes"
        )
    return FdScenes(
        source=StoredFeatures(
            scenes_image(_weights("fd_scenes", settings), batch_size=context.batch_size), context.store
        ),
        reference=context.reference,
        prompt_set=context.prompt_set,
        conditions=context.conditions,
    )


def _scenes_clip_score(settings: Mapping[str, Any], context: MetricContext) -> EvalMetric:
    from drawbench_eval.metrics.scenes_clip_score import ScenesClipScore
    from drawbench_eval.scenes.scorers import load_clip_scorer

    return ScenesClipScore(
        scorer=load_clip_scorer(_weights("scenes_clip_score", settings)),
        batch_size=context.batch_size,
        prompt_set=context.prompt_set,
        conditions=context.conditions,
    )


def _scenes_accuracy(_settings: Mapping[str, Any], context: MetricContext) -> EvalMetric:
    from drawbench_eval.metrics.scenes_accuracy import ScenesAccuracy, scenes_judge

    return ScenesAccuracy(judge=scenes_judge, prompt_set=context.prompt_set, conditions=context.conditions)


def _weights(name: str, settings: Mapping[str, Any]) -> Path | None:
    path = settings.get("weights")
    if path is not None and not isinstance(path, str | Path):
        raise ValueError(
            f"metrics.{name}.weights: {path!r} is not a path; give a file, or null for the packaged weights"
        )
    return None if path is None else Path(path)


# A new metric: one file beside this one, and one line here.
_ENTRIES: dict[str, _Entry] = {
    "fd_scenes": _Entry(settings=("weights",), make=_fd_scenes),
    "scenes_clip_score": _Entry(settings=("weights",), make=_scenes_clip_score),
    "scenes_accuracy": _Entry(settings=(), make=_scenes_accuracy),
}
