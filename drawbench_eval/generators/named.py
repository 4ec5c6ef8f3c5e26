"""Images whose names tell what they show -> samples in the order of the prompts, and those that lack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass

from drawbench_eval.files import sha256_bytes, stable_seed
from drawbench_eval.generators.lookup import NoPromptError, finder
from drawbench_eval.generators.patterns import Groups, Pattern
from drawbench_eval.images.loading import load_ahead
from drawbench_eval.images.source import ImageSource
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.samples import Sample

# Stands for the hash of an image that cannot be read; no file has it.
UNREADABLE = "0" * 64
# The largest seed that tables of scores hold.
_MAX_SEED = (1 << 63) - 1

Repeat = tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Named:
    """Samples, their prompts, and the names of images that are none.

    ignored: the pattern does not describe them. strangers: they name none of the prompts. Where columns name
    the images, what they say stands with them.
    """

    samples: tuple[Sample, ...]
    prompts: PromptSet
    ignored: tuple[str, ...]
    strangers: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class _Told:
    """An image whose prompt is known. repeat: the numbers that tell the images of one prompt apart."""

    name: str
    label: str
    prompt: Prompt
    repeat: Repeat
    seed: int | None

    @property
    def sample_id(self) -> str:
        return _sample_id(self.prompt, self.repeat)


def read_names(
    source: ImageSource,
    labels: Sequence[str],
    pattern: Pattern,
    prompts: PromptSet | None,
    *,
    first_index: int,
    leave_strangers: bool,
) -> Named:
    """The samples of `source`, whose images have the `labels` that `pattern` describes.

    Every prompt gets as many samples as prompts usually have here: what lacks was never made.

    Raises ValueError where the pattern describes nothing or no image of a prompt, or cannot tell two images
    apart, and, unless `leave_strangers`, for an image of no prompt.
    """
    prompt_of = finder(pattern, prompts, first_index=first_index)
    told: dict[str, _Told] = {}
    ignored, strangers = [], []
    first_stranger: NoPromptError | None = None
    for name, label in zip(source.names, labels, strict=True):
        groups = pattern.read(label)
        if groups is None:
            ignored.append(_named(name, label))
            continue
        try:
            prompt = prompt_of(groups, label)
        except NoPromptError as error:
            first_stranger = first_stranger or error
            if not leave_strangers:
                raise
            strangers.append(_named(name, label))
            continue
        found = _told(name, label, groups, pattern, prompt)
        first = told.setdefault(found.sample_id, found)
        if first is not found:
            raise ValueError(
                f"model.pattern: {pattern.text!r} cannot tell {first.label!r} from {label!r}; "
                "put {sample} or {seed} where they differ"
            )
    if not told and first_stranger is not None:
        raise ValueError(f"{first_stranger}; of {len(strangers)} such images none names a prompt")
    if not told:
        raise ValueError(
            f"model.pattern: {pattern.text!r} describes none of the {len(ignored)} images in "
            f"{source.location}, such as {labels[0]!r}"
        )
    if prompts is None:
        own = {image.prompt.id: image.prompt for image in told.values()}
        prompts = PromptSet(name="none", prompts=tuple(own.values()))
    samples = _in_order(told, content_hashes(source, sorted(image.name for image in told.values())), prompts)
    return Named(samples=samples, prompts=prompts, ignored=tuple(ignored), strangers=tuple(strangers))


def _named(name: str, label: str) -> str:
    return name if name == label else f"{name} ({label})"


def _told(name: str, label: str, groups: Groups, pattern: Pattern, prompt: Prompt) -> _Told:
    seed = int(groups["seed"]) if "seed" in groups else None
    if seed is not None and seed > _MAX_SEED:
        raise ValueError(f"model.pattern: {label!r} has the seed {seed}; it must be at most {_MAX_SEED}")
    repeat = tuple(int(groups[field]) for field in pattern.repeats)
    return _Told(name=name, label=label, prompt=prompt, repeat=repeat, seed=seed)


def _in_order(told: Mapping[str, _Told], hashes: Mapping[str, str], prompts: PromptSet) -> tuple[Sample, ...]:
    """Samples by prompt, then by number, with those that were never made."""
    by_prompt: dict[str, list[_Told]] = {}
    for image in told.values():
        by_prompt.setdefault(image.prompt.id, []).append(image)
    expected, usual = _usual([[image.repeat for image in images] for images in by_prompt.values()])
    seeds = {image.repeat: image.seed for image in told.values()}
    ordered: list[Sample] = []
    taken = set(told)
    for prompt in prompts.prompts:
        images = sorted(by_prompt.get(prompt.id, []), key=lambda image: image.repeat)
        ordered += (_sample(image, hashes[image.name]) for image in images)
        there = {image.repeat for image in images}
        lacking = [repeat for repeat in usual if repeat not in there]
        for number in range(expected - len(images)):
            repeat = lacking[number] if number < len(lacking) else ()
            sample_id = _sample_id(prompt, repeat)
            # The seed that it would have: models are compared in pairs, and pairs with a gap are counted.
            seed = _seed(sample_id, seeds.get(repeat))
            never = never_made(prompt, sample_id, taken, seed=seed)
            taken.add(never.sample_id)
            ordered.append(never)
    return tuple(ordered)


def _usual(repeats: Sequence[Sequence[Repeat]]) -> tuple[int, list[Repeat]]:
    """How many images prompts have (the most common count, of equals the larger), and their usual numbers.

    Numbers that at least half of the prompts have are usual: one prompt's own seeds name no other's image.
    """
    counts = Counter(len(of_one) for of_one in repeats)
    expected = max(counts, key=lambda count: (counts[count], count), default=1)
    shared = Counter(repeat for of_one in repeats for repeat in of_one)
    usual = [repeat for repeat, number in shared.items() if 2 * number >= len(repeats)]
    return expected, sorted(usual, key=lambda repeat: (-shared[repeat], repeat))


def _sample_id(prompt: Prompt, repeat: Repeat) -> str:
    return "-".join([prompt.id, *map(str, repeat)])


def _seed(sample_id: str, given: int | None) -> int:
    return stable_seed(sample_id) if given is None else given


def _sample(image: _Told, sha256: str) -> Sample:
    prompt = image.prompt
    return Sample(
        sample_id=image.sample_id,
        prompt_id=prompt.id,
        prompt=prompt.text,
        category=prompt.category,
        seed=_seed(image.sample_id, image.seed),
        path=image.name,
        sha256=sha256,
    )


def never_made(prompt: Prompt, sample_id: str, taken: Container[str], *, seed: int = 0) -> Sample:
    """A sample that was never made, under an id that is not taken: it is counted as missing."""
    while sample_id in taken:
        sample_id += "-none"
    return Sample(
        sample_id=sample_id,
        prompt_id=prompt.id,
        prompt=prompt.text,
        category=prompt.category,
        seed=seed,
        path="",
        sha256="",
    )


def content_hashes(source: ImageSource, names: Sequence[str]) -> dict[str, str]:
    """Name -> SHA-256 of the image's bytes, or `UNREADABLE`, read ahead by threads."""
    return dict(zip(names, load_ahead(_hash(source), names), strict=True))


def _hash(source: ImageSource) -> Callable[[str], str]:
    def hash_of(name: str) -> str:
        try:
            return sha256_bytes(source.read(name))
        except OSError:
            # One damaged file does not end the import: it is met again, counted and named when it is loaded.
            return UNREADABLE

    return hash_of
