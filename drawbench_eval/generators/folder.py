"""Images that somebody else made: a folder or archive -> a `SampleSet` over prompts.

Three ways to say which image shows which prompt: a `manifest.csv` in the folder; a pattern of the file names
such as `{prompt_id}.png` or `{category}/{index}_{seed}.png`; or none, when no metric reads prompts, and then
every image is a sample of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from drawbench_eval.files import digest, sha256_bytes, stable_seed
from drawbench_eval.images.loading import load_ahead
from drawbench_eval.images.source import ImageSource, open_source
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.samples import MANIFEST, Sample, SampleSet

FIELDS = ("prompt_id", "category", "index", "seed")

_FIELD = re.compile(r"\{([^{}:]*)(?::([^{}]*))?\}")
_WIDTH = re.compile(r"(\d+)d")

# Stands for the hash of an image that cannot be read; no file has it.
_UNREADABLE = "0" * 64


@dataclass(frozen=True, kw_only=True)
class FolderSettings:
    """The `model` group for model=folder."""

    path: Path
    pattern: str | None = None
    guidance_kind: str = "none"


@dataclass(frozen=True, kw_only=True)
class Imported:
    """A sample set over prompts. `ignored` names images that the pattern does not describe."""

    samples: SampleSet
    prompts: PromptSet
    ignored: tuple[str, ...]

    @property
    def sha256(self) -> str:
        """Hash of which sample shows what, by content."""
        return digest([[s.sample_id, s.prompt_id, s.sha256] for s in self.samples.samples])


def import_folder(settings: FolderSettings, prompts: PromptSet | None) -> Imported:
    """The samples at `settings.path`. Without `prompts` they come from the manifest, or from the names.

    Raises ValueError where there are no images, where they do not fit the prompts, and where the pattern
    cannot tell two of them apart.
    """
    path, pattern = settings.path, settings.pattern
    if pattern is None and path.is_dir() and (path / MANIFEST).exists():
        found = SampleSet.read(path)
        prompts = prompts_of(found, prompts)
        shown = {sample.prompt_id for sample in found.samples}
        ids = {sample.sample_id for sample in found.samples}
        never = tuple(_never(prompt, ids) for prompt in prompts.prompts if prompt.id not in shown)
        samples = replace(found, samples=(*found.samples, *never))
        return Imported(samples=samples, prompts=prompts, ignored=())
    source = open_source(path)
    if not source.names:
        raise ValueError(f"model.path: {path} holds no images")
    hashes = dict(zip(source.names, load_ahead(_hash(source), source.names), strict=True))
    if pattern is None:
        if prompts is not None:
            raise ValueError(
                f"model.pattern: {path} has no {MANIFEST}; say how names tell prompts, as in "
                "model.pattern='{prompt_id}.png', or write prompts=none"
            )
        return _bare(path, source, hashes)
    return _by_pattern(path, source, hashes, pattern, prompts)


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
    return Imported(
        samples=SampleSet(folder=path, samples=samples, source=source), prompts=prompts, ignored=()
    )


def _by_pattern(
    path: Path, source: ImageSource, hashes: Mapping[str, str], pattern: str, prompts: PromptSet | None
) -> Imported:
    expression = pattern_expression(pattern)
    which = _which(pattern, expression, prompts)
    matches = {name: expression.fullmatch(name) for name in source.names}
    ignored = tuple(name for name, match in matches.items() if match is None)
    if len(ignored) == len(matches):
        raise ValueError(
            f"model.pattern: {pattern!r} describes none of the {len(matches)} images in {path}, "
            f"such as {source.names[0]!r}"
        )
    samples: dict[str, Sample] = {}
    for name, match in matches.items():
        if match is None:
            continue
        prompt = which(match, name)
        seed = match.groupdict().get("seed")
        # Without {prompt_id} the index says which prompt, with it which repeat.
        number = match.groupdict().get("index") if "prompt_id" in expression.groupindex else None
        sample_id = "-".join(part for part in (prompt.id, number, seed) if part is not None)
        if sample_id in samples:
            raise ValueError(
                f"model.pattern: {pattern!r} cannot tell {samples[sample_id].path!r} from {name!r}; "
                "put {seed} or {index} where they differ"
            )
        samples[sample_id] = Sample(
            sample_id=sample_id,
            prompt_id=prompt.id,
            prompt=prompt.text,
            category=prompt.category,
            seed=stable_seed(sample_id) if seed is None else int(seed),
            path=name,
            sha256=hashes[name],
        )
    if prompts is None:
        own = {s.prompt_id: Prompt(id=s.prompt_id, text="") for s in samples.values()}
        prompts = PromptSet(name="none", prompts=tuple(own.values()))
    ordered = _in_prompt_order(samples, prompts)
    return Imported(
        samples=SampleSet(folder=path, samples=ordered, source=source), prompts=prompts, ignored=ignored
    )


def pattern_expression(pattern: str) -> re.Pattern[str]:
    """A file-name pattern with `{fields}` as a regular expression with a group for each.

    `{index:04d}` wants four digits or more. Raises ValueError for a field or a format that does not exist.
    """
    parts, at = [], 0
    for found in _FIELD.finditer(pattern):
        name, width = found.group(1), found.group(2)
        if name not in FIELDS:
            known = ", ".join(f"{{{field}}}" for field in FIELDS)
            raise ValueError(f"model.pattern: {{{name}}} in {pattern!r} is not known; known are {known}")
        if width is not None and not _WIDTH.fullmatch(width):
            raise ValueError(
                f"model.pattern: {found.group()} in {pattern!r} is not known; "
                f"a number of at least 4 digits is {{{name}:04d}}"
            )
        parts.append(re.escape(pattern[at : found.start()]))
        digits = width is not None or name in ("index", "seed")
        parts.append(f"(?P<{name}>{rf'[0-9]{{{int(width[:-1]) if width else 1},}}' if digits else '[^/]+?'})")
        at = found.end()
    parts.append(re.escape(pattern[at:]))
    try:
        return re.compile("".join(parts), re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"model.pattern: {pattern!r} uses a field twice ({error})") from error


def _which(
    pattern: str, expression: re.Pattern[str], prompts: PromptSet | None
) -> Callable[[re.Match[str], str], Prompt]:
    """How a matched name tells its prompt."""
    groups = expression.groupindex
    if "prompt_id" in groups:
        by_id = {prompt.id: prompt for prompt in prompts.prompts} if prompts else None

        def by_prompt_id(match: re.Match[str], name: str) -> Prompt:
            identity = match["prompt_id"]
            if by_id is None:
                return Prompt(id=identity, text="")
            if identity not in by_id:
                raise ValueError(
                    f"model.pattern: {name!r} names the prompt {identity!r}, which is none of them"
                )
            return by_id[identity]

        return by_prompt_id
    if prompts is None or "index" not in groups:
        raise ValueError(
            f"model.pattern: {pattern!r} does not tell which prompt an image shows; it needs {{prompt_id}}, "
            "or {index} (counted from 0 within {category}, if that is there) and prompts"
        )
    numbered: dict[str, list[Prompt]] = {}
    for prompt in prompts.prompts:
        numbered.setdefault(prompt.category if "category" in groups else "", []).append(prompt)

    def by_index(match: re.Match[str], name: str) -> Prompt:
        category = match["category"] if "category" in groups else ""
        among = numbered.get(category, [])
        if int(match["index"]) >= len(among):
            where = f" in the category {category!r}" if category else ""
            raise ValueError(
                f"model.pattern: {name!r} is number {match['index']}, counted from 0, "
                f"of {len(among)} prompts{where}"
            )
        return among[int(match["index"])]

    return by_index


def _in_prompt_order(samples: Mapping[str, Sample], prompts: PromptSet) -> tuple[Sample, ...]:
    """Samples by prompt, then id; a prompt without an image stands there as one that was never made."""
    by_prompt: dict[str, list[Sample]] = {}
    for sample_id in sorted(samples):
        by_prompt.setdefault(samples[sample_id].prompt_id, []).append(samples[sample_id])
    ordered: list[Sample] = []
    for prompt in prompts.prompts:
        ordered += by_prompt.get(prompt.id) or [_never(prompt, samples)]
    return tuple(ordered)


def _never(prompt: Prompt, taken: Container[str]) -> Sample:
    """The sample of a prompt without an image: it is counted as missing."""
    sample_id = prompt.id
    while sample_id in taken:
        sample_id += "-none"
    return Sample(
        sample_id=sample_id,
        prompt_id=prompt.id,
        prompt=prompt.text,
        category=prompt.category,
        seed=0,
        path="",
        sha256="",
    )


def _hash(source: ImageSource) -> Callable[[str], str]:
    def hash_of(name: str) -> str:
        try:
            return sha256_bytes(source.read(name))
        except OSError:
            # One damaged file does not end the import: it is met again, counted and named when it is loaded.
            return _UNREADABLE

    return hash_of


def label_of(path: Path) -> str:
    """A short name for folders: the path's last part, with what cannot stand there as hyphens."""
    return (
        re.sub(r"[^A-Za-z0-9.-]+", "-", PurePosixPath(path.resolve().as_posix()).name).strip("-") or "folder"
    )
