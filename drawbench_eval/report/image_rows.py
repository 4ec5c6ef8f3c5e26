"""Images of the same prompts side by side: a row a set, the first images that it has of the prompt."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from drawbench_eval.report.blocks import Gallery, Picture
from drawbench_eval.report.grids import Pixels, sheet
from drawbench_eval.report.spots import as_csv
from drawbench_eval.report.style import TEXT_WIDTH, Drawn, figure_style, in_lines, to_svg
from drawbench_eval.samples import MANIFEST, Sample, SampleSet

_TILE = 112
_GAP = 0.06
_LETTER = 0.056
# Letters of a line of a set's name: what is left of half the text's width holds the images.
_NAME = 22
_HALF = TEXT_WIDTH / 2 - 0.08
# So many images of a prompt fit into half the text's width.
_NARROW = 4


@dataclass(frozen=True)
class Images:
    """The images of sets, where they still are. folders: name -> its samples. `prompts`: id -> text."""

    folders: Mapping[str, Path]

    @cached_property
    def sets(self) -> Mapping[str, SampleSet]:
        return {
            name: SampleSet.read(folder)
            for name, folder in self.folders.items()
            if (folder / MANIFEST).exists()
        }

    @cached_property
    def prompts(self) -> dict[str, str]:
        return {sample.prompt_id: sample.prompt for found in self.sets.values() for sample in found.samples}

    @cached_property
    def of_prompt(self) -> Mapping[tuple[str, str], list[Sample]]:
        found: dict[tuple[str, str], list[Sample]] = {}
        for name, samples in self.sets.items():
            for sample in samples.samples:
                found.setdefault((name, sample.prompt_id), []).append(sample)
        return found

    def tile(self, name: str, sample: Sample) -> Pixels | None:
        """One image, reduced; None where it is not there."""
        pixels = self.sets[name].load(sample).image
        if pixels is None:
            return None
        image = Image.fromarray(pixels)
        if max(image.size) > _TILE:
            image.thumbnail((_TILE, _TILE), Image.Resampling.LANCZOS)
        return np.asarray(image, dtype=np.uint8)


def chosen_prompts(categories: Mapping[str, str], count: int) -> tuple[str, ...]:
    """The first prompt of each category by id, or without categories prompts evenly spaced in order of id.

    `categories`: prompt id -> category. Nothing is picked by looking.
    """
    ids = sorted(categories)
    first: dict[str, str] = {}
    for prompt_id in ids:
        first.setdefault(categories[prompt_id], prompt_id)
    if len(first) > 1:
        return tuple(first[category] for category in sorted(first))[:count]
    steps = np.linspace(0, len(ids) - 1, min(count, len(ids)))
    return tuple(ids[round(float(step))] for step in steps)


def rows_picture(
    name: str, images: Images, chosen: Sequence[tuple[str, Sequence[Sample]]], *, width: float
) -> Drawn | None:
    """Rows of images, a row a set with its name; None where no image is there."""
    columns = max((len(samples) for _, samples in chosen), default=0)
    tiles = {
        (row, column): tile
        for row, (set_name, samples) in enumerate(chosen)
        for column, sample in enumerate(samples)
        if (tile := images.tile(set_name, sample)) is not None
    }
    if not tiles:
        return None
    side = max(max(tile.shape[:2]) for tile in tiles.values())
    labels = [in_lines(set_name, _NAME) for set_name, _ in chosen]
    names = 0.1 + _LETTER * max(len(line) for label in labels for line in label.splitlines())
    tile_inches = min((width - names) / columns, 0.8)
    across, down = names + tile_inches * columns, tile_inches * len(chosen)
    with figure_style(name):
        figure = Figure(figsize=(across, down))
        ax = figure.add_axes((names / across, 0.0, 1 - names / across, 1.0))
        ax.imshow(
            sheet(tiles, rows=len(chosen), columns=columns, side=side), interpolation="none", aspect="auto"
        )
        step = side * (1 + _GAP)
        ax.set_xticks([])
        ax.set_yticks([row * step + side / 2 for row in range(len(chosen))], labels)
        ax.tick_params(length=0, pad=2, labelsize=6.5)
        ax.grid(visible=False)
        for spine in ax.spines.values():
            spine.set_visible(False)
        return Drawn(svg=to_svg(figure), width=across, data=_listed(chosen, tiles))


def _listed(chosen: Sequence[tuple[str, Sequence[Sample]]], tiles: Mapping[tuple[int, int], Pixels]) -> str:
    """As CSV, a row an image from left to right and top to bottom, whose it is; `image` is empty for none."""
    rows = [
        (name, sample.prompt_id, sample.sample_id, sample.path, "yes" if (row, column) in tiles else "")
        for row, (name, samples) in enumerate(chosen)
        for column, sample in enumerate(samples)
    ]
    return as_csv(pd.DataFrame(rows, columns=["set", "prompt_id", "sample_id", "path", "image"]))


def rows_gallery(
    prefix: str,
    images: Images,
    categories: Mapping[str, str],
    *,
    what: str,
    num_prompts: int,
    num_images: int,
) -> Gallery | None:
    """Pictures `prefix`-01, ... of the chosen prompts, a row for `what` in the order of `images.folders`.

    `categories`: prompt id -> category. None where no image is there.
    """
    found: list[tuple[Picture, str, str]] = []
    groups = []
    for index, prompt_id in enumerate(chosen_prompts(categories, num_prompts), start=1):
        chosen = [
            (name, images.of_prompt.get((name, prompt_id), [])[:num_images])
            for name in images.folders
            if name in images.sets
        ]
        wide = max((len(samples) for _, samples in chosen), default=0) > _NARROW
        name = f"{prefix}-{index:02d}"
        drawn = rows_picture(name, images, chosen, width=TEXT_WIDTH if wide else _HALF)
        if drawn is None:
            continue
        text, category = images.prompts.get(prompt_id, ""), categories[prompt_id]
        note = f"{category}, prompt {prompt_id}" if category else f"prompt {prompt_id}"
        alt = f"Images of every {what} for the prompt: {text}"
        picture = Picture(name=name, svg=drawn.svg, width=drawn.width, caption="", alt=alt, data=drawn.data)
        found.append((picture, text or prompt_id, note))
        groups.append(category)
    caption = (
        f"Images of the same prompts: a row a {what}, the first images of each. Prompts are the first of "
        "each category, or evenly spaced in order of their ids: not a choice by eye."
    )
    return Gallery(caption=caption, pictures=tuple(found), groups=tuple(groups)) if found else None
