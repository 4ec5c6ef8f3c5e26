"""Which prompts, samples and pairs of models a survey shows.

Every draw sorts by `stable_seed(seed, what for, id)`: the same on every machine, no draw depends on another.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from drawbench_eval.files import stable_seed
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.samples import Sample, SampleSet

# Names that a set of images cannot bear: the photographs, and what only control questions show.
REFERENCE = "reference"
CONTROL = "control"

Pair = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A model's images over prompts, or the reference's. `needed`: how many images of a prompt are shown."""

    name: str
    samples: SampleSet
    prompts: PromptSet
    needed: int


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One prompt, and each contestant's samples of it that are shown, in order, by its name."""

    prompt: Prompt
    samples: Mapping[str, tuple[Sample, ...]]


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A prompt that is not in the survey, and why."""

    prompt_id: str
    reason: str


def choose_entries(
    contestants: Sequence[Contestant], *, seed: int
) -> tuple[tuple[Entry, ...], tuple[LeftOut, ...]]:
    """Every prompt with enough images of every contestant, in the first one's order, and the other prompts.

    Samples are drawn by the seed; what is flagged or was never made cannot be. Raises ValueError where one id
    stands for two texts.
    """
    texts = [{prompt.id: prompt for prompt in one.prompts.prompts} for one in contestants]
    found = [_by_prompt(one.samples) for one in contestants]
    entries, left_out = [], []
    for prompt in _all_prompts(contestants):
        chosen: dict[str, tuple[Sample, ...]] = {}
        reasons = []
        for one, known, samples in zip(contestants, texts, found, strict=True):
            available = samples.get(prompt.id, [])
            if prompt.id not in known:
                reasons.append(f"{one.name} does not have this prompt")
            elif len(available) < one.needed:
                reasons.append(f"{one.name} has {len(available)} of {one.needed} images")
            chosen[one.name] = _draw(available, one.name, seed)[: one.needed]
        if reasons:
            left_out.append(LeftOut(prompt_id=prompt.id, reason="; ".join(reasons)))
        else:
            entries.append(Entry(prompt=prompt, samples=chosen))
    return tuple(entries), tuple(left_out)


def draw_prompts(entries: Sequence[Entry], num_prompts: int | None, *, seed: int) -> tuple[Entry, ...]:
    """So many at random, in their order; None keeps all. Raises ValueError for more than there are."""
    if num_prompts is None:
        return tuple(entries)
    if num_prompts > len(entries):
        raise ValueError(f"num_prompts: {num_prompts} are asked for and {len(entries)} can be shown")
    drawn = sorted(entries, key=lambda entry: stable_seed(seed, "prompt", entry.prompt.id))[:num_prompts]
    ids = {entry.prompt.id for entry in drawn}
    return tuple(entry for entry in entries if entry.prompt.id in ids)


def choose_pairs(
    prompt_ids: Sequence[str],
    names: Sequence[str],
    *,
    baseline: str | None,
    per_prompt: int | None,
    seed: int,
) -> Mapping[str, tuple[Pair, ...]]:
    """For each prompt the pairs of models to compare.

    All pairs, or with a `baseline` those with it; of these `per_prompt` at most (None: all), drawn so that
    over all prompts no pair comes more than once oftener than another.

    Raises ValueError for a baseline that is no model and for no pair at all.
    """
    if baseline is not None and baseline not in names:
        raise ValueError(f"baseline: {baseline} is none of the sets {', '.join(names)}")
    pairs = [pair for pair in combinations(names, 2) if baseline is None or baseline in pair]
    if not pairs:
        raise ValueError(f"sets: {', '.join(names) or 'none'}; a comparison needs two or more")
    num = len(pairs) if per_prompt is None else min(per_prompt, len(pairs))
    used: Counter[Pair] = Counter()
    chosen = {}
    for prompt_id in sorted(prompt_ids, key=lambda prompt_id: stable_seed(seed, "pairs", prompt_id)):
        ordered = sorted(pairs, key=lambda pair: (used[pair], stable_seed(seed, "pair", prompt_id, *pair)))
        chosen[prompt_id] = tuple(sorted(ordered[:num], key=pairs.index))
        used.update(chosen[prompt_id])
    return {prompt_id: chosen[prompt_id] for prompt_id in prompt_ids}


def _all_prompts(contestants: Iterable[Contestant]) -> list[Prompt]:
    found: dict[str, tuple[str, Prompt]] = {}
    for one in contestants:
        for prompt in one.prompts.prompts:
            other, known = found.setdefault(prompt.id, (one.name, prompt))
            if known.text != prompt.text:
                raise ValueError(
                    f"sets: prompt {prompt.id!r} is {known.text!r} in {other} and {prompt.text!r} in "
                    f"{one.name}; all sets must show the same prompts"
                )
    return [prompt for _, prompt in found.values()]


def _by_prompt(samples: SampleSet) -> Mapping[str, list[Sample]]:
    found: dict[str, list[Sample]] = {}
    for sample in samples.samples:
        if sample.path and sample.sample_id not in samples.flagged:
            found.setdefault(sample.prompt_id, []).append(sample)
    return found


def _draw(samples: Sequence[Sample], name: str, seed: int) -> tuple[Sample, ...]:
    return tuple(sorted(samples, key=lambda one: stable_seed(seed, "sample", name, one.sample_id)))
