"""The `prompts` group: a class of settings for each source, and the function that loads its prompts."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from drawbench_eval import prompts
from drawbench_eval.commands.settings import build, suggestion
from drawbench_eval.prompt import PromptSet
from drawbench_eval.prompts.coco_captions import ListColumns
from drawbench_eval.prompts.rows import Table
from drawbench_eval.prompts.suites import Suite


@dataclass(frozen=True, kw_only=True)
class NoPrompts:
    """For images made elsewhere: prompts come from their manifest, or there are none."""

    source: Literal["none"]


@dataclass(frozen=True, kw_only=True)
class SomePrompts:
    """What all other sources share: `limit` keeps the first so many; null keeps all."""

    limit: int | None

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit: {self.limit} is not at least 1; write null for all prompts")


@dataclass(frozen=True, kw_only=True)
class ScenesPrompts(SomePrompts):
    """The embedded world's suite, or a held-out set of it."""

    source: Literal["scenes"]
    split: Literal["suite", "validation", "test"]


@dataclass(frozen=True, kw_only=True)
class TablePrompts(SomePrompts):
    """A file or saved dataset at `path`, or without one the dataset `hub` of the Hub."""

    path: Path | None
    hub: str | None
    hub_config: str | None
    split: str | None
    revision: str | None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.path is None and self.hub is None:
            raise ValueError("path: a value is needed; write prompts.path=FILE, or prompts.hub=NAME")


@dataclass(frozen=True, kw_only=True)
class FilePrompts(TablePrompts):
    """Any table, by the names of its columns."""

    source: Literal["file"]
    columns: prompts.Columns


@dataclass(frozen=True, kw_only=True)
class SuitePrompts(TablePrompts):
    """A published suite, held against its published counts."""

    source: Literal["drawbench", "parti", "geneval"]


@dataclass(frozen=True, kw_only=True)
class T2iCompbenchPrompts(SomePrompts):
    """A folder of text files; `files` is a pattern of their names."""

    source: Literal["t2i_compbench"]
    path: Path
    files: str | None


@dataclass(frozen=True, kw_only=True)
class CocoPrompts(SomePrompts, prompts.CocoSelection):
    """Captions of COCO from a list or the official annotations, by the protocol that is stated."""

    source: Literal["coco30k"]
    path: Path
    columns: ListColumns

    def __post_init__(self) -> None:
        SomePrompts.__post_init__(self)
        prompts.CocoSelection.__post_init__(self)


def load_prompts(config: Mapping[str, Any]) -> PromptSet | None:
    """The prompt set that the `prompts` group names; None for source=none."""
    settings = prompt_settings(config)
    if isinstance(settings, NoPrompts):
        return None
    _, load = SOURCES[config["source"]]
    return _first(load(settings), settings.limit)


def prompt_settings(config: Mapping[str, Any]) -> NoPrompts | SomePrompts:
    """The checked settings of the `prompts` group. Raises ValueError with the full key."""
    source = str(config.get("source"))
    if source == "none":
        cls: type[NoPrompts] | type[SomePrompts] = NoPrompts
    elif source in SOURCES:
        cls, _ = SOURCES[source]
    else:
        raise ValueError(f"prompts.source: {source} is not known{suggestion(source, SOURCES)}")
    for key, value in config.items():
        readers = [name for name, (other, _) in SOURCES.items() if key in _keys(other)]
        if key not in _keys(cls) and readers:
            raise ValueError(
                f"prompts.{key}: {value} is not read by prompts={source}; {', '.join(readers)} have it"
            )
    return build(cls, config, "prompts")


def _first(loaded: PromptSet, limit: int | None) -> PromptSet:
    source = loaded.source
    if limit is not None and source is not None and limit < len(loaded.prompts):
        source = dataclasses.replace(source, choices={**source.choices, "limit": limit})
    return dataclasses.replace(loaded, prompts=loaded.prompts[:limit], source=source)


def _keys(cls: type[Any]) -> set[str]:
    return {one.name for one in dataclasses.fields(cls)}


def _scenes(settings: ScenesPrompts) -> PromptSet:
    from drawbench_eval.scenes.suite import prompt_set

    return prompt_set(settings.split)


def _file(settings: FilePrompts) -> PromptSet:
    name = settings.path.stem if settings.path is not None else str(settings.hub)
    return prompts.prompt_set(name, _table(settings), settings.columns)


def _suite(suite: Suite) -> Callable[[SuitePrompts], PromptSet]:
    return lambda settings: prompts.suite_prompts(suite, _table(settings))


def _table(settings: TablePrompts) -> Table:
    if settings.path is not None:
        return prompts.read_table(settings.path, split=settings.split)
    return prompts.hub_table(
        prompts.HubDataset(
            name=str(settings.hub),
            config=settings.hub_config,
            split=settings.split,
            revision=settings.revision,
        )
    )


def _t2i_compbench(settings: T2iCompbenchPrompts) -> PromptSet:
    return prompts.t2i_compbench_prompts(settings.path, files=settings.files)


def _coco(settings: CocoPrompts) -> PromptSet:
    return prompts.coco_prompts(settings.path, settings, settings.columns)


# prompts.source -> the class of its settings, and what loads them.
SOURCES: Mapping[str, tuple[type[SomePrompts], Callable[[Any], PromptSet]]] = {
    "scenes": (ScenesPrompts, _scenes),
    "file": (FilePrompts, _file),
    "drawbench": (SuitePrompts, _suite(prompts.DRAWBENCH)),
    "parti": (SuitePrompts, _suite(prompts.PARTI)),
    "geneval": (SuitePrompts, _suite(prompts.GENEVAL)),
    "t2i_compbench": (T2iCompbenchPrompts, _t2i_compbench),
    "coco30k": (CocoPrompts, _coco),
}
