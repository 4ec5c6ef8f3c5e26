"""The world's prompts: the eleven DrawBench categories in miniature, and the held-out combinations."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.scenes.facts import BACKGROUNDS, COLORS, LETTER_SHAPES, RELATIONS, SHAPES, Facts, Group
from drawbench_eval.scenes.grammar import (
    COLOR_DESCRIPTIONS,
    SHAPE_DESCRIPTIONS,
    caption,
    is_withheld,
    misspell,
)
from drawbench_eval.scenes.heldout import (
    RARE_WORDS,
    TEST_COUNTS,
    TEST_PAIRS,
    TEST_RELATIONS,
    VALIDATION_COUNTS,
    VALIDATION_PAIRS,
    VALIDATION_RELATIONS,
    is_withheld_pair,
)

SPLITS = ("suite", "validation", "test")
_SEED = 2022
_HELD_OUT_PROMPTS = 5

# (text, what scorers read if not that, facts)
Line = tuple[str, str | None, Facts]
Maker = Callable[[np.random.Generator, int], Line]


def prompt_set(split: str = "suite") -> PromptSet:
    """The suite of 200 prompts, or the prompts of the held-out combinations.

    Args:
        split: "suite", "validation" (for stopping training and choosing settings) or "test" (evaluated once).

    Raises:
        ValueError: for another split.
    """
    if split == "suite":
        return PromptSet(name="scenes", prompts=tuple(_suite()))
    if split == "validation":
        return _held_out(split, VALIDATION_PAIRS, VALIDATION_COUNTS, VALIDATION_RELATIONS)
    if split == "test":
        return _held_out(split, TEST_PAIRS, TEST_COUNTS, TEST_RELATIONS)
    raise ValueError(f"split: {split!r} is not one of {', '.join(SPLITS)}")


def _suite() -> Iterator[Prompt]:
    for number, (category, (count, make)) in enumerate(_CATEGORIES.items()):
        rng = np.random.default_rng([_SEED, number])
        key = category.lower().replace(" et al.", "").replace(" ", "-")
        seen: set[str] = set()
        while len(seen) < count:
            text, scoring_text, facts = make(rng, len(seen))
            if text in seen or (is_withheld(facts) and category != "Conflicting"):
                continue
            seen.add(text)
            yield Prompt(
                id=f"{key}-{len(seen):02d}",
                text=text,
                category=category,
                scoring_text=scoring_text,
                facts=facts.to_json(),
            )


def _one(rng: np.random.Generator) -> Group:
    while True:
        color, shape = str(rng.choice(COLORS)), str(rng.choice(SHAPES))
        if not is_withheld_pair(color, shape):
            return Group(shape=shape, color=color)


def _two(rng: np.random.Generator) -> tuple[Group, Group]:
    first = _one(rng)
    while True:
        second = _one(rng)
        if second.shape != first.shape and second.color != first.color:
            return first, second


def _plain(facts: Facts, rng: np.random.Generator) -> Line:
    return caption(facts, rng, plain=True), None, facts


def _colors(rng: np.random.Generator, position: int) -> Line:
    background = str(rng.choice(BACKGROUNDS)) if position % 3 == 0 else None
    groups = (_one(rng),) if position % 2 == 0 else _two(rng)
    return _plain(Facts(groups=groups, background=background), rng)


def _conflicting(rng: np.random.Generator, position: int) -> Line:
    color, shape = sorted(VALIDATION_PAIRS)[position // 2]
    group = Group(shape=shape, color=color)
    if position % 2 == 0:
        return _plain(Facts(groups=(group,)), rng)
    while True:
        other = _one(rng)
        if other.shape != shape and other.color != color:
            return _plain(Facts(groups=(group, other)), rng)


def _counting(rng: np.random.Generator, position: int) -> Line:
    thing = _one(rng)
    group = Group(count=1 + position % 5, shape=thing.shape, color=thing.color)
    return _plain(Facts(groups=(group,)), rng)


def _dalle(rng: np.random.Generator, position: int) -> Line:
    first, second = _two(rng)
    sizes = ("large", "small") if position % 2 else ("small", "large")
    both = zip((first, second), sizes, strict=True)
    groups = tuple(Group(shape=thing.shape, color=thing.color, size=size) for thing, size in both)
    relations = ((0, RELATIONS[position % 4], 1),) if position % 4 else ()
    return _plain(Facts(groups=groups, relations=relations), rng)


def _descriptions(rng: np.random.Generator, position: int) -> Line:
    thing = _one(rng)
    shape, color = str(thing.shape), str(thing.color)
    named = shape if position % 3 == 0 else SHAPE_DESCRIPTIONS[shape]
    colored = color if position % 3 == 1 else COLOR_DESCRIPTIONS[color]
    text = f"a {named} in {colored}" if colored != color else f"a {named} that is {color}"
    facts = Facts(groups=(thing,))
    return text, caption(facts, rng, plain=True), facts


# How the second thing stands to the first, and so the first to the second.
_TURNED = (
    ("to its left", "right of"),
    ("above it", "below"),
    ("to its right", "left of"),
    ("below it", "above"),
)


def _marcus(rng: np.random.Generator, position: int) -> Line:
    first, second = _two(rng)
    if position % 2:
        facts = Facts(groups=(first,), absent=(Group(shape=second.shape),))
        return _plain(facts, rng)
    phrase, relation = _TURNED[position // 2 % 4]
    facts = Facts(groups=(first, second), relations=((0, relation, 1),))
    one, two = (caption(Facts(groups=(g,)), rng, plain=True) for g in (first, second))
    return f"{one} with {two} {phrase}", caption(facts, rng, plain=True), facts


def _misspellings(rng: np.random.Generator, position: int) -> Line:
    facts = Facts(groups=(_one(rng),) if position % 2 == 0 else _two(rng))
    right = caption(facts, rng, plain=True)
    return misspell(right, rng), right, facts


def _positional(rng: np.random.Generator, position: int) -> Line:
    return _plain(Facts(groups=_two(rng), relations=((0, RELATIONS[position % 4], 1),)), rng)


def _rare(rng: np.random.Generator, position: int) -> Line:
    word, meaning = list(RARE_WORDS.items())[position]
    while True:
        thing = _one(rng)
        if meaning in (thing.shape, thing.color):
            break
    facts = Facts(groups=(thing,))
    right = caption(facts, rng, plain=True)
    text = right.replace(meaning, word)
    if text.startswith("a ") and text[2] in "aeiou":
        text = f"an {text[2:]}"
    return text, right, facts


def _reddit(rng: np.random.Generator, position: int) -> Line:
    first, second = _two(rng)
    background = str(rng.choice(BACKGROUNDS)) if position % 2 else None
    kind = position % 4
    if kind == 0:
        groups: tuple[Group, ...] = (first, second, _one(rng))
        return _plain(Facts(groups=groups, background=background), rng)
    if kind == 1:
        counted = Group(count=2 + position // 4 % 2, shape=first.shape, color=first.color)
        return _plain(Facts(groups=(counted, second), background=background), rng)
    if kind == 2:
        relations = ((0, RELATIONS[position // 4 % 4], 1),)
        return _plain(Facts(groups=(first, second), relations=relations, background=background), rng)
    return _plain(Facts(groups=(first,), background=background), rng)


def _text(rng: np.random.Generator, position: int) -> Line:
    color = str(rng.choice(COLORS))
    if position % 3:
        return _plain(Facts(groups=(Group(shape=str(rng.choice(LETTER_SHAPES)), color=color),)), rng)
    one, two = rng.permutation(len(LETTER_SHAPES))[:2]
    groups = tuple(Group(shape=LETTER_SHAPES[int(k)], color=color) for k in (one, two))
    return _plain(Facts(groups=groups, relations=((0, "left of", 1),)), rng)


# DrawBench's own categories and counts (Imagen, table A.1), each with what it asks for in this world.
_CATEGORIES: dict[str, tuple[int, Maker]] = {
    "Colors": (25, _colors),
    "Conflicting": (10, _conflicting),
    "Counting": (19, _counting),
    "DALL-E": (20, _dalle),
    "Descriptions": (20, _descriptions),
    "Gary Marcus et al.": (10, _marcus),
    "Misspellings": (10, _misspellings),
    "Positional": (20, _positional),
    "Rare Words": (7, _rare),
    "Reddit": (38, _reddit),
    "Text": (21, _text),
}


def _held_out(
    split: str,
    pairs: frozenset[tuple[str, str]],
    counts: frozenset[tuple[int, str]],
    relations: frozenset[tuple[str, str, str]],
) -> PromptSet:
    """Five prompts each of pairs, counts up to three, and relations, in colours seen with the shapes."""
    singles = [Facts(groups=(Group(shape=shape, color=color),)) for color, shape in sorted(pairs)]
    counted = [
        Facts(groups=(Group(count=count, shape=shape, color=color),))
        for count, shape in sorted(counts)
        for color in COLORS
        if count <= 3 and not is_withheld_pair(color, shape)
    ]
    related = []
    for a, relation, b in sorted(relations):
        for color, other in zip(COLORS, COLORS[3:] + COLORS[:3], strict=True):
            if not (is_withheld_pair(color, a) or is_withheld_pair(other, b)):
                groups = (Group(shape=a, color=color), Group(shape=b, color=other))
                related.append(Facts(groups=groups, relations=((0, relation, 1),)))
    chosen = (("single", singles), ("count", counted), ("relation", related))
    lines = [(category, facts) for category, all_facts in chosen for facts in _evenly(all_facts)]
    rng = np.random.default_rng(_SEED)
    prompts = tuple(
        Prompt(
            id=f"{split}-{category}-{number:02d}",
            text=caption(facts, rng, plain=True),
            category=category,
            facts=facts.to_json(),
        )
        for number, (category, facts) in enumerate(lines, start=1)
    )
    return PromptSet(name=f"scenes-{split}", prompts=prompts)


def _evenly(facts: list[Facts]) -> list[Facts]:
    """`_HELD_OUT_PROMPTS` of them at equal distances."""
    return [facts[int(k)] for k in np.linspace(0, len(facts) - 1, _HELD_OUT_PROMPTS)]
