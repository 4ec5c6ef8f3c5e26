"""Facts changed in exactly one place: what tests whether a scorer or the oracle sees the difference."""

from __future__ import annotations

import dataclasses

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


def another(options: tuple[str, ...], than: str | None, rng: np.random.Generator) -> str:
    """One of the options, but not `than`."""
    return str(rng.choice([option for option in options if option != than]))


def change(facts: Facts, kind: str, rng: np.random.Generator) -> Facts | None:
    """The facts with exactly one fact of this kind changed; None where they claim none that could change."""
    if kind == "background":
        if facts.background is None:
            return None
        return dataclasses.replace(facts, background=another(BACKGROUNDS, facts.background, rng))
    if kind == "relation":
        if not facts.relations:
            return None
        (first, relation, second), *rest = facts.relations
        return dataclasses.replace(
            facts, relations=((first, another(RELATIONS, relation, rng), second), *rest)
        )
    if kind == "count" and facts.relations:
        return None
    able = [index for index, group in enumerate(facts.groups) if _changed(group, kind, rng) is not None]
    if not able:
        return None
    chosen = int(rng.choice(able))
    groups = list(facts.groups)
    groups[chosen] = _changed(groups[chosen], kind, rng) or groups[chosen]
    return dataclasses.replace(facts, groups=tuple(groups))


def _changed(group: Group, kind: str, rng: np.random.Generator) -> Group | None:
    letter = group.shape in LETTER_SHAPES
    if kind == "color" and group.color is not None:
        return dataclasses.replace(group, color=another(COLORS, group.color, rng))
    if kind == "size" and group.size is not None:
        return dataclasses.replace(group, size=another(SIZES, group.size, rng))
    if kind == "shape" and group.shape is not None and not letter:
        return dataclasses.replace(group, shape=another(SHAPES, group.shape, rng))
    if kind == "text" and letter:
        return dataclasses.replace(group, shape=another(LETTER_SHAPES, group.shape, rng))
    if kind == "count" and not letter:
        return dataclasses.replace(group, count=group.count + (-1 if group.count > 1 else 1))
    return None
