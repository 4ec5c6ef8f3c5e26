"""`drawbench-eval reference`: shows a reference set, or exports its statistics for one metric."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from drawbench_eval.commands.door import hydra_app, plain
from drawbench_eval.commands.override import override
from drawbench_eval.commands.settings import build

if TYPE_CHECKING:
    from drawbench_eval.metrics.frechet import FrechetMetric
    from drawbench_eval.prompt import PromptSet
    from drawbench_eval.references import AnyReference
    from drawbench_eval.store import Store


@dataclass(frozen=True, kw_only=True)
class ReferenceVerbSettings:
    """output: the file to write for the one metric in `metrics`; null shows the set instead."""

    reference: Mapping[str, Any]
    prompts: Mapping[str, Any]
    metrics: Mapping[str, Any]
    weights: Mapping[str, Any]
    clip: Mapping[str, Any]
    device: str
    results: Path
    output: Path | None


def main() -> None:
    """The verb."""
    hydra_app("reference", reference)


def reference(config: DictConfig) -> None:
    """Show the reference of `config`, or export its statistics."""
    from drawbench_eval.commands.prompt_sources import load_prompts
    from drawbench_eval.commands.reference_sources import make_reference
    from drawbench_eval.references import Reference, export_statistics
    from drawbench_eval.store import Store

    settings = build(ReferenceVerbSettings, plain(config))
    store = Store(settings.results / "store")
    prompts = load_prompts(settings.prompts)
    found = make_reference(settings.reference, prompts, store)
    if found is None:
        raise ValueError("reference: none has nothing to show; write reference=folder reference.path=FOLDER")
    if settings.output is None:
        _show(found)
        return
    if not isinstance(found, Reference):
        raise ValueError("output: these are statistics already; export from the images")
    metric = _metric(settings, found, prompts, store)
    export_statistics(found, metric.source, settings.output)
    extractor = metric.source.extractor
    print(
        f"{settings.output}: {found.num_images} images of {found.name} in {extractor.dim} dimensions of "
        f"{extractor.name}, for {metric.name}"
    )
    print(f"read back: reference=statistics {override('reference.path', settings.output)}")


def _show(found: "AnyReference") -> None:
    about = found.provenance
    number = about["num_images"]
    print(f"{found.name}: {'unknown number of' if number is None else number} images, sha256 {found.sha256}")
    print(f"source: {about['location'] or 'rendered from the prompts'}")
    for key, value in sorted(found.identity().items()):
        print(f"  {key} = {'null' if value is None else value}")
    for remark in about["remarks"]:
        print(remark)


def _metric(
    settings: ReferenceVerbSettings, found: "AnyReference", prompts: "PromptSet | None", store: "Store"
) -> "FrechetMetric":
    from drawbench_eval.features.clip import ClipSettings
    from drawbench_eval.generators.device import resolve_device
    from drawbench_eval.metrics.frechet import FrechetMetric
    from drawbench_eval.metrics.registry import MetricContext, make_metric
    from drawbench_eval.prompt import Prompt, PromptSet
    from drawbench_eval.runs.scoring import SCORING_CHUNK
    from drawbench_eval.weights import WeightsSettings

    if len(settings.metrics) != 1:
        names = ", ".join(settings.metrics) or "none"
        raise ValueError(f"metrics: {names}; statistics are for one, as in 'metrics=[fid]'")
    ((name, own),) = settings.metrics.items()
    context = MetricContext(
        prompt_set=prompts or PromptSet(name="none", prompts=(Prompt(id="none", text=""),)),
        reference=found,
        store=store,
        batch_size=SCORING_CHUNK,
        weights=build(WeightsSettings, settings.weights, "weights"),
        clip=build(ClipSettings, settings.clip, "clip"),
        device=resolve_device(settings.device),
    )
    metric = make_metric(name, own or {}, context=context)
    if not isinstance(metric, FrechetMetric):
        raise ValueError(f"metrics: {name} is no Frechet distance; only those read statistics, such as fid")
    return metric
