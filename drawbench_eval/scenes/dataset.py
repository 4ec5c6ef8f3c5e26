"""Pictures with captions to train on: rendered once, captioned afresh every epoch, nothing withheld."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.scenes.facts import Facts, relation_between
from drawbench_eval.scenes.grammar import caption, misspell, sample_facts
from drawbench_eval.scenes.heldout import is_withheld_relation
from drawbench_eval.scenes.layout import Scene, Thing, place
from drawbench_eval.scenes.renderer import render

MISSPELT_SHARE = 0.03
RENDER_CHUNK = 1000


@dataclass(frozen=True)
class Emphasis:
    """Which scenes a training sees more often than they come by themselves.

    Attributes:
        many: the chance that only facts of three or more things alike will do.
        related: the chance that only facts with a relation will do. Of the rest (1 - many - related) every
            kind comes as often as the grammar has it.

    Raises ValueError where a chance or both together leave 0 to 1.
    """

    many: float = 0.0
    related: float = 0.0

    def __post_init__(self) -> None:
        for name, chance in (("many", self.many), ("related", self.related)):
            if not 0 <= chance <= 1:
                raise ValueError(f"{name}: {chance} is not within 0 to 1")
        if self.many + self.related > 1:
            raise ValueError(f"many + related: {self.many} + {self.related} is more than 1")


def draw_scene(rng: np.random.Generator, *, emphasis: Emphasis = Emphasis()) -> tuple[Facts, Scene]:
    """Facts and a scene for them in which nothing withheld stands, not even unsaid."""
    wanted = rng.random() if emphasis != Emphasis() else 1.0
    while True:
        facts = sample_facts(rng)
        if wanted < emphasis.many:
            if max(group.count for group in facts.groups) < 3:
                continue
        elif wanted < emphasis.many + emphasis.related and not facts.relations:
            continue
        try:
            scene = place(facts, rng)
        except ValueError:
            continue
        if not shows_withheld_relation(scene.things):
            return facts, scene


def shows_withheld_relation(things: Sequence[Thing]) -> bool:
    """Whether any two things stand in a withheld relation, said or unsaid."""
    for index, a in enumerate(things):
        for b in things[index + 1 :]:
            if is_withheld_relation(a.shape, relation_between(a, b), b.shape):
                return True
    return False


class SceneData:
    """`num` rendered scenes, kept in a folder as one array and one file of facts.

    Item k is made from (seed, k, emphasis) alone, so these and num, side and palette are the data's identity.
    The folder is written once, on all cores, and read afterwards; `report` is told how many more are drawn.
    """

    def __init__(
        self,
        folder: Path,
        *,
        num: int,
        side: int = 64,
        seed: int = 0,
        palette: str = "natural",
        emphasis: Emphasis = Emphasis(),
        report: Callable[[int], None] = lambda _: None,
    ) -> None:
        chances = "".join(f"-{name}{chance}" for name, chance in asdict(emphasis).items() if chance)
        key = f"{palette}-{side}-{seed}-{num}{chances}"
        pixels, facts = folder / f"scenes-{key}.npy", folder / f"scenes-{key}.jsonl"
        if not facts.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            render_some = partial(
                _render_some, pixels, seed=seed, side=side, palette=palette, emphasis=emphasis
            )
            _render_all(pixels, facts, num=num, side=side, render_some=render_some, report=report)
        self.identity = f"scenes-{key}"
        self._seed = seed
        self._emphasis = emphasis
        self._pixels: NDArray[np.uint8] = np.load(pixels, mmap_mode="r")
        self._facts = [Facts.from_json(json.loads(line)) for line in facts.read_text().splitlines()]

    def __len__(self) -> int:
        return len(self._facts)

    def images(self, indices: Sequence[int]) -> NDArray[np.uint8]:
        """uint8 [B, side, side, 3]."""
        return np.ascontiguousarray(self._pixels[list(indices)])

    def facts(self, indices: Sequence[int]) -> list[Facts]:
        """What each picture's caption claims."""
        return [self._facts[index] for index in indices]

    def scenes(self, indices: Sequence[int]) -> list[Scene]:
        """The scenes themselves, drawn again."""
        rngs = [np.random.default_rng([self._seed, index]) for index in indices]
        return [draw_scene(rng, emphasis=self._emphasis)[1] for rng in rngs]

    def captions(self, indices: Sequence[int], epoch: int) -> list[str]:
        """A wording for each, another one every epoch; a few are misspelt."""
        texts = []
        for index in indices:
            rng = np.random.default_rng([self._seed, index, epoch])
            text = caption(self._facts[index], rng)
            texts.append(misspell(text, rng) if rng.random() < MISSPELT_SHARE else text)
        return texts


def _render_all(
    pixels: Path,
    facts: Path,
    *,
    num: int,
    side: int,
    render_some: Callable[[range], list[str]],
    report: Callable[[int], None],
) -> None:
    """Fills both files on all cores; the facts come last and under their own name only when complete."""
    images = np.lib.format.open_memmap(pixels, mode="w+", dtype=np.uint8, shape=(num, side, side, 3))
    images.flush()
    chunks = [range(start, min(start + RENDER_CHUNK, num)) for start in range(0, num, RENDER_CHUNK)]
    partial_facts = facts.with_suffix(".partial")
    with ExitStack() as stack:
        file = stack.enter_context(partial_facts.open("w"))
        if len(chunks) == 1:
            rendered: Iterable[list[str]] = map(render_some, chunks)
        else:
            rendered = stack.enter_context(_processes()).map(render_some, chunks)
        for chunk, lines in zip(chunks, rendered, strict=True):
            file.writelines(line + "\n" for line in lines)
            report(len(chunk))
    partial_facts.replace(facts)


def _processes() -> ProcessPoolExecutor:
    """One process a core, started afresh: a fork of a process with threads may hang."""
    return ProcessPoolExecutor(mp_context=get_context("spawn"))


def _render_some(
    pixels: Path, indices: range, *, seed: int, side: int, palette: str, emphasis: Emphasis
) -> list[str]:
    """Draws some items into the array; returns their facts as lines of JSON."""
    images = np.load(pixels, mmap_mode="r+")
    lines = []
    for index in indices:
        claims, scene = draw_scene(np.random.default_rng([seed, index]), emphasis=emphasis)
        images[index] = render(scene, side, palette=palette)
        lines.append(json.dumps(claims.to_json()))
    images.flush()
    return lines
