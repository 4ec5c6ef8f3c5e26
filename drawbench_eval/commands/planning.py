"""Settings -> the things a run is made of: prompts, generator, reference, metrics, and its identity."""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

from drawbench_eval.commands.settings import build, suggestion
from drawbench_eval.features.clip import ClipSettings
from drawbench_eval.files import ensure_folder
from drawbench_eval.generators.base import Generator
from drawbench_eval.generators.device import resolve_device, resolve_precision
from drawbench_eval.generators.folder import FolderSettings, import_folder, label_of
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.metrics.base import EvalMetric
from drawbench_eval.metrics.registry import MetricContext, make_metric
from drawbench_eval.prompt import PromptSet
from drawbench_eval.prompts import Columns, read_prompts
from drawbench_eval.references import Reference, folder_reference, scenes_reference
from drawbench_eval.runs.generation import SamplePlan
from drawbench_eval.runs.identity import flatten
from drawbench_eval.runs.plan import GeneratedSamples, ImportedSamples, Samples
from drawbench_eval.runs.runner import RunPlan
from drawbench_eval.runs.scoring import SCORING_CHUNK
from drawbench_eval.store import Store
from drawbench_eval.weights import WeightsSettings

# model.generator -> the class of its settings, and the module that has it and a
# `make(settings, device=, precision=) -> Generator`; imported when chosen.
GENERATORS = {"imagen": ("ImagenSettings", "drawbench_eval.generators.imagen")}
# Names that stand for a setting of a stage by interpolation (conf/model/*.yaml).
SHORT_NAMES = (
    "guidance_weight",
    "threshold",
    "percentile",
    "interpolation",
    "sampler",
    "num_steps",
    "aug_level",
)


@dataclass(frozen=True, kw_only=True)
class PromptSettings:
    """The `prompts` group. `split` is for source=scenes; `limit` keeps the first so many.

    source=none is for images made elsewhere: prompts come from their manifest, or there are none.
    """

    source: Literal["scenes", "file", "none"]
    split: Literal["suite", "validation", "test"] = "suite"
    path: Path | None = None
    columns: Columns = field(default_factory=Columns)
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit: {self.limit} is not at least 1; write null for all prompts")
        if self.source == "file" and self.path is None:
            raise ValueError("path: a value is needed; write prompts.path=FILE.csv")
        if self.source != "file" and self.path is not None:
            raise ValueError(f"path: {self.path} is not read by these prompts; write prompts=file")
        if self.source != "scenes" and self.split != "suite":
            raise ValueError(f"split: {self.split} exists for prompts=scenes only")


@dataclass(frozen=True, kw_only=True)
class ReferenceSettings:
    """The `reference` group.

    scenes: every prompt's facts rendered `per_prompt` times from `seed`. folder: the images at `path`, with
    their preparation.
    """

    source: Literal["none", "scenes", "folder"]
    per_prompt: int = 1
    seed: int = 0
    path: Path | None = None
    prepare: Preparation = field(default_factory=Preparation)

    def __post_init__(self) -> None:
        if self.source == "folder" and self.path is None:
            raise ValueError("path: a value is needed; write reference.path=FOLDER")
        if self.source != "folder" and self.prepare != Preparation():
            raise ValueError("prepare: only images from a folder are prepared; write reference=folder")


@dataclass(frozen=True, kw_only=True)
class GenerateSettings:
    """What `generate` and `evaluate` share: which images are made, how, and where they go."""

    model: Mapping[str, Any]
    prompts: PromptSettings
    seed: int
    num_images_per_prompt: int
    batch_size: int
    device: str
    precision: str
    results: Path
    label: str | None

    def __post_init__(self) -> None:
        for name in ("num_images_per_prompt", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is not at least 1")


@dataclass(frozen=True, kw_only=True)
class ProtocolSettings:
    """What a protocol of the literature says of itself; its settings stand in the other groups.

    assumptions: what its source does not say and was filled in.
    """

    name: str
    source: str
    assumptions: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class EvaluateSettings(GenerateSettings):
    """The settings of `evaluate`.

    `protocol` is what the chosen preset says of itself; it changes no number.
    """

    reference: ReferenceSettings
    samples: Preparation
    weights: WeightsSettings
    clip: ClipSettings
    metrics: Mapping[str, Any]
    sweep: str | None
    forecast: bool
    protocol: ProtocolSettings | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.metrics:
            raise ValueError("metrics: none are chosen; write for example 'metrics=[scenes_accuracy]'")


def evaluate_settings(config: Mapping[str, Any]) -> EvaluateSettings:
    """The checked settings of `evaluate` from its plain configuration."""
    return build(EvaluateSettings, config)


def load_prompts(settings: PromptSettings) -> PromptSet | None:
    """The prompt set that `settings` name; None for source=none."""
    if settings.source == "none":
        return None
    if settings.source == "scenes":
        from drawbench_eval.scenes.suite import prompt_set

        prompts = prompt_set(settings.split)
    else:
        prompts = read_prompts(cast(Path, settings.path), settings.columns)
    return replace(prompts, prompts=prompts.prompts[: settings.limit])


def make_generator(settings: GenerateSettings) -> Generator:
    """The generator that `model.generator` names."""
    name = settings.model.get("generator")
    if name not in GENERATORS:
        raise ValueError(f"model.generator: {name} is not known{suggestion(str(name), GENERATORS)}")
    settings_class, module_name = GENERATORS[name]
    module = importlib.import_module(module_name)
    device = resolve_device(settings.device)
    precision = resolve_precision(settings.precision, device)
    own = {key: value for key, value in settings.model.items() if key not in ("generator", *SHORT_NAMES)}
    try:
        chosen = build(getattr(module, settings_class), own, "model")
    except ValueError as error:
        # A user who has set the short name is told about the short name.
        raise ValueError(
            re.sub(rf"^model\.base\.({'|'.join(SHORT_NAMES)})\b", r"model.\1", str(error))
        ) from error
    return cast(Generator, module.make(chosen, device=device, precision=precision))


def plan_samples(settings: GenerateSettings) -> Samples:
    """Which images, made or found."""
    if settings.model.get("generator") == "folder":
        return _imported(settings)
    return GeneratedSamples(
        plan=SamplePlan(
            generator=make_generator(settings),
            prompts=_need_prompts(load_prompts(settings.prompts)),
            num_images_per_prompt=settings.num_images_per_prompt,
            seed=settings.seed,
            batch_size=settings.batch_size,
        )
    )


def _imported(settings: GenerateSettings) -> ImportedSamples:
    own = {key: value for key, value in settings.model.items() if key != "generator"}
    chosen = build(FolderSettings, own, "model")
    imported = import_folder(chosen, load_prompts(settings.prompts))
    if settings.prompts.source == "none" and settings.prompts.limit is not None:
        raise ValueError("prompts.limit: images made elsewhere are all scored; prompts=none has no limit")
    return ImportedSamples(imported=imported, label=label_of(chosen.path), guidance_kind=chosen.guidance_kind)


def _need_prompts(prompts: PromptSet | None) -> PromptSet:
    if prompts is None:
        raise ValueError("prompts: none is for model=folder; choose a prompt set, such as prompts=scenes")
    return prompts


def plan_run(settings: EvaluateSettings, config: Mapping[str, Any]) -> RunPlan:
    """The whole run; everything a user can get wrong is checked here, and the results folder last.

    `config` is what the settings were made from, for the record.
    """
    samples = plan_samples(settings)
    store = Store(settings.results / "store")
    reference = _reference(settings.reference, samples.prompts, store)
    metrics = _metrics(settings, samples, reference, store)
    factors = {
        **samples.factors(),
        **settings.samples.identity("samples"),
        "reference.name": reference.name if reference else "none",
        "reference.sha256": reference.sha256 if reference else None,
        **flatten({"metrics": {name: _metric_factors(metric) for name, metric in metrics.items()}}),
    }
    writable("results", settings.results)
    return RunPlan(
        label=settings.label or samples.label,
        samples=samples,
        preparation=settings.samples,
        metrics=metrics,
        factors=factors,
        inputs=_inputs(samples, reference, metrics),
        config=config,
        results=settings.results,
    )


def writable(key: str, folder: Path) -> None:
    """Make the folder that `key` names; ValueError when that cannot be done or it cannot be written into."""
    try:
        ensure_folder(folder)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def _reference(settings: ReferenceSettings, prompts: PromptSet, store: Store) -> Reference | None:
    if settings.source == "none":
        return None
    if settings.path is not None:
        return folder_reference(settings.path, settings.prepare, store=store)
    return scenes_reference(prompts, per_prompt=settings.per_prompt, seed=settings.seed, store=store)


def _metrics(
    settings: EvaluateSettings, samples: Samples, reference: Reference | None, store: Store
) -> dict[str, EvalMetric]:
    context = MetricContext(
        prompt_set=samples.prompts,
        reference=reference,
        store=store,
        batch_size=SCORING_CHUNK,
        weights=settings.weights,
        clip=settings.clip,
        device=resolve_device(settings.device),
        conditions={
            "guidance_kind": samples.guidance_kind,
            "selection": "fixed",
            **settings.samples.identity("samples"),
        },
    )
    metrics = {
        name: make_metric(name, chosen or {}, context=context) for name, chosen in settings.metrics.items()
    }
    has_text = any(prompt.text for prompt in samples.prompts.prompts)
    reading = next((name for name, metric in metrics.items() if metric.needs_text), None)
    if reading is not None and not has_text:
        raise ValueError(
            f"metrics: {reading} reads prompts and there are none; write prompts=... or leave it out"
        )
    return metrics


def _metric_factors(metric: EvalMetric) -> dict[str, Any]:
    return {"version": metric.version, **metric.protocol_values()}


def _inputs(
    samples: Samples, reference: Reference | None, metrics: Mapping[str, EvalMetric]
) -> dict[str, Any]:
    weights = dict(samples.weights)
    for metric in metrics.values():
        values = metric.protocol_values()
        if "extractor.weights_sha256" in values:
            weights[str(values["extractor"])] = str(values["extractor.weights_sha256"])
    return {
        "prompts": {"name": samples.prompts.name, "sha256": samples.prompts.sha256},
        "reference": {"name": reference.name, "sha256": reference.sha256} if reference else None,
        "weights": weights,
    }
