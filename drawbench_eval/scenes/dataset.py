"""Pictures with captions to train on: rendered once, captioned afresh every epoch, nothing withheld."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.scenes.facts import Facts, relation_between
from drawbench_eval.scenes.grammar import caption, misspell, sample_facts
from drawbench_eval.scenes.heldout import is_withheld_relation
from drawbench_eval.scenes.layout import Scene, Thing, place
from drawbench_eval.scenes.renderer import render

MISSPELT_SHARE = 0.03


def draw_scene(rng: np.random.Generator) -> tuple[Facts, Scene]:
    """Facts and a scene for them in which nothing withheld stands, not even unsaid."""
    while True:
        facts = sample_facts(rng)
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

    Item k is made from (seed, k) alone. The folder is written once and read afterwards.
    """

    def __init__(
        self,
        folder: Path,
        *,
        num: int,
        side: int = 64,
        seed: int = 0,
        palette: str = "natural",
        report: Callable[[int], None] = lambda _: None,
    ) -> None:
        key = f"{palette}-{side}-{seed}-{num}"
        pixels, facts = folder / f"scenes-{key}.npy", folder / f"scenes-{key}.jsonl"
        if not facts.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            _render_all(pixels, facts, num=num, side=side, seed=seed, palette=palette, report=report)
        self._seed = seed
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
        return [draw_scene(np.random.default_rng([self._seed, index]))[1] for index in indices]

    def captions(self, indices: Sequence[int], epoch: int) -> list[str]:
        """A wording for each, another one every epoch; a few are misspelt."""
        texts = []
        for index in indices:
            rng = np.random.default_rng([self._seed, index, epoch])
            text = caption(self._facts[index], rng)
            texts.append(misspell(text, rng) if rng.random() < MISSPELT_SHARE else text)
        return texts


def _render_all(
    pixels: Path, facts: Path, *, num: int, side: int, seed: int, palette: str, report: Callable[[int], None]
) -> None:
    """Fills both files; the facts come last and under their own name only when complete."""
    images = np.lib.format.open_memmap(pixels, mode="w+", dtype=np.uint8, shape=(num, side, side, 3))
    lines = []
    for index in range(num):
        claims, scene = draw_scene(np.random.default_rng([seed, index]))
        images[index] = render(scene, side, palette=palette)
        lines.append(json.dumps(claims.to_json()))
        report(index + 1)
    images.flush()
    partial = facts.with_suffix(".partial")
    partial.write_text("\n".join(lines) + "\n")
    partial.replace(facts)
