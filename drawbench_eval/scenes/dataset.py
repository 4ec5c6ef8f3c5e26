"""Pictures with captions to train on: rendered once, captioned afresh every epoch, nothing withheld."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
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


def draw_scene(rng: np.random.Generator, *, many: float = 0.0) -> tuple[Facts, Scene]:
    """Facts and a scene for them in which nothing withheld stands, not even unsaid.

    Args:
        rng: draws both.
        many: the chance that only facts of three or more things alike will do; others hold them at times too.
    """
    crowded = many > 0 and rng.random() < many
    while True:
        facts = sample_facts(rng)
        if crowded and max(group.count for group in facts.groups) < 3:
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

    Item k is made from (seed, k, many) alone; `many` as in `draw_scene`. The folder is written once, on all
    cores, and read afterwards; `report` is told how many more are drawn.
    """

    def __init__(
        self,
        folder: Path,
        *,
        num: int,
        side: int = 64,
        seed: int = 0,
        palette: str = "natural",
        many: float = 0.0,
        report: Callable[[int], None] = lambda _: None,
    ) -> None:
        key = f"{palette}-{side}-{seed}-{num}" + (f"-many{many}" if many else "")
        pixels, facts = folder / f"scenes-{key}.npy", folder / f"scenes-{key}.jsonl"
        if not facts.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            render_some = partial(_render_some, pixels, seed=seed, side=side, palette=palette, many=many)
            _render_all(pixels, facts, num=num, side=side, render_some=render_some, report=report)
        self._seed = seed
        self._many = many
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
        return [draw_scene(rng, many=self._many)[1] for rng in rngs]

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
    pixels: Path, indices: range, *, seed: int, side: int, palette: str, many: float
) -> list[str]:
    """Draws some items into the array; returns their facts as lines of JSON."""
    images = np.load(pixels, mmap_mode="r+")
    lines = []
    for index in indices:
        claims, scene = draw_scene(np.random.default_rng([seed, index]), many=many)
        images[index] = render(scene, side, palette=palette)
        lines.append(json.dumps(claims.to_json()))
    images.flush()
    return lines
