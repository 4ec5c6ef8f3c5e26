"""The pictures of a comparison: values with intervals, and images of the same prompts side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from drawbench_eval.analysis.collect import interval
from drawbench_eval.analysis.leaderboard import Leaderboard
from drawbench_eval.analysis.measures import measure
from drawbench_eval.report.grids import Pixels, sheet
from drawbench_eval.report.panels import set_title
from drawbench_eval.report.style import TEXT_WIDTH, figure_style, to_svg
from drawbench_eval.samples import MANIFEST, Sample, SampleSet

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = "os^Dv<>"
_TILE = 112
_GAP = 0.06
_LETTER = 0.056


@dataclass(frozen=True)
class Images:
    """The images of every set of a comparison, where they still are; `prompts`: id -> text."""

    board: Leaderboard

    @cached_property
    def sets(self) -> Mapping[str, SampleSet]:
        folders = {
            one.name: one.run.folder / "samples"
            for one in self.board.field.contestants
            if one.run.folder is not None
        }
        return {
            name: SampleSet.read(folder) for name, folder in folders.items() if (folder / MANIFEST).exists()
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


def values_figure(board: Leaderboard) -> str:
    """SVG: a panel a metric, a row a set, values with their own 95 % intervals."""
    names = list(board.field.metrics)
    columns = 2 if len(names) == 4 else min(3, len(names))
    rows = -(-len(names) // columns)
    with figure_style("values"):
        height = rows * (0.75 + 0.17 * len(board.order))
        figure = Figure(figsize=(TEXT_WIDTH, height), layout="constrained")
        axes = np.atleast_1d(np.asarray(figure.subplots(rows, columns, sharey=True))).ravel()
        for index, (ax, name) in enumerate(zip(axes, names, strict=False)):
            for row, set_name in enumerate(board.order):
                entry = board.contestant(set_name).entry(name)
                if entry["value"] is None:
                    continue
                value, (low, high) = float(entry["value"]), interval(entry)
                arms = np.nan_to_num([[value - low], [high - value]]).clip(min=0)
                colour, marker = _COLOURS[row % len(_COLOURS)], _MARKERS[row % len(_MARKERS)]
                ax.errorbar(
                    [value], [row], xerr=arms, color=colour, marker=marker, markersize=4.2, elinewidth=1
                )
            info = board.field.metrics[name]
            ax.set_yticks(range(len(board.order)), board.order)
            ax.set_ylim(len(board.order) - 0.5, -0.5)
            ax.locator_params(axis="x", nbins=4)
            ax.set_xlabel("higher is better →" if info.higher_is_better else "← lower is better")
            set_title(ax, index, measure(name).short)
        for ax in axes[len(names) :]:
            ax.set_visible(False)
        return to_svg(figure)


def chosen_prompts(board: Leaderboard, count: int) -> tuple[str, ...]:
    """The first prompt of each category by id, or without categories prompts evenly spaced in order of id.

    Nothing is picked by looking.
    """
    ids = sorted(board.field.categories)
    first: dict[str, str] = {}
    for prompt_id in ids:
        first.setdefault(board.field.categories[prompt_id], prompt_id)
    if len(first) > 1:
        return tuple(first[category] for category in sorted(first))[:count]
    steps = np.linspace(0, len(ids) - 1, min(count, len(ids)))
    return tuple(ids[round(float(step))] for step in steps)


def rows_picture(
    name: str, images: Images, chosen: Sequence[tuple[str, Sequence[Sample]]], *, width: float
) -> tuple[str, float] | None:
    """SVG and width in inches of rows of images, a row a set with its name; None where no image is there."""
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
    names = 0.1 + _LETTER * max(len(set_name) for set_name, _ in chosen)
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
        ax.set_yticks([row * step + side / 2 for row in range(len(chosen))], [one for one, _ in chosen])
        ax.tick_params(length=0, pad=2, labelsize=6.5)
        ax.grid(visible=False)
        for spine in ax.spines.values():
            spine.set_visible(False)
        return to_svg(figure), across
