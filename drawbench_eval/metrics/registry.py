"""Metric names -> metrics, wired to the real extractors, which are loaded only when their metric is made."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drawbench_eval.features.bank import FeatureSource, StoredFeatures
from drawbench_eval.features.base import Extractor
from drawbench_eval.features.clip import Clip, ClipImage, ClipSettings
from drawbench_eval.metrics.base import EvalMetric
from drawbench_eval.prompt import PromptSet
from drawbench_eval.protocol import Scalar
from drawbench_eval.references import AnyReference
from drawbench_eval.store import Store
from drawbench_eval.weights import INCEPTION, WeightsSettings

EXTRACTORS = ("inception", "clip", "dinov2", "scenes")


@dataclass(frozen=True, kw_only=True)
class MetricContext:
    """What metrics share within a run, loaded models and kept features among it.

    `conditions` are protocol values that only the run knows (guidance_kind, ...).
    """

    prompt_set: PromptSet
    reference: AnyReference | None
    store: Store
    batch_size: int
    weights: WeightsSettings = field(default_factory=WeightsSettings)
    clip: ClipSettings = field(default_factory=ClipSettings)
    device: str = "cpu"
    conditions: Mapping[str, Scalar] = field(default_factory=dict)
    _shared: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    def shared(self, key: Any, make: Callable[[], Any]) -> Any:
        """What `make()` gives, made once for all metrics of the run."""
        if key not in self._shared:
            self._shared[key] = make()
        return self._shared[key]


def known_metrics() -> tuple[str, ...]:
    """The names that `make_metric` knows."""
    return tuple(_ENTRIES)


def extractor_of(name: str, settings: Mapping[str, Any]) -> str:
    """One of EXTRACTORS: whose weights a metric needs. Raises ValueError for an unknown metric."""
    return str(settings.get("extractor") or _entry(name).extractor)


def make_metric(name: str, settings: Mapping[str, Any], *, context: MetricContext) -> EvalMetric:
    """The metric of this name with its settings (the keys of `metrics.<name>`).

    Raises ValueError for an unknown name or setting, and where the metric needs a reference and there is
    none.
    """
    entry = _entry(name)
    for key in settings:
        if key not in entry.settings:
            known = f"known are {', '.join(entry.settings)}" if entry.settings else "it has none"
            raise ValueError(f"metrics.{name}.{key}: not a setting of this metric; {known}")
    return entry.make(name, settings, context)


Make = Callable[[str, Mapping[str, Any], MetricContext], EvalMetric]


@dataclass(frozen=True, kw_only=True)
class _Entry:
    extractor: str
    settings: tuple[str, ...]
    make: Make


def _of_features(where: str, extractor: str, *more: str, reference: bool = True) -> _Entry:
    """A metric of feature vectors: `where` is module:class, `more` its settings beside the extractor's."""
    module, class_name = where.split(":")

    def make(name: str, settings: Mapping[str, Any], context: MetricContext) -> EvalMetric:
        own = {key: settings[key] for key in more if settings.get(key) is not None and key != "extractor"}
        parts: dict[str, Any] = {}
        if reference:
            parts["reference"] = _reference(name, context)
        chosen = str(settings.get("extractor") or extractor)
        made: EvalMetric = getattr(importlib.import_module(f"drawbench_eval.metrics.{module}"), class_name)(
            source=_source(name, chosen, settings, context),
            prompt_set=context.prompt_set,
            conditions=context.conditions,
            **parts,
            **own,
        )
        return made

    settings = (*_EXTRACTOR_SETTINGS.get(extractor, ()), *more)
    return _Entry(extractor=extractor, settings=settings, make=make)


_EXTRACTOR_SETTINGS = {"inception": ("resize",), "scenes": ("weights",)}


def _reference(name: str, context: MetricContext) -> AnyReference:
    if context.reference is None:
        raise ValueError(
            f"metrics: {name} needs a reference set and reference is none; "
            f"use reference={'scenes' if name == 'fd_scenes' else 'folder reference.path=FOLDER'}"
        )
    return context.reference


def _source(name: str, kind: str, settings: Mapping[str, Any], context: MetricContext) -> FeatureSource:
    """The kept features of an extractor; one object for all metrics of the run that use the same one."""

    def source(key: Any, make: Callable[[], Extractor]) -> FeatureSource:
        found: FeatureSource = context.shared(key, lambda: StoredFeatures(make(), context.store))
        return found

    if kind == "inception":
        resize = str(settings.get("resize") or "clean")
        return source(("inception", resize), lambda: _inception(name, resize, context))
    if kind == "clip":
        return source("clip features", lambda: ClipImage(_clip(context)))
    if kind == "dinov2":
        from drawbench_eval.features.dinov2 import dinov2

        weights = context.weights
        return source("dinov2", lambda: dinov2(weights.dinov2, cache=weights.cache, device=context.device))
    if kind == "scenes":
        from drawbench_eval.features.scenes import scenes_image

        path = _weights(name, settings)
        return source(("scenes", path), lambda: scenes_image(path, batch_size=context.batch_size))
    raise ValueError(f"metrics.{name}.extractor: {kind} is not one of {', '.join(EXTRACTORS)}")


def _inception(name: str, resize: str, context: MetricContext) -> Extractor:
    from drawbench_eval.features.inception import Inception

    try:
        return Inception(context.weights.find(INCEPTION), resize, context.device)
    except ValueError as error:
        if str(error).startswith("resize:"):
            raise ValueError(f"metrics.{name}.{error}") from error
        raise


def _clip(context: MetricContext) -> Clip:
    found: Clip = context.shared("clip", lambda: Clip(context.clip, device=context.device))
    return found


def _clip_score(_name: str, settings: Mapping[str, Any], context: MetricContext) -> EvalMetric:
    from drawbench_eval.metrics.clip_score import ClipScore

    return ClipScore(
        clip=_clip(context),
        source=_source("clip_score", "clip", settings, context),
        view=str(settings.get("view") or "cosine"),
        prefix=str(settings.get("prefix") or ""),
        prompt_set=context.prompt_set,
        conditions=context.conditions,
    )


def _scenes_clip_score(_name: str, settings: Mapping[str, Any], context: MetricContext) -> EvalMetric:
    from drawbench_eval.metrics.scenes_clip_score import ScenesClipScore
    from drawbench_eval.scenes.scorers import load_clip_scorer

    return ScenesClipScore(
        scorer=load_clip_scorer(_weights("scenes_clip_score", settings)),
        batch_size=context.batch_size,
        prompt_set=context.prompt_set,
        conditions=context.conditions,
    )


def _scenes_accuracy(_name: str, _settings: Mapping[str, Any], context: MetricContext) -> EvalMetric:
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
    "fid": _of_features("fid:Fid", "inception"),
    "fid_infinity": _of_features("fid_infinity:FidInfinity", "inception", "seed"),
    "kid": _of_features("kid:Kid", "inception"),
    "fd_clip": _of_features("fd_clip:FdClip", "clip"),
    "cmmd": _of_features("cmmd:Cmmd", "clip"),
    "fd_dinov2": _of_features("fd_dinov2:FdDinov2", "dinov2"),
    "precision": _of_features("neighborhood:Precision", "inception", "k", "extractor"),
    "recall": _of_features("neighborhood:Recall", "inception", "k", "extractor"),
    "density": _of_features("neighborhood:Density", "inception", "k", "extractor"),
    "coverage": _of_features("neighborhood:Coverage", "inception", "k", "extractor"),
    "diversity": _of_features("diversity:Diversity", "inception", "extractor", reference=False),
    "clip_score": _Entry(extractor="clip", settings=("view", "prefix"), make=_clip_score),
    "fd_scenes": _of_features("fd_scenes:FdScenes", "scenes"),
    "scenes_clip_score": _Entry(extractor="scenes", settings=("weights",), make=_scenes_clip_score),
    "scenes_accuracy": _Entry(extractor="scenes", settings=(), make=_scenes_accuracy),
}


def _entry(name: str) -> _Entry:
    if name not in _ENTRIES:
        raise ValueError(f"metrics: {name!r} is not known; known are {', '.join(_ENTRIES)}")
    return _ENTRIES[name]
