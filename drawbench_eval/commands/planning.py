"""Settings -> the things a run is made of: prompts, generator, reference, metrics, and its identity."""

import importlib
import re
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any, cast

from drawbench_eval.commands.found_images import found_images, require_complete
from drawbench_eval.commands.kept import Kept
from drawbench_eval.commands.prompt_sources import load_prompts, prompt_settings
from drawbench_eval.commands.ranks import fill_in_ranks
from drawbench_eval.commands.reference_sources import make_reference, reference_settings
from drawbench_eval.commands.resources import num_ranks
from drawbench_eval.commands.settings import build, suggestion
from drawbench_eval.commands.stopping import refuse_biased, stopping, target_of
from drawbench_eval.features.clip import ClipSettings
from drawbench_eval.files import digest, ensure_folder
from drawbench_eval.generators.base import Generator
from drawbench_eval.generators.device import resolve_device, resolve_precision
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.metrics.base import EvalMetric
from drawbench_eval.metrics.registry import MetricContext, known_metrics, make_metric
from drawbench_eval.prompt import PromptSet
from drawbench_eval.references import AnyReference
from drawbench_eval.runs.generation import SamplePlan
from drawbench_eval.runs.identity import flatten
from drawbench_eval.runs.keeping import KEEP, Keep
from drawbench_eval.runs.outside_scores import OutsideScores, ScoresSettings, read_scores_file
from drawbench_eval.runs.plan import GeneratedSamples, ImportedSamples, Samples
from drawbench_eval.runs.runner import RunPlan
from drawbench_eval.runs.same_chunks import INDEX
from drawbench_eval.runs.scoring import SCORING_CHUNK
from drawbench_eval.store import Store
from drawbench_eval.weights import WeightsSettings

# model.generator -> the class of its settings, and the module that has it and a
# `make(settings, device=, precision=) -> Generator`; imported when chosen.
GENERATORS = {
    "imagen": ("ImagenSettings", "drawbench_eval.generators.imagen"),
    "python": ("PythonSettings", "drawbench_eval.generators.python"),
    "command": ("CommandSettings", "drawbench_eval.generators.command"),
    "http": ("HttpSettings", "drawbench_eval.generators.http"),
    "diffusers": ("PipelineSettings", "drawbench_eval.generators.diffusers"),
    "deepfloyd_if": ("CascadeSettings", "drawbench_eval.generators.deepfloyd_if"),
}
# Names that stand for a setting of a stage by interpolation (conf/model/*.yaml).
SHORT_NAMES = (
    "guidance_weight",
    "threshold",
    "percentile",
    "interpolation",
    "sampler",
    "num_steps",
    "aug_level",
    "scheduler",
    "sample_max_value",
)


@dataclass(frozen=True, kw_only=True)
class GenerateSettings:
    """What `generate` and `evaluate` share: which images are made, how, and where they go.

    keep_samples: which images stay once they are scored. target_ci: metric -> half the width of the interval
    at which no more images are made. ranks: processes of torchrun that share a run's images; None is one for
    each GPU of a Slurm job.
    """

    model: Mapping[str, Any]
    prompts: Mapping[str, Any]
    seed: int
    num_images_per_prompt: int
    batch_size: int
    device: str
    precision: str
    results: Path
    label: str | None
    keep_stages: bool = True
    keep_samples: Keep = "all"
    target_ci: Mapping[str, float] | None = None
    ranks: int | None = None

    def __post_init__(self) -> None:
        for name in ("num_images_per_prompt", "batch_size", "ranks"):
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise ValueError(f"{name}: {getattr(self, name)} is not at least 1")
        if self.keep_samples not in KEEP:
            raise ValueError(f"keep_samples: {self.keep_samples} is not one of {', '.join(KEEP)}")
        prompt_settings(self.prompts)


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

    `protocol` is what the chosen preset says of itself; it changes no number. `check_only` and
    `allow_incomplete` are about images made elsewhere: to report on them, to score sets with gaps. `scores`:
    a file of per-sample scores, or a mapping of ScoresSettings.
    """

    reference: Mapping[str, Any]
    samples: Preparation
    weights: WeightsSettings
    clip: ClipSettings
    metrics: Mapping[str, Any]
    sweep: str | None
    forecast: bool
    retry_failed: bool = False
    check_only: bool = False
    allow_incomplete: bool = False
    scores: Any = None
    protocol: ProtocolSettings | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.metrics:
            raise ValueError("metrics: none are chosen; write for example 'metrics=[scenes_accuracy]'")
        reference_settings(self.reference)


def evaluate_settings(config: Mapping[str, Any]) -> EvaluateSettings:
    """The checked settings of `evaluate` from its plain configuration."""
    return build(EvaluateSettings, config)


def make_generator(settings: GenerateSettings) -> Generator:
    """The generator that `model.generator` names."""
    name = settings.model.get("generator")
    if name not in GENERATORS:
        raise ValueError(f"model.generator: {name} is not known{suggestion(str(name), GENERATORS)}")
    settings_class, module_name = GENERATORS[name]
    module = importlib.import_module(module_name)
    device = resolve_device(settings.device)
    precision = resolve_precision(settings.precision, device)
    chosen_class = getattr(module, settings_class)
    # A generator of one stage reads them itself.
    standing_in = set(SHORT_NAMES) - {field.name for field in fields(chosen_class)}
    own = {key: value for key, value in settings.model.items() if key not in ("generator", *standing_in)}
    try:
        chosen = build(chosen_class, own, "model")
    except ValueError as error:
        # A user who has set the short name is told about the short name.
        raise ValueError(
            re.sub(rf"^model\.base\.({'|'.join(SHORT_NAMES)})\b", r"model.\1", str(error))
        ) from error
    return cast(Generator, module.make(chosen, device=device, precision=precision))


def plan_samples(
    settings: GenerateSettings, *, leave_strangers: bool = False, kept: Kept | None = None
) -> Samples:
    """Which images, made or found; `leave_strangers` leaves out found ones that show none of the prompts."""
    kept = kept or Kept()
    if settings.model.get("generator") == "folder":
        return found_images(settings.model, settings.prompts, leave_strangers=leave_strangers)
    prompts = kept.get(("prompts", digest(settings.prompts)), lambda: load_prompts(settings.prompts))
    return GeneratedSamples(
        plan=SamplePlan(
            generator=make_generator(settings),
            prompts=_need_prompts(prompts),
            num_images_per_prompt=settings.num_images_per_prompt,
            seed=settings.seed,
            batch_size=settings.batch_size,
            store=Store(settings.results / "store") if settings.keep_stages else None,
            keep_last=settings.keep_samples == "all",
            index=settings.results / INDEX,
            in_rounds=settings.target_ci is not None,
        ),
        keep=settings.keep_samples,
    )


def in_ranks(samples: Samples, settings: GenerateSettings, config: Mapping[str, Any]) -> Samples:
    """The samples, made by as many processes of torchrun as the settings ask for, or the job has GPUs."""
    ranks = num_ranks(settings.ranks)
    if ranks == 1 or not isinstance(samples, GeneratedSamples):
        return samples
    return replace(samples, fill=partial(fill_in_ranks, config, GENERATORS, ranks))


def _need_prompts(prompts: PromptSet | None) -> PromptSet:
    if prompts is None:
        raise ValueError("prompts: none is for model=folder; choose a prompt set, such as prompts=scenes")
    return prompts


def plan_run(settings: EvaluateSettings, config: Mapping[str, Any], *, kept: Kept | None = None) -> RunPlan:
    """The whole run; everything a user can get wrong is checked here, and the results folder last.

    `config` is what the settings were made from, for the record. `kept`: what other plans have made already;
    those that share it are not to be run in this process.
    """
    kept = kept or Kept()
    samples = plan_samples(settings, leave_strangers=settings.allow_incomplete, kept=kept)
    samples = in_ranks(samples, settings, config)
    target = target_of(settings.target_ci, settings.metrics, samples)
    store = Store(settings.results / "store")
    _, reference, metrics = kept.get(
        _scoring_key(settings, samples), lambda: _scoring(settings, samples, store)
    )
    factors = {
        **samples.factors(),
        **settings.samples.identity("samples"),
        "reference.name": reference.name if reference else "none",
        "reference.sha256": reference.sha256 if reference else None,
        **flatten({"metrics": {name: _metric_factors(metric) for name, metric in metrics.items()}}),
    }
    refuse_biased(target, metrics)
    factors.update({f"target_ci.{name}": value for name, value in target.items()})
    outside = _outside_scores(settings, samples, metrics)
    if outside is not None:
        factors.update(outside.factors())
    writable("results", settings.results)
    if isinstance(samples, ImportedSamples) and not settings.allow_incomplete:
        require_complete(samples, store)
    return RunPlan(
        label=settings.label or samples.label,
        samples=samples,
        preparation=settings.samples,
        metrics=metrics,
        factors=factors,
        inputs=_inputs(samples, reference, metrics, outside),
        config=config,
        results=settings.results,
        outside=outside,
        target=target,
    )


def _scoring_key(settings: EvaluateSettings, samples: Samples) -> Hashable:
    """Everything that the reference and the metrics are made of."""
    return (
        "scoring",
        # An object that what is kept holds on to, so that its id stays its own.
        id(samples.prompts),
        digest([settings.reference, settings.metrics]),
        settings.samples,
        settings.weights,
        settings.clip,
        settings.device,
        settings.results,
        samples.guidance_kind,
        digest([settings.target_ci, settings.num_images_per_prompt if settings.target_ci else None]),
    )


def _scoring(
    settings: EvaluateSettings, samples: Samples, store: Store
) -> tuple[PromptSet, AnyReference | None, dict[str, EvalMetric]]:
    prompts = samples.prompts
    reference = make_reference(settings.reference, prompts, store, samples=settings.samples)
    return prompts, reference, _metrics(settings, samples, reference, store)


def _outside_scores(
    settings: EvaluateSettings, samples: Samples, metrics: Mapping[str, EvalMetric]
) -> OutsideScores | None:
    if settings.scores is None:
        return None
    given = settings.scores if isinstance(settings.scores, Mapping) else {"path": settings.scores}
    chosen = build(ScoresSettings, given, "scores")
    found = read_scores_file(chosen, samples.sample_paths(), allow_incomplete=settings.allow_incomplete)
    for name in found.values:
        if name.split(".")[0] in {*metrics, *known_metrics(), "category"}:
            raise ValueError(f"scores: {chosen.path}: column {name} is a name of ours; give it another")
    return found


def writable(key: str, folder: Path) -> None:
    """Make the folder that `key` names; ValueError when that cannot be done or it cannot be written into."""
    try:
        ensure_folder(folder)
    except ValueError as error:
        raise ValueError(f"{key}: {error}") from error


def _metrics(
    settings: EvaluateSettings, samples: Samples, reference: AnyReference | None, store: Store
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
            **stopping(settings.target_ci, samples),
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
    samples: Samples,
    reference: AnyReference | None,
    metrics: Mapping[str, EvalMetric],
    outside: OutsideScores | None,
) -> dict[str, Any]:
    weights = dict(samples.weights)
    for metric in metrics.values():
        values = metric.protocol_values()
        if "extractor.weights_sha256" in values:
            weights[str(values["extractor"])] = str(values["extractor.weights_sha256"])
    inputs = {
        "prompts": samples.prompts.provenance,
        "reference": reference.provenance if reference else None,
        "weights": weights,
        **samples.provenance,
    }
    if outside is not None:
        inputs["scores"] = {"file": outside.location, "sha256": outside.sha256}
    return inputs
