"""Measures the oracle against scenes whose facts are known: `python -m drawbench_eval.scenes.oracle_check`.

Three questions, one table each. On plain renders, how often does it confirm every claim of a kind that
holds? On renders of a caption in which exactly one fact was changed, how often does it deny that kind of
the original caption? On degraded renders, how often is it right where it does not say unreadable, and how
often does it say so? Colours and shapes are drawn freely here, withheld combinations included.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from drawbench_eval.scenes.changes import another, change
from drawbench_eval.scenes.degrade import DEGRADATIONS, degrade
from drawbench_eval.scenes.facts import COLORS, LETTER_SHAPES, SHAPES, Facts, Group, Reading, check
from drawbench_eval.scenes.grammar import sample_facts
from drawbench_eval.scenes.layout import Scene, place
from drawbench_eval.scenes.oracle import read
from drawbench_eval.scenes.renderer import render

KINDS = ("color", "shape", "count", "relation", "text", "size", "background")
STRENGTHS = (0.5, 1.0, 1.5)

Image = NDArray[np.uint8]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Rate:
    """How many of how many."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        """The share, 0 for none of none."""
        return self.hits / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{100 * self.value:.1f} % ({self.hits}/{self.total})"


@dataclasses.dataclass(frozen=True, kw_only=True)
class _Spoil:
    name: str
    strength: float

    def __call__(self, image: Image, rng: np.random.Generator) -> Image:
        return degrade(image, self.name, self.strength, rng)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plain:
    """Renders read: claims confirmed by kind, scenes read wholly right, scenes called unreadable."""

    confirmed: dict[str, Rate]
    whole: Rate
    unreadable: Rate


def free_facts(rng: np.random.Generator) -> Facts:
    """Facts in the proportions of the training captions, colours and shapes redrawn from all there are."""
    while True:
        facts = sample_facts(rng)
        groups = tuple(_redrawn(group, rng) for group in facts.groups)
        named = [(group.shape, group.color) for group in groups]
        if len(set(named)) == len(named):
            return dataclasses.replace(facts, groups=groups)


def _redrawn(group: Group, rng: np.random.Generator) -> Group:
    shape = group.shape
    if shape is not None:
        shape = another(LETTER_SHAPES if shape in LETTER_SHAPES else SHAPES, None, rng)
    color = None if group.color is None else another(COLORS, None, rng)
    return dataclasses.replace(group, shape=shape, color=color)


def wholly_right(scene: Scene, reading: Reading) -> bool:
    """Whether every thing was read with its shape and colour near its place, and nothing else."""
    left = list(reading.things)
    for thing in scene.things:
        near = [
            seen
            for seen in left
            if seen.shape == thing.shape
            and seen.color == thing.color
            and np.hypot(seen.x - thing.x, seen.y - thing.y) < 0.08
        ]
        if not near:
            return False
        left.remove(near[0])
    return reading.unreadable is None and not left and reading.background == scene.background


def _scenes(num: int, rng: np.random.Generator) -> Iterator[tuple[Facts, Scene]]:
    while num > 0:
        facts = free_facts(rng)
        try:
            scene = place(facts, rng)
        except ValueError:  # a large thing and its partner can fail to fit
            continue
        yield facts, scene
        num -= 1


def measure_plain(
    num: int, seed: int, *, spoil: Callable[[Image, np.random.Generator], Image] | None = None
) -> Plain:
    """Reads `num` renders. With `spoil`, which changes each, rates are of what was not called unreadable."""
    rng = np.random.default_rng(seed)
    counts = {kind: [0, 0] for kind in KINDS}
    whole, unreadable = 0, 0
    for facts, scene in _scenes(num, rng):
        image = render(scene, 64)
        reading = read(image if spoil is None else spoil(image, rng))
        if reading.unreadable is not None:
            unreadable += 1
            if spoil is not None:
                continue
        whole += wholly_right(scene, reading)
        for kind, holds in check(facts, reading).items():
            if kind in counts:
                counts[kind][0] += holds
                counts[kind][1] += 1
    judged = num if spoil is None else num - unreadable
    return Plain(
        confirmed={kind: Rate(hits=hits, total=total) for kind, (hits, total) in counts.items()},
        whole=Rate(hits=whole, total=judged),
        unreadable=Rate(hits=unreadable, total=num),
    )


def measure_changed(kind: str, num: int, seed: int) -> tuple[Rate, Rate]:
    """Over `num` renders of a caption changed in one fact: this kind denied; denied and readable."""
    rng = np.random.default_rng(seed)
    caught, caught_by_sight, done = 0, 0, 0
    while done < num:
        facts = free_facts(rng)
        changed = change(facts, kind, rng)
        if changed is None:
            continue
        try:
            scene = place(changed, rng)
        except ValueError:  # a changed size or count can fail to fit
            continue
        reading = read(render(scene, 64))
        denied = not check(facts, reading)[kind]
        caught += denied
        caught_by_sight += denied and reading.unreadable is None
        done += 1
    return Rate(hits=caught, total=num), Rate(hits=caught_by_sight, total=num)


def measure_blobs(num: int, seed: int) -> Rate:
    """How many of `num` random red blobs (a smooth random field cut at a level) are named as a shape."""
    rng = np.random.default_rng(seed)
    axis = np.arange(64) - 31.5
    radius = np.hypot(axis[None, :], axis[:, None])
    named, done = 0, 0
    while done < num:
        field = ndimage.gaussian_filter(rng.normal(0, 1, (64, 64)), rng.uniform(2.0, 4.5))
        labels, count = ndimage.label(field / field.std() - radius / 8 + rng.uniform(0.8, 2.0) > 0)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)[1:]
        if count == 0 or not 60 < sizes.max() < 700:
            continue
        cover = ndimage.gaussian_filter((labels == 1 + sizes.argmax()).astype(float), 0.6)[..., None]
        picture = cover * np.array([0.8, 0.15, 0.12]) + (1 - cover) * 0.5
        reading = read(np.asarray(np.rint(picture * 255), dtype=np.uint8))
        named += reading.unreadable is None and len(reading.things) > 0
        done += 1
    return Rate(hits=named, total=num)


def report(num: int, seed: int) -> str:
    """The tables as Markdown."""
    plain = measure_plain(num, seed)
    lines = [
        f"| {num} renders | confirmed where it holds | changed caption caught | of these by sight |",
        "|---|---|---|---|",
    ]
    for kind in KINDS:
        caught, by_sight = measure_changed(kind, max(1, num // 4), seed + 1)
        lines.append(f"| {kind} | {plain.confirmed[kind]} | {caught} | {by_sight} |")
    lines += ["", f"Whole scene right: {plain.whole}; called unreadable: {plain.unreadable}.", ""]
    columns = KINDS[:6]
    lines += [
        f"| degraded by | strength | unreadable | {' | '.join(columns)} | whole scene |",
        "|---" * 10 + "|",
    ]
    for name in DEGRADATIONS:
        for strength in STRENGTHS:
            row = measure_plain(max(1, num // 8), seed + 2, spoil=_Spoil(name=name, strength=strength))
            shares = [row.unreadable, *(row.confirmed[kind] for kind in columns), row.whole]
            cells = " | ".join(f"{100 * share.value:.1f} %" for share in shares)
            lines.append(f"| {name} | {strength} | {cells} |")
    lines += ["", f"Random blobs given the name of a shape: {measure_blobs(max(1, num // 4), seed + 3)}."]
    return "\n".join(lines)


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--num", type=int, default=2000, help="renders in the first table (default 2000)")
    parser.add_argument("--seed", type=int, default=20220523)
    arguments = parser.parse_args()
    print(report(arguments.num, arguments.seed))


if __name__ == "__main__":
    main()
