"""Sentences about the world, without pictures: what the text encoders are pretrained on.

Richer than captions on purpose: several sentences about one scene, paraphrase, converse, negation,
entailment, counting, definitions, the rare words and misspellings. Withheld combinations never occur. Where
a scene is told of more than once, a hidden word can be found by reading which thing has which colour and what
stands where: that is what the encoder is to learn.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from drawbench_eval.scenes.facts import COLORS, OPPOSITE, SHAPES, Facts
from drawbench_eval.scenes.grammar import (
    COLOR_DESCRIPTIONS,
    NUMBERS,
    PLURALS,
    SHAPE_DESCRIPTIONS,
    caption,
    misspell,
    sample_facts,
)
from drawbench_eval.scenes.heldout import RARE_WORDS


def sentences(seed: int) -> Iterator[str]:
    """An endless stream of sentences, the same for the same seed."""
    rng = np.random.default_rng(seed)
    makers = (
        _description,
        _caption,
        _paraphrase,
        _converse,
        _entailment,
        _negation,
        _counting,
        _definition,
        _rare,
        _misspelt,
    )
    shares = np.array([0.5, 0.12, 0.1, 0.05, 0.06, 0.05, 0.03, 0.03, 0.04, 0.02])
    while True:
        maker = makers[int(rng.choice(len(makers), p=shares))]
        yield maker(rng)


def _description(rng: np.random.Generator) -> str:
    """Three to five sentences about one scene, in any order."""
    facts = sample_facts(rng)
    said = [caption(facts, rng), caption(facts, rng), *_statements(facts)]
    order = rng.permutation(len(said))[: int(rng.integers(3, 6))]
    return " . ".join(said[int(k)] for k in order)


def _statements(facts: Facts) -> list[str]:
    """What can be said thing by thing: which has which colour, how many there are, what stands where."""
    said = []
    for group in facts.groups:
        if group.color and group.shape:
            if group.count == 1:
                said.append(f"the {group.shape} is {group.color}")
                said.append(f"the {group.color} thing is a {group.shape}")
            else:
                things = PLURALS.get(group.shape, f"{group.shape}s")
                said.append(f"the {things} are {group.color}")
                said.append(f"the {group.color} things are {things}")
    for first, relation, second in facts.relations:
        a, b = facts.groups[first], facts.groups[second]
        for one, how, other in ((a, relation, b), (b, OPPOSITE[relation], a)):
            if one.shape and other.shape and one.shape != other.shape:
                said.append(f"the {one.shape} is {how} the {other.shape}")
            if one.color and other.color and one.color != other.color:
                said.append(f"the {one.color} thing is {how} the {other.color} thing")
    total = sum(group.count for group in facts.groups)
    said.append(f"there are {NUMBERS[total]} things" if total > 1 else "there is one thing")
    return said


def _caption(rng: np.random.Generator) -> str:
    return caption(sample_facts(rng), rng)


def _paraphrase(rng: np.random.Generator) -> str:
    facts = sample_facts(rng)
    return f"{caption(facts, rng)} means {caption(facts, rng)}"


def _converse(rng: np.random.Generator) -> str:
    while True:
        facts = sample_facts(rng)
        if facts.relations and len(facts.groups) == 2:
            break
    (_, relation, _), (a, b) = facts.relations[0], facts.groups
    turned = Facts(groups=(b, a), relations=((0, OPPOSITE[relation], 1),))
    said = Facts(groups=(a, b), relations=facts.relations)
    return f"if there is {caption(said, rng, plain=True)} then there is {caption(turned, rng, plain=True)}"


def _entailment(rng: np.random.Generator) -> str:
    facts = sample_facts(rng)
    group = facts.groups[int(rng.integers(len(facts.groups)))]
    text = caption(facts, rng)
    options = []
    if group.color:
        options.append(f"something is {group.color}")
    if group.shape:
        options.append(f"there is a {group.shape}")
    if group.color and group.shape:
        options.append(f"the {group.shape} is {group.color}")
    total = sum(g.count for g in facts.groups)
    options.append(f"there are {NUMBERS.get(total, 'many')} things" if total > 1 else "there is one thing")
    return f"{text} so {options[int(rng.integers(len(options)))]}"


def _negation(rng: np.random.Generator) -> str:
    facts = sample_facts(rng)
    colors = [c for c in COLORS if all(g.color not in (None, c) for g in facts.groups)]
    shapes = [s for s in SHAPES if all(g.shape not in (None, s) for g in facts.groups)]
    text = caption(facts, rng)
    if shapes and (not colors or rng.random() < 0.5):
        absent = shapes[int(rng.integers(len(shapes)))]
        return (f"{text} but no {absent}", f"{text} so there is no {absent}")[int(rng.integers(2))]
    if colors:
        return f"{text} so nothing is {colors[int(rng.integers(len(colors)))]}"
    return text


def _counting(rng: np.random.Generator) -> str:
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    many = PLURALS.get(shape, f"{shape}s")
    low, high = sorted(int(k) for k in rng.permutation(5)[:2] + 1)
    form = int(rng.integers(3))
    if form == 0:
        return f"{NUMBERS[high]} things are more than {NUMBERS[low]}"
    if form == 1:
        return f"{NUMBERS[low]} things are fewer than {NUMBERS[high]}"
    return f"{' and '.join(['a ' + shape] * 2)} are two {many}" if shape != "cross" else "one and one are two"


def _definition(rng: np.random.Generator) -> str:
    if rng.random() < 0.5:
        color = COLORS[int(rng.integers(len(COLORS)))]
        return f"{COLOR_DESCRIPTIONS[color]} is {color}"
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    return f"a {SHAPE_DESCRIPTIONS[shape]} is a {shape}"


def _rare(rng: np.random.Generator) -> str:
    words = list(RARE_WORDS)
    word = words[int(rng.integers(len(words)))]
    meaning = RARE_WORDS[word]
    if rng.random() < 0.4:
        return f"{word} means {meaning}"
    while True:
        facts = sample_facts(rng)
        if any(meaning in (g.color, g.shape) and g.count == 1 for g in facts.groups):
            break
    text = caption(facts, rng, plain=True)
    return f"{_swap(text, meaning, word)} means {text}" if rng.random() < 0.5 else _swap(text, meaning, word)


def _swap(text: str, meaning: str, word: str) -> str:
    """The text with the rare word in place of the common one, and the article that it takes."""
    swapped = " ".join(word if token == meaning else token for token in text.split(" "))
    article, other = ("an", "a") if word[0] in "aeiou" else ("a", "an")
    return swapped.replace(f"{other} {word}", f"{article} {word}")


def _misspelt(rng: np.random.Generator) -> str:
    text = caption(sample_facts(rng), rng, plain=True)
    wrong = misspell(text, rng)
    return f"{wrong} means {text}" if rng.random() < 0.5 else wrong
