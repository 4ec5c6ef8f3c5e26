"""What a caption claims about a scene, what was seen in an image, and whether the two agree.

The words' meanings are fixed here, once, for grammar, layout and oracle alike: a thing is *small* when
its outer diameter is below 30 % of the image's side and *large* above 40 %; A is *left of* B when the
horizontal distance of their centres is the larger one and points that way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

COLORS = ("red", "orange", "yellow", "green", "cyan", "blue", "purple", "pink")
SHAPES = ("circle", "square", "triangle", "star", "cross", "ring")
LETTERS = ("A", "C", "E", "H", "L", "T", "X", "Z")
SIZES = ("small", "large")
BACKGROUNDS = ("white", "gray", "black")
RELATIONS = ("left of", "right of", "above", "below")
OPPOSITE = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}

SMALL_BELOW = 0.30
LARGE_ABOVE = 0.40

LETTER_SHAPES = tuple(f"letter {letter}" for letter in LETTERS)


@dataclass(frozen=True, kw_only=True)
class Group:
    """`count` things alike; None leaves an attribute unclaimed. `shape` is one of SHAPES or "letter A"."""

    count: int = 1
    shape: str | None = None
    color: str | None = None
    size: str | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ("shape", self.shape, SHAPES + LETTER_SHAPES),
            ("color", self.color, COLORS),
            ("size", self.size, SIZES),
        ):
            if value is not None and value not in known:
                raise ValueError(f"{name}: {value!r} is not one of {', '.join(known)}")
        if not 1 <= self.count <= 5:
            raise ValueError(f"count: {self.count} is not within 1 to 5")


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything a caption claims. `relations` name groups of one thing by their position in `groups`.

    The world is closed: a scene holds the things claimed and no others.
    """

    groups: tuple[Group, ...]
    relations: tuple[tuple[int, str, int], ...] = ()
    background: str | None = None
    absent: tuple[Group, ...] = ()

    def __post_init__(self) -> None:
        for first, relation, second in self.relations:
            if relation not in RELATIONS:
                raise ValueError(f"relation: {relation!r} is not one of {', '.join(RELATIONS)}")
            if not 0 <= min(first, second) <= max(first, second) < len(self.groups):
                raise ValueError(f"relation: ({first}, {second}) names a group that is not there")
            if self.groups[first].count != 1 or self.groups[second].count != 1:
                raise ValueError("relation: both sides must be single things")
        if self.background is not None and self.background not in BACKGROUNDS:
            raise ValueError(f"background: {self.background!r} is not one of {', '.join(BACKGROUNDS)}")

    def to_json(self) -> dict[str, Any]:
        """A JSON form that `from_json` reads back."""
        return {
            "groups": [vars(group) for group in self.groups],
            "relations": [list(relation) for relation in self.relations],
            "background": self.background,
            "absent": [vars(group) for group in self.absent],
        }

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Facts:
        """The value that `to_json` wrote. Raises ValueError for words outside the world."""
        try:
            return Facts(
                groups=tuple(Group(**group) for group in data["groups"]),
                relations=tuple((int(a), str(relation), int(b)) for a, relation, b in data["relations"]),
                background=data["background"],
                absent=tuple(Group(**group) for group in data["absent"]),
            )
        except (TypeError, KeyError) as error:
            raise ValueError(f"facts {dict(data)}: {error} does not belong there or is missing") from error


@dataclass(frozen=True, kw_only=True)
class SeenThing:
    """One thing read off an image. Positions and diameter are fractions of the side, y pointing down."""

    shape: str
    color: str
    size: str
    x: float
    y: float
    diameter: float


@dataclass(frozen=True, kw_only=True)
class Reading:
    """What the oracle read; `unreadable` gives the reason when it could not."""

    things: tuple[SeenThing, ...] = ()
    background: str | None = None
    unreadable: str | None = None


def size_word(diameter: float) -> str:
    """small, medium or large, from an outer diameter as a fraction of the side."""
    if diameter < SMALL_BELOW:
        return "small"
    return "large" if diameter > LARGE_ABOVE else "medium"


class Placed(Protocol):
    """Anything with a centre, in fractions of the side, y pointing down."""

    @property
    def x(self) -> float: ...

    @property
    def y(self) -> float: ...


def relation_between(a: Placed, b: Placed) -> str:
    """How a stands to b by their centres; the larger distance decides the axis."""
    dx, dy = a.x - b.x, a.y - b.y
    if abs(dx) >= abs(dy):
        return "left of" if dx < 0 else "right of"
    return "above" if dy < 0 else "below"


def claimed_kinds(facts: Facts) -> list[str]:
    """The kinds of fact that this caption claims, in a fixed order."""
    groups = facts.groups
    kinds = {
        "count": True,
        "color": any(group.color for group in groups),
        "shape": any(group.shape and not group.shape.startswith("letter") for group in groups),
        "text": any(group.shape and group.shape.startswith("letter") for group in groups),
        "size": any(group.size for group in groups),
        "relation": bool(facts.relations),
        "background": facts.background is not None,
        "absent": bool(facts.absent),
    }
    return [kind for kind, claimed in kinds.items() if claimed]


def check(facts: Facts, reading: Reading) -> dict[str, bool]:
    """For every kind of fact that the caption claims, whether all of its claims of that kind hold.

    Things seen are assigned to the claimed groups so that as many attributes as possible agree; each kind is
    then judged on that one assignment. An unreadable image holds nothing.
    """
    kinds = claimed_kinds(facts)
    if reading.unreadable is not None:
        return dict.fromkeys(kinds, False)
    wanted = [index for index, group in enumerate(facts.groups) for _ in range(group.count)]
    matched = _assign(facts, wanted, reading.things)
    verdicts: dict[str, bool] = {}
    for kind in kinds:
        if kind == "count":
            verdicts[kind] = len(reading.things) == len(wanted)
        elif kind == "background":
            verdicts[kind] = reading.background == facts.background
        elif kind == "absent":
            seen = ((group, thing) for group in facts.absent for thing in reading.things)
            verdicts[kind] = not any(_agrees(group, thing) for group, thing in seen)
        elif kind == "relation":
            where = dict(zip(wanted, matched, strict=True))
            verdicts[kind] = all(_related(where[a], relation, where[b]) for a, relation, b in facts.relations)
        else:
            pairs = [(facts.groups[index], thing) for index, thing in zip(wanted, matched, strict=True)]
            verdicts[kind] = all(_kind_holds(kind, group, thing) for group, thing in pairs)
    return verdicts


def _related(a: SeenThing | None, relation: str, b: SeenThing | None) -> bool:
    return a is not None and b is not None and relation_between(a, b) == relation


def _agrees(group: Group, thing: SeenThing) -> bool:
    return _score(group, thing) == sum(value is not None for value in (group.shape, group.color, group.size))


def _kind_holds(kind: str, group: Group, thing: SeenThing | None) -> bool:
    if kind == "color":
        return group.color is None or (thing is not None and thing.color == group.color)
    if kind == "size":
        return group.size is None or (thing is not None and thing.size == group.size)
    letter = group.shape is not None and group.shape.startswith("letter")
    if group.shape is None or letter != (kind == "text"):
        return True
    return thing is not None and thing.shape == group.shape


def _score(group: Group, thing: SeenThing) -> int:
    return (
        (group.shape is not None and thing.shape == group.shape)
        + (group.color is not None and thing.color == group.color)
        + (group.size is not None and thing.size == group.size)
    )


def _assign(facts: Facts, wanted: list[int], things: tuple[SeenThing, ...]) -> list[SeenThing | None]:
    """The assignment of seen things to claimed ones with the most agreeing attributes; relations break ties.

    Exhaustive: a scene holds few things.
    """
    best: tuple[float, list[SeenThing | None]] = (-1.0, [None] * len(wanted))

    def extend(position: int, chosen: list[SeenThing | None], used: frozenset[int], score: float) -> None:
        nonlocal best
        if position == len(wanted):
            where = dict(zip(wanted, chosen, strict=True))
            held = sum(_related(where[a], relation, where[b]) for a, relation, b in facts.relations)
            total = score + 0.01 * held
            if total > best[0]:
                best = (total, list(chosen))
            return
        group = facts.groups[wanted[position]]
        options = [index for index in range(len(things)) if index not in used]
        for index in options:
            thing = things[index]
            extend(position + 1, [*chosen, thing], used | {index}, score + 1 + _score(group, thing))
        if len(things) - len(used) < len(wanted) - position:
            extend(position + 1, [*chosen, None], used, score)

    if len(things) <= 8:
        extend(0, [], frozenset(), 0.0)
    return best[1]
