"""Settings -> the things a run is made of: prompts, generator, reference, metrics, and its identity."""

import importlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, cast

from drawbench_eval.commands.settings import build, suggestion
from drawbench_eval.files import ensure_folder
from drawbench_eval.generators.base import Generator
from drawbench_eval.generators.device import resolve_device, resolve_precision
from drawbench_eval.metrics.base import EvalMetric
from drawbench_eval.metrics.registry import MetricContext, make_metric
from drawbench_eval.prompt import PromptSet
from drawbench_eval.prompts import Columns, read_prompts
from drawbench_eval.references import Reference, scenes_reference
from drawbench_eval.runs.generation import SamplePlan
from drawbench_eval.runs.identity import flatten
from drawbench_eval.runs.runner import RunPlan
from drawbench_eval.runs.scoring import SCORING_CHUNK
from drawbench_eval.store import Store

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
    """The `prompts` group. `split` is for source=scenes; `limit` keeps the first so many."""

    source: Literal["scenes", "file"]
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
    """The `reference` group: every prompt's facts rendered `per_prompt` times from `seed`, or none."""

    source: Literal["none", "scenes"]
    per_prompt: int = 1
    seed: int = 0


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
class EvaluateSettings(GenerateSettings):
    """The settings of `evaluate`."""

    reference: ReferenceSettings
    metrics: Mapping[str, Any]
    sweep: str | None
    forecast: bool

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.metrics:
            raise ValueError("metrics: none are chosen; write for example 'metrics=[scenes_accuracy]'")


def evaluate_settings(config: Mapping[str, Any]) -> EvaluateSettings:
    """The checked settings of `evaluate` from its plain configuration."""
    return build(EvaluateSettings, config)


def load_prompts(settings: PromptSettings) -> PromptSet:
    """The prompt set that `settings` name."""
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


def plan_samples(settings: GenerateSettings) -> SamplePlan:
    """Which images to make, by what."""
    return SamplePlan(
        generator=make_generator(settings),
        prompts=load_prompts(settings.prompts),
        num_images_per_prompt=settings.num_images_per_prompt,
        seed=settings.seed,
        batch_size=settings.batch_size,
    )


def sample_factors(samples: SamplePlan) -> dict[str, Any]:
    """Everything that can change the images."""
    return {
        **samples.generator.identity,
        "prompts.name": samples.prompts.name,
        "prompts.sha256": samples.prompts.sha256,
        "seed": samples.seed,
        "num_images_per_prompt": samples.num_images_per_prompt,
    }


def plan_run(settings: EvaluateSettings, config: Mapping[str, Any]) -> RunPlan:
    """The whole run; everything a user can get wrong is checked here, and the results folder last.

    `config` is what the settings were made from, for the record.
    """
    samples = plan_samples(settings)
    store = Store(settings.results / "store")
    reference = _reference(settings.reference, samples.prompts, store)
    metrics = _metrics(settings, samples, reference, store)
    factors = {
        **sample_factors(samples),
        "reference.name": reference.name if reference else "none",
        "reference.sha256": reference.sha256 if reference else None,
        **flatten({"metrics": {name: _metric_factors(metric) for name, metric in metrics.items()}}),
    }
    writable("results", settings.results)
    return RunPlan(
        label=settings.label or samples.generator.label,
        samples=samples,
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
    return scenes_reference(prompts, per_prompt=settings.per_prompt, seed=settings.seed, store=store)


def _metrics(
    settings: EvaluateSettings, samples: SamplePlan, reference: Reference | None, store: Store
) -> dict[str, EvalMetric]:
    context = MetricContext(
        prompt_set=samples.prompts,
        reference=reference,
        store=store,
        batch_size=SCORING_CHUNK,
        conditions={"guidance_kind": samples.generator.guidance_kind, "selection": "fixed"},
    )
    return {
        name: make_metric(name, chosen or {}, context=context) for name, chosen in settings.metrics.items()
    }


def _metric_factors(metric: EvalMetric) -> dict[str, Any]:
    return {"version": metric.version, **metric.protocol_values()}


def _inputs(
    samples: SamplePlan, reference: Reference | None, metrics: Mapping[str, EvalMetric]
) -> dict[str, Any]:
    weights = dict(samples.generator.weights)
    for metric in metrics.values():
        values = metric.protocol_values()
        if "extractor.weights_sha256" in values:
            weights[str(values["extractor"])] = str(values["extractor.weights_sha256"])
    return {
        "prompts": {"name": samples.prompts.name, "sha256": samples.prompts.sha256},
        "reference": {"name": reference.name, "sha256": reference.sha256} if reference else None,
        "weights": weights,
    }
