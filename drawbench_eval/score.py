"""Metrics from Python: images in, numbers out, without configuration or run folders.

from drawbench_eval.score import score
score("samples", reference="photographs", metrics=["fid", "kid"])["fid"].value
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from drawbench_eval.features.clip import ClipSettings
from drawbench_eval.generators.folder import FolderSettings, import_folder
from drawbench_eval.images.decode import Pixels
from drawbench_eval.images.loading import load_ahead
from drawbench_eval.images.pixels import as_pixels
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.metrics.base import EvalMetric, MetricValue
from drawbench_eval.metrics.registry import MetricContext, make_metric
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.references import Reference, folder_reference, images_reference
from drawbench_eval.runs.scoring import SCORING_CHUNK
from drawbench_eval.samples import is_blank
from drawbench_eval.store import Store
from drawbench_eval.weights import WeightsSettings


def score(
    images: Any,
    *,
    metrics: Sequence[str] | Mapping[str, Mapping[str, Any]],
    reference: Any = None,
    prompts: Sequence[str | Prompt] | PromptSet | None = None,
    pattern: str | None = None,
    prepare: Preparation | None = None,
    weights: WeightsSettings | None = None,
    clip: ClipSettings | None = None,
    device: str = "cpu",
    store: str | Path | None = None,
) -> dict[str, MetricValue]:
    """Every metric's value, interval, n and protocol id.

    Args:
        images: a path (folder, archive, dataset: `generators.folder`), or images as `as_pixels` reads them.
        metrics: names, or name -> settings as under `metrics` of the command line.
        reference: a path or images, for the metrics that need one.
        prompts: one an image, as text or `Prompt` (equal texts, or equal ids, are one prompt with several
            images); for a folder with a `pattern` a prompt set.
        pattern: how a folder's names tell prompts.
        prepare: what happens to the images (and to a reference's folder) first; by default nothing.
        weights: where weights are; by default the user's cache, else a download.
        clip: the CLIP of `clip_score`, `fd_clip` and `cmmd`.
        device: "cpu" or "cuda".
        store: a folder that keeps features for the next call; by default they are kept for this call only.

    Raises:
        ValueError: for images that cannot be read or do not fit the prompts, and as each metric does.
    """
    chosen = metrics if isinstance(metrics, Mapping) else {name: {} for name in metrics}
    preparation = prepare or Preparation()
    with TemporaryDirectory() as scratch:
        kept = Store(Path(store) if store is not None else Path(scratch))
        found, asked, every = _samples(images, prompts, pattern, preparation)
        context = MetricContext(
            prompt_set=every,
            reference=_reference(reference, preparation, kept),
            store=kept,
            batch_size=SCORING_CHUNK,
            weights=weights or WeightsSettings(),
            clip=clip or ClipSettings(),
            device=device,
            conditions={"guidance_kind": "none", "selection": "fixed", **preparation.identity("samples")},
        )
        made: dict[str, EvalMetric] = {
            name: make_metric(name, settings, context=context) for name, settings in chosen.items()
        }
        for metric in made.values():
            if metric.needs_text and not any(prompt.text for prompt in every.prompts):
                raise ValueError(f"metrics: {metric.name} reads prompts and there are none; give prompts=")
        pairs = zip(found, asked, strict=True)
        while chunk := list(islice(pairs, SCORING_CHUNK)):
            for metric in made.values():
                metric.update([image for image, _ in chunk], [prompt for _, prompt in chunk])
        return {name: metric.compute().value for name, metric in made.items()}


def _samples(
    images: Any,
    prompts: Sequence[str | Prompt] | PromptSet | None,
    pattern: str | None,
    preparation: Preparation,
) -> tuple[Iterator[Pixels | None], Sequence[Prompt], PromptSet]:
    """The images, the prompt of each, and all prompts."""
    if isinstance(images, str | Path):
        if prompts is not None and not isinstance(prompts, PromptSet):
            raise ValueError("prompts: a folder's images are matched by id; give a PromptSet and pattern=")
        imported = import_folder(FolderSettings(path=Path(images), pattern=pattern), prompts)
        samples, by_id = imported.samples, {prompt.id: prompt for prompt in imported.prompts.prompts}
        loaded = load_ahead(
            lambda sample: samples.load(sample, preparation).image, samples.samples, ahead=SCORING_CHUNK
        )
        return loaded, [by_id[sample.prompt_id] for sample in samples.samples], imported.prompts
    # A constant image is counted and unscored, as one in a folder is.
    found = [None if is_blank(image) else preparation.apply(image) for image in as_pixels(images)]
    if not found:
        raise ValueError("images: there are none; give at least one")
    asked = _asked(prompts, len(found))
    return iter(found), asked, PromptSet(name="given", prompts=tuple({p.id: p for p in asked}.values()))


def _asked(prompts: Sequence[str | Prompt] | PromptSet | None, count: int) -> list[Prompt]:
    """The prompt of each of `count` images. Without prompts every image has one of its own."""
    if prompts is None:
        return [Prompt(id=f"{index:06d}", text="") for index in range(count)]
    given = prompts.prompts if isinstance(prompts, PromptSet) else prompts
    if len(given) != count:
        raise ValueError(f"prompts: {count} images take as many texts; there are {len(given)}")
    asked: list[Prompt] = []
    known: dict[str, Prompt] = {}
    for index, prompt in enumerate(given):
        if isinstance(prompt, str):
            made = known.setdefault(f"text {prompt}", Prompt(id=f"{index:06d}", text=prompt))
        elif (made := known.setdefault(f"id {prompt.id}", prompt)) != prompt:
            raise ValueError(f"prompts: id {prompt.id!r} stands for {made.text!r} and for {prompt.text!r}")
        asked.append(made)
    return asked


def _reference(reference: Any, preparation: Preparation, store: Store) -> Reference | None:
    if reference is None:
        return None
    if isinstance(reference, str | Path):
        return folder_reference(Path(reference), preparation, store=store)
    return images_reference(
        [preparation.apply(image) for image in as_pixels(reference)], preparation, store=store
    )
