"""The world's language: facts drawn at random, and captions that say them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from drawbench_eval.scenes.facts import (
    BACKGROUNDS,
    COLORS,
    LETTER_SHAPES,
    RELATIONS,
    SHAPES,
    SIZES,
    Facts,
    Group,
)
from drawbench_eval.scenes.heldout import is_withheld_count, is_withheld_pair, is_withheld_relation

NUMBERS = {1: "one", 2: "two", 3: "three", 4: "four", 5: "five"}
PLURALS = {"cross": "crosses"}

COLOR_DESCRIPTIONS = {
    "red": "the color of a tomato",
    "orange": "the color of a carrot",
    "yellow": "the color of a lemon",
    "green": "the color of grass",
    "cyan": "the color of turquoise",
    "blue": "the color of the deep sea",
    "purple": "the color of a plum",
    "pink": "the color of a flamingo",
}
SHAPE_DESCRIPTIONS = {
    "circle": "perfectly round shape",
    "square": "shape with four equal sides",
    "triangle": "shape with three corners",
    "star": "shape with five points",
    "cross": "plus sign",
    "ring": "round band with a hole",
}
_RELATION_PHRASES = {
    "left of": ("left of", "to the left of"),
    "right of": ("right of", "to the right of"),
    "above": ("above", "over", "on top of"),
    "below": ("below", "under", "beneath"),
}
_WITH_PHRASES = {
    "left of": "with {other} to its right",
    "right of": "with {other} to its left",
    "above": "with {other} below it",
    "below": "with {other} above it",
}
_SIZE_PHRASES = {"small": ("small", "tiny", "little"), "large": ("large", "big", "huge")}


def sample_facts(rng: np.random.Generator) -> Facts:
    """Facts as the generator, the scorers and the text corpus see them: nothing withheld is among them."""
    while True:
        facts = _draw(rng)
        if not is_withheld(facts):
            return facts


def is_withheld(facts: Facts) -> bool:
    """Whether any claim of these facts is in the held-out table."""
    groups = facts.groups
    return (
        any(is_withheld_pair(group.color, group.shape) for group in groups)
        or any(is_withheld_count(group.count, group.shape) for group in groups)
        or any(is_withheld_relation(groups[a].shape, how, groups[b].shape) for a, how, b in facts.relations)
    )


def _pick(rng: np.random.Generator, options: Sequence[str]) -> str:
    return options[int(rng.integers(len(options)))]


def _draw(rng: np.random.Generator) -> Facts:
    kind = rng.random()
    background = _pick(rng, BACKGROUNDS) if rng.random() < 0.25 else None
    if kind < 0.30:
        return Facts(groups=(_thing(rng, sizes=SIZES, size_share=0.35),), background=background)
    if kind < 0.48:
        thing = _thing(rng)
        count = int(rng.choice([2, 3, 4, 5], p=[0.35, 0.35, 0.18, 0.12]))
        return Facts(
            groups=(Group(count=count, shape=thing.shape, color=thing.color),), background=background
        )
    if kind < 0.76:
        groups = _pair(rng)
        return Facts(groups=groups, relations=((0, _pick(rng, RELATIONS), 1),), background=background)
    if kind < 0.83:
        return Facts(groups=_pair(rng), background=background)
    if kind < 0.93:
        return _letters(rng, background)
    first, second = _distinct(rng, 2)
    if kind < 0.97:
        counts = [(2, 1), (1, 2), (2, 2), (3, 1)][int(rng.integers(4))]
        counted = tuple(
            Group(count=n, shape=thing.shape, color=thing.color)
            for n, thing in zip(counts, (first, second), strict=True)
        )
        return Facts(groups=counted, background=background)
    return Facts(groups=tuple(_distinct(rng, 3)), background=background)


def _thing(rng: np.random.Generator, *, sizes: Sequence[str] = (), size_share: float = 0.0) -> Group:
    chance = rng.random()
    shape = None if chance < 0.04 else _pick(rng, SHAPES)
    color = None if 0.04 < chance < 0.10 else _pick(rng, COLORS)
    size = _pick(rng, sizes) if sizes and rng.random() < size_share else None
    return Group(shape=shape, color=color, size=size)


def _distinct(rng: np.random.Generator, num: int) -> list[Group]:
    """Fully named things, no two alike."""
    chosen: list[Group] = []
    while len(chosen) < num:
        thing = Group(shape=_pick(rng, SHAPES), color=_pick(rng, COLORS))
        if thing not in chosen:
            chosen.append(thing)
    return chosen


def _pair(rng: np.random.Generator) -> tuple[Group, Group]:
    first, second = _distinct(rng, 2)
    if rng.random() < 0.2:
        first = Group(shape=first.shape, color=first.color, size="small")
        second = Group(shape=second.shape, color=second.color, size="large")
        if rng.random() < 0.5:
            first, second = second, first
    return first, second


def _letters(rng: np.random.Generator, background: str | None) -> Facts:
    color = None if rng.random() < 0.1 else _pick(rng, COLORS)
    if rng.random() < 0.7:
        return Facts(groups=(Group(shape=_pick(rng, LETTER_SHAPES), color=color),), background=background)
    one, two = rng.permutation(len(LETTER_SHAPES))[:2]
    groups = tuple(Group(shape=LETTER_SHAPES[int(k)], color=color) for k in (one, two))
    return Facts(groups=groups, relations=((0, "left of", 1),), background=background)


def caption(facts: Facts, rng: np.random.Generator, *, plain: bool = False) -> str:
    """One of the many ways to say these facts; `plain` takes the plainest.

    Args:
        facts: what to say.
        rng: chooses among the ways.
        plain: the first wording of every choice, with no frame around it.
    """
    words = _Words(rng, plain)
    text = _body(facts, words)
    for group in facts.absent:
        text += f" and no {_noun(group, words)}"
    if facts.background is not None:
        where = words.choose(("on", "in front of"))
        text += f" {where} a {facts.background} background"
    frame = words.choose(("{}", "{}", "{}", "we see {}", "a picture of {}", "an image showing {}"))
    return frame.format(text)


class _Words:
    """Choices of wording: drawn from `rng`, or always the first when plain."""

    def __init__(self, rng: np.random.Generator, plain: bool) -> None:
        self._rng = rng
        self._plain = plain

    def choose(self, options: Sequence[str]) -> str:
        return options[0] if self._plain else _pick(self._rng, options)

    def rarely(self, share: float) -> bool:
        return not self._plain and bool(self._rng.random() < share)


def _body(facts: Facts, words: _Words) -> str:
    shapes = [group.shape or "" for group in facts.groups]
    letters = [shape.removeprefix("letter ") for shape in shapes if shape.startswith("letter ")]
    if letters and len(letters) == len(facts.groups):
        return _say_letters(letters, facts.groups[0].color, words)
    phrases = [_phrase(group, words) for group in facts.groups]
    if not facts.relations:
        return phrases[0] if len(phrases) == 1 else ", ".join(phrases[:-1]) + f" and {phrases[-1]}"
    first, relation, second = facts.relations[0]
    if words.rarely(0.2):
        return f"{phrases[first]} " + _WITH_PHRASES[relation].format(other=phrases[second])
    return f"{phrases[first]} {words.choose(_RELATION_PHRASES[relation])} {phrases[second]}"


def _say_letters(letters: list[str], color: str | None, words: _Words) -> str:
    if len(letters) == 1:
        name = f"the letter {letters[0]}"
        if color is None:
            return words.choose((name, f"a letter {letters[0]}"))
        return words.choose((f"{name} in {color}", f"{_article(color)} {color} letter {letters[0]}"))
    one, two = letters
    name = words.choose((f"the letters {one} {two}", f"the letter {one} left of the letter {two}"))
    return f"{name} in {color}" if color else name


def _phrase(group: Group, words: _Words) -> str:
    if group.count > 1:
        number = NUMBERS[group.count]
        return words.choose((f"{number} ", f"{number} ", f"exactly {number} ")) + _noun(
            group, words, plural=True
        )
    noun = _noun(group, words)
    article = words.choose((_article(noun), _article(noun), _article(noun), "one"))
    return f"{article} {noun}"


def _article(noun: str) -> str:
    return "an" if noun[0] in "aeiou" and not noun.startswith("one") else "a"


def _noun(group: Group, words: _Words, *, plural: bool = False) -> str:
    size = words.choose(_SIZE_PHRASES[group.size]) + " " if group.size else ""
    if group.shape is None:
        noun = "shapes" if plural else "shape"
    elif not plural and words.rarely(0.06):
        noun = SHAPE_DESCRIPTIONS[group.shape]
    else:
        noun = PLURALS.get(group.shape, f"{group.shape}s") if plural else group.shape
    if group.color is None:
        return f"{size}{noun}"
    if words.rarely(0.08):
        return f"{size}{noun} in {COLOR_DESCRIPTIONS[group.color]}"
    if not plural and words.rarely(0.06):
        return f"{size}{noun} that is {group.color}"
    return f"{size}{group.color} {noun}"


def misspell(text: str, rng: np.random.Generator) -> str:
    """The text with one or two of its longer words misspelt: a letter dropped, doubled, or two swapped."""
    words = text.split(" ")
    long = [index for index, word in enumerate(words) if len(word) >= 3]
    for index in rng.permutation(long)[: int(rng.integers(1, 3))]:
        word = words[int(index)]
        at = int(rng.integers(1, len(word) - 1))
        kind = int(rng.integers(3))
        if kind == 0:
            word = word[:at] + word[at + 1 :]
        elif kind == 1:
            word = word[:at] + word[at] + word[at:]
        else:
            word = word[:at] + word[at + 1] + word[at] + word[at + 2 :]
        words[int(index)] = word
    return " ".join(words)
