"""Images that somebody else made: a folder or archive -> a `SampleSet` over prompts.

Three ways to say which image shows which prompt: a `manifest.csv` in the folder; a pattern of the file names
(`generators.patterns`); or none, when no metric reads prompts, and then every image is a sample of its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Literal

from drawbench_eval.files import digest
from drawbench_eval.generators.named import content_hashes, never_made, read_names
from drawbench_eval.generators.patterns import parse_pattern
from drawbench_eval.images.source import ImageSource, labels, open_source
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.samples import MANIFEST, Sample, SampleSet


@dataclass(frozen=True, kw_only=True)
class FolderSettings:
    """The `model` group for model=folder.

    names: columns of a webdataset, of Parquet or of a saved dataset that name its images, joined by `/`.
    first_index: what `{index}` of the first prompt is.
    """

    path: Path
    pattern: str | None = None
    names: tuple[str, ...] = ()
    first_index: int = 0
    guidance_kind: Literal["cfg", "distilled", "none"] = "none"

    def __post_init__(self) -> None:
        if self.names and self.pattern is None:
            raise ValueError("names: columns name images for a pattern; write model.pattern=...")


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A sample set over prompts.

    ignored: images that the pattern does not describe. strangers: images whose names tell none of the
    prompts. told_by: what says which prompt an image shows; of "nothing", no image can be missing.
    """

    samples: SampleSet
    prompts: PromptSet
    ignored: tuple[str, ...]
    strangers: tuple[str, ...] = ()
    told_by: Literal["manifest", "pattern", "nothing"]

    @property
    def sha256(self) -> str:
        """Hash of which sample shows what, by content."""
        return digest([[s.sample_id, s.prompt_id, s.sha256] for s in self.samples.samples])


def import_folder(
    settings: FolderSettings, prompts: PromptSet | None, *, leave_strangers: bool = False
) -> Imported:
    """The samples at `settings.path`. Without `prompts` they come from the manifest, or from the names.

    A prompt with fewer images than prompts have here is given samples that were never made, so that they are
    counted as missing.

    Raises ValueError where there are no images, where they do not fit the prompts, and where the pattern
    cannot tell two of them apart; with `leave_strangers` images of no prompt are left out instead.
    """
    path, pattern = settings.path, settings.pattern
    if pattern is None and path.is_dir() and (path / MANIFEST).exists():
        return _by_manifest(SampleSet.read(path), prompts)
    source = open_source(path)
    if not source.names:
        raise ValueError(f"model.path: {path} holds no images")
    if pattern is None:
        if prompts is not None:
            raise ValueError(
                f"model.pattern: {path} has no {MANIFEST}; say how names tell prompts, as in "
                "model.pattern='{prompt_id}.png', or write prompts=none"
            )
        return _bare(path, source, content_hashes(source, source.names))
    found = read_names(
        source,
        labels(source, settings.names),
        parse_pattern(pattern),
        prompts,
        first_index=settings.first_index,
        leave_strangers=leave_strangers,
    )
    return Imported(
        samples=SampleSet(folder=path, samples=found.samples, source=source),
        prompts=found.prompts,
        ignored=found.ignored,
        strangers=found.strangers,
        told_by="pattern",
    )


def _by_manifest(found: SampleSet, prompts: PromptSet | None) -> Imported:
    prompts = prompts_of(found, prompts)
    shown = {sample.prompt_id for sample in found.samples}
    ids = {sample.sample_id for sample in found.samples}
    never = tuple(never_made(p, p.id, ids) for p in prompts.prompts if p.id not in shown)
    samples = replace(found, samples=(*found.samples, *never))
    return Imported(samples=samples, prompts=prompts, ignored=(), told_by="manifest")


def prompts_of(found: SampleSet, prompts: PromptSet | None) -> PromptSet:
    """The manifest's own prompts, or the given ones when they cover the manifest.

    Raises ValueError where they do not, and where one id stands for two texts: the images would be scored
    against a text that they were not made for. An empty text in the manifest leaves it to `prompts`.
    """
    manifest = found.folder / MANIFEST
    if prompts is not None:
        known = {prompt.id: prompt.text for prompt in prompts.prompts}
        for sample in found.samples:
            if sample.prompt_id not in known:
                raise ValueError(
                    f"{manifest}: prompt_id {sample.prompt_id!r} is none of {prompts.name}; "
                    "prompts=none takes the prompts from the manifest"
                )
            if sample.prompt and sample.prompt != known[sample.prompt_id]:
                raise ValueError(
                    f"{manifest}: prompt_id {sample.prompt_id!r} is {sample.prompt!r} there and "
                    f"{known[sample.prompt_id]!r} in {prompts.name}; "
                    "prompts=none takes the prompts from the manifest"
                )
        return prompts
    own: dict[str, Prompt] = {}
    for sample in found.samples:
        prompt = Prompt(id=sample.prompt_id, text=sample.prompt, category=sample.category)
        if own.setdefault(prompt.id, prompt) != prompt:
            raise ValueError(
                f"{manifest}: prompt_id {prompt.id!r} stands for {own[prompt.id].text!r} "
                f"({own[prompt.id].category!r}) and for {prompt.text!r} ({prompt.category!r})"
            )
    return PromptSet(name=found.folder.name, prompts=tuple(own.values()))


def _bare(path: Path, source: ImageSource, hashes: Mapping[str, str]) -> Imported:
    samples = tuple(
        Sample(sample_id=name, prompt_id=name, prompt="", category="", seed=0, path=name, sha256=hashes[name])
        for name in source.names
    )
    prompts = PromptSet(name="none", prompts=tuple(Prompt(id=name, text="") for name in source.names))
    found = SampleSet(folder=path, samples=samples, source=source)
    return Imported(samples=found, prompts=prompts, ignored=(), told_by="nothing")


def label_of(path: Path) -> str:
    """A short name for folders: the path's last part, with what cannot stand there as hyphens."""
    return (
        re.sub(r"[^A-Za-z0-9.-]+", "-", PurePosixPath(path.resolve().as_posix()).name).strip("-") or "folder"
    )
