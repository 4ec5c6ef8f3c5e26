"""The `reference` group: a class of settings for each source, and the function that makes the reference."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from drawbench_eval.commands.settings import build, suggestion
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.prompt import PromptSet
from drawbench_eval.references import (
    AnyReference,
    coco_reference,
    folder_reference,
    read_statistics,
    scenes_reference,
)
from drawbench_eval.runs.progress import show_progress
from drawbench_eval.store import Store


@dataclass(frozen=True, kw_only=True)
class NoReference:
    """Metrics that need one cannot be chosen."""

    source: Literal["none"]


@dataclass(frozen=True, kw_only=True)
class ScenesReference:
    """Every prompt's facts rendered `per_prompt` times from `seed`, in the colours of `palette`."""

    source: Literal["scenes"]
    per_prompt: int
    seed: int
    palette: str


@dataclass(frozen=True, kw_only=True)
class FolderReference:
    """The images at `path`, prepared."""

    source: Literal["folder"]
    path: Path
    prepare: Preparation = field(default_factory=Preparation)


@dataclass(frozen=True, kw_only=True)
class CocoReference(FolderReference):
    """Photographs of COCO: all `num_images` of `split` (null: any number), or those of the prompts.

    `column` of a dataset has their ids or file names; null finds the usual names.
    """

    source: Literal["coco"]  # type: ignore[assignment]
    split: str
    num_images: int | None
    selection: Literal["full", "matched"]
    column: str | None


@dataclass(frozen=True, kw_only=True)
class StatisticsReference:
    """Mean and covariance from a file. `prepare` is what the user knows of the images behind them."""

    source: Literal["statistics"]
    path: Path
    prepare: Preparation | None


AnySettings = NoReference | ScenesReference | FolderReference | CocoReference | StatisticsReference
Make = Callable[[Any, PromptSet | None, Store], AnyReference]


def make_reference(
    config: Mapping[str, Any], prompts: PromptSet | None, store: Store, *, samples: Preparation | None = None
) -> AnyReference | None:
    """The reference that the `reference` group names; None for source=none.

    samples: what happens to the images that are held against it. Raises ValueError where one side is cropped
    to its middle and the other squashed.
    """
    settings = reference_settings(config)
    if isinstance(settings, NoReference):
        return None
    _, make = SOURCES[settings.source]
    reference = make(settings, prompts, store)
    if samples is not None:
        _refuse_unlike_crops(samples, reference)
    return reference


def reference_settings(config: Mapping[str, Any]) -> AnySettings:
    """The checked settings of the `reference` group. Raises ValueError with the full key."""
    source = str(config.get("source"))
    if source != "none" and source not in SOURCES:
        raise ValueError(f"reference.source: {source} is not known{suggestion(source, SOURCES)}")
    cls = NoReference if source == "none" else SOURCES[source][0]
    for key in config:
        readers = [name for name, (other, _) in SOURCES.items() if key in _keys(other)]
        if key not in _keys(cls) and readers:
            raise ValueError(
                f"reference.{key}: not read by reference={source}; it is a setting of {', '.join(readers)}"
            )
    settings: AnySettings = build(cls, config, "reference")
    return settings


def _keys(cls: type[Any]) -> set[str]:
    return {one.name for one in dataclasses.fields(cls)}


def _refuse_unlike_crops(samples: Preparation, reference: AnyReference) -> None:
    here = samples.identity("samples")["samples.crop"]
    there = reference.identity().get("reference.crop")
    if {here, there} == {"center", "squash"}:
        raise ValueError(
            f"samples.crop: {here} and the reference's {there}; the distance would measure the crop: "
            "write one crop for both"
        )


def _scenes(settings: ScenesReference, prompts: PromptSet | None, store: Store) -> AnyReference:
    if prompts is None:
        raise ValueError("reference scenes: there are no prompts to render; write prompts=scenes")
    return scenes_reference(
        prompts,
        per_prompt=settings.per_prompt,
        seed=settings.seed,
        palette=settings.palette,
        store=store,
    )


def _folder(settings: FolderReference, _prompts: PromptSet | None, store: Store) -> AnyReference:
    return folder_reference(settings.path, settings.prepare, store=store, progress=_hashing)


def _coco(settings: CocoReference, prompts: PromptSet | None, store: Store) -> AnyReference:
    matched = settings.selection == "matched"
    if matched and prompts is None:
        raise ValueError(
            "reference.selection: matched takes the photographs of the prompts and there are none; "
            "write prompts=coco30k"
        )
    return coco_reference(
        settings.path,
        settings.prepare,
        split=settings.split,
        num_images=settings.num_images,
        matched_to=prompts if matched else None,
        column=settings.column,
        store=store,
        progress=_hashing,
    )


def _statistics(settings: StatisticsReference, _prompts: PromptSet | None, _store: Store) -> AnyReference:
    return read_statistics(settings.path, stated=settings.prepare)


def _hashing(total: int) -> Any:
    return show_progress("reference: hashing", total=total)


# reference.source -> the class of its settings, and what makes it.
SOURCES: Mapping[str, tuple[type[Any], Make]] = {
    "scenes": (ScenesReference, _scenes),
    "folder": (FolderReference, _folder),
    "coco": (CocoReference, _coco),
    "statistics": (StatisticsReference, _statistics),
}
