"""Facts -> a scene: where each thing stands, and everything that a caption leaves open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drawbench_eval.scenes.facts import BACKGROUNDS, COLORS, SHAPES, Facts, Group
from drawbench_eval.scenes.heldout import is_withheld_pair

GAP = 0.05
MARGIN = 0.05
# Outer radius, as a fraction of the side, that each size word is drawn from.
RADII = {
    "small": (0.105, 0.135),
    "medium": (0.162, 0.19),
    "large": (0.225, 0.27),
    "letter": (0.26, 0.34),
    "letter of two": (0.185, 0.21),
}


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One thing to draw; x, y, radius are fractions of the side, y pointing down."""

    shape: str
    color: str
    x: float
    y: float
    radius: float


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A picture before it has pixels. `seed` fixes lighting and texture."""

    things: tuple[Thing, ...]
    background: str
    seed: int


def place(facts: Facts, rng: np.random.Generator) -> Scene:
    """A scene in which every claim of `facts` holds and which holds nothing else.

    Raises ValueError when the claims cannot be laid out together.
    """
    groups = [_complete(group, facts, rng) for group in facts.groups]
    background = facts.background or str(rng.choice(BACKGROUNDS))
    for _ in range(400):
        things = _try(groups, facts, rng)
        if things is not None:
            return Scene(things=things, background=background, seed=int(rng.integers(2**31)))
    raise ValueError(f"these facts do not fit into one picture: {facts.to_json()}")


def _complete(group: Group, facts: Facts, rng: np.random.Generator) -> Group:
    """The group with its open attributes drawn, away from what must be absent or is withheld."""
    for _ in range(200):
        shape = group.shape or str(rng.choice(SHAPES))
        color = group.color or str(rng.choice(COLORS))
        drawn = Group(count=group.count, shape=shape, color=color, size=group.size)
        free = group.shape is None or group.color is None
        if free and is_withheld_pair(color, shape):
            continue
        if not any(_covered(absent, drawn) for absent in facts.absent):
            return drawn
    raise ValueError(f"these facts contradict each other: {facts.to_json()}")


def _covered(absent: Group, group: Group) -> bool:
    return (absent.shape in (None, group.shape)) and (absent.color in (None, group.color))


def _try(groups: list[Group], facts: Facts, rng: np.random.Generator) -> tuple[Thing, ...] | None:
    total = sum(group.count for group in groups)
    things: list[Thing] = []
    for group in groups:
        size = group.size or _open_size(group, total, any(g.size == "large" for g in groups), rng)
        for _ in range(group.count):
            thing = _drop(group, size, things, rng)
            if thing is None:
                return None
            things.append(thing)
    singles = _first_of_each(groups)
    for a, relation, b in facts.relations:
        if not _clearly(things[singles[a]], relation, things[singles[b]]):
            return None
    return tuple(things)


def _open_size(group: Group, total: int, beside_large: bool, rng: np.random.Generator) -> str:
    """A size where the caption names none: what leaves room for the others; letters need more to be read."""
    if group.shape is not None and group.shape.startswith("letter"):
        return "letter" if total == 1 else "letter of two"
    if beside_large:
        return "small"
    if total == 1:
        return str(rng.choice(["medium", "large"], p=[0.6, 0.4]))
    return "medium" if total == 2 or (total == 3 and rng.random() < 0.3) else "small"


def _drop(group: Group, size: str, others: list[Thing], rng: np.random.Generator) -> Thing | None:
    for _ in range(30):
        radius = rng.uniform(*RADII[size])
        low, high = radius + MARGIN, 1 - radius - MARGIN
        x, y = rng.uniform(low, high), rng.uniform(low, high)
        apart = all(np.hypot(x - o.x, y - o.y) > radius + o.radius + GAP for o in others)
        if apart:
            return Thing(shape=group.shape or "", color=group.color or "", x=x, y=y, radius=radius)
    return None


def _first_of_each(groups: list[Group]) -> list[int]:
    starts, position = [], 0
    for group in groups:
        starts.append(position)
        position += group.count
    return starts


def _clearly(a: Thing, relation: str, b: Thing) -> bool:
    """Whether the relation holds with room to spare: the other axis differs by at most half as much."""
    dx, dy = a.x - b.x, a.y - b.y
    along, across = (dx, dy) if relation in ("left of", "right of") else (dy, dx)
    wanted = along < 0 if relation in ("left of", "above") else along > 0
    return bool(wanted and abs(across) < 0.5 * abs(along))
