"""Grids of samples: one prompt and seed, a column per guidance weight and a row per curve."""

from collections.abc import Mapping
from dataclasses import dataclass
from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from drawbench_eval.analysis.curves import Curve
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.spots import as_csv
from drawbench_eval.report.style import TEXT_WIDTH, figure_style, to_svg
from drawbench_eval.samples import Sample, SampleSet

Pixels = NDArray[np.uint8]

MAX_PROMPTS = 12
MAX_TILES = 132
MAX_TILE = 128
"""Images of a longer side are reduced to this for the grid."""

_NO_IMAGE = 232
_GAP = 0.06
# Inches for the names of rows, and for a letter of one that needs more.
_ROW_NAMES, _MOST_ROW_NAMES, _LETTER = 0.62, 1.5, 0.056
_COLUMN_NAMES = 0.18


@dataclass(frozen=True, kw_only=True)
class Grid:
    """One grid: whose sample it shows, how many of its images are there, its SVG and its width in inches.

    `data` says as CSV which run's image stands in which cell.
    """

    sample: Sample
    num_images: int
    num_cells: int
    svg: str
    width: float
    data: str


def make_grids(data: ReportData) -> tuple[Grid, ...]:
    """A grid for the first prompt of each category whose images are on disk, in order of category.

    Nothing is picked by looking: the first sample, in the order of the manifest, that the most runs kept.
    At most 12 grids, fewer where there are many runs, but at least 4.
    """
    sets = {
        run.run_id: SampleSet.read(run.folder / "samples")
        for run in data.complete
        if run.folder is not None and (run.folder / "samples" / "manifest.csv").exists()
    }
    there = {run_id: _on_disk(found) for run_id, found in sets.items()}
    count = min(MAX_PROMPTS, max(4, MAX_TILES // len(data.complete)))
    shown = [
        (sample, tiles)
        for sample in _first_of_each_category(there)[:count]
        if (tiles := _tiles(data.curves, sample, there, sets))
    ]
    return tuple(
        _grid(f"samples-{number:02d}", data.curves, sample, tiles)
        for number, (sample, tiles) in enumerate(shown, start=1)
    )


def _on_disk(found: SampleSet) -> dict[str, Sample]:
    """The samples whose images are where the set says that they lie, in its folder or elsewhere, by id."""
    if found.source is None:
        there = [one for one in found.samples if one.path and (found.folder / one.path).exists()]
    else:
        names = frozenset(found.source.names)
        there = [one for one in found.samples if one.path in names]
    return {sample.sample_id: sample for sample in there}


def _first_of_each_category(there: Mapping[str, Mapping[str, Sample]]) -> list[Sample]:
    counts: dict[str, int] = {}
    first: dict[str, Sample] = {}
    for samples in there.values():
        for sample_id, sample in samples.items():
            counts[sample_id] = counts.get(sample_id, 0) + 1
            first.setdefault(sample_id, sample)
    best: dict[str, Sample] = {}
    for sample_id, sample in first.items():
        known = best.get(sample.category)
        if known is None or counts[sample_id] > counts[known.sample_id]:
            best[sample.category] = sample
    return [best[category] for category in sorted(best)]


def _tiles(
    curves: tuple[Curve, ...],
    sample: Sample,
    there: Mapping[str, Mapping[str, Sample]],
    sets: Mapping[str, SampleSet],
) -> dict[tuple[int, int], Pixels]:
    """(row of the curve, column of the weight) -> the image of `sample` there, reduced; no blank ones."""
    weights = _weights(curves)
    tiles: dict[tuple[int, int], Pixels] = {}
    for row, curve in enumerate(curves):
        for run, weight in zip(curve.runs, curve.weights, strict=True):
            kept = there.get(run.run_id, {}).get(sample.sample_id)
            pixels = None if kept is None else sets[run.run_id].load(kept).image
            if pixels is not None:
                tiles[row, weights.index(weight)] = _reduced(pixels)
    return tiles


def _weights(curves: tuple[Curve, ...]) -> list[float]:
    return sorted({weight for curve in curves for weight in curve.weights})


def _grid(
    name: str, curves: tuple[Curve, ...], sample: Sample, tiles: Mapping[tuple[int, int], Pixels]
) -> Grid:
    weights = _weights(curves)
    side = max(max(tile.shape[:2]) for tile in tiles.values())
    drawn = sheet(tiles, rows=len(curves), columns=len(weights), side=side)
    names = _row_names(curves)
    width, height = _size(rows=len(curves), columns=len(weights), names=names)
    with figure_style(name):
        figure = Figure(figsize=(width, height))
        box = (names / width, 0.0, 1 - names / width, 1 - _COLUMN_NAMES / height)
        ax = figure.add_axes(box)
        ax.imshow(drawn, interpolation="none", aspect="auto")
        step = side * (1 + _GAP)
        ax.set_xticks(
            [(column * step) + side / 2 for column in range(len(weights))],
            [f"{weight:g}" if column else f"w = {weight:g}" for column, weight in enumerate(weights)],
        )
        ax.set_yticks(
            [(row * step) + side / 2 for row in range(len(curves))],
            [_wrapped(curve.name) for curve in curves],
        )
        ax.xaxis.tick_top()
        ax.tick_params(length=0, pad=1.5, labelsize=6.5)
        ax.grid(visible=False)
        for spine in ax.spines.values():
            spine.set_visible(False)
        cells = sum(len(curve.runs) for curve in curves)
        return Grid(
            sample=sample,
            num_images=len(tiles),
            num_cells=cells,
            svg=to_svg(figure),
            width=width,
            data=_cells(curves, sample, tiles),
        )


def _cells(curves: tuple[Curve, ...], sample: Sample, tiles: Mapping[tuple[int, int], Pixels]) -> str:
    """A row a cell, in reading order, with an empty `image` where none was kept."""
    weights = _weights(curves)
    rows = [
        (
            curve.name,
            weight,
            run.run_id,
            sample.sample_id,
            "yes" if (row, weights.index(weight)) in tiles else "",
        )
        for row, curve in enumerate(curves)
        for run, weight in zip(curve.runs, curve.weights, strict=True)
    ]
    columns = ["curve", "guidance_weight", "run_id", "sample_id", "image"]
    return as_csv(pd.DataFrame(rows, columns=columns))


def _row_names(curves: tuple[Curve, ...]) -> float:
    """Inches that the longest name of a row takes."""
    longest = max(len(curve.name) for curve in curves)
    return min(max(_ROW_NAMES, 0.1 + _LETTER * longest), _MOST_ROW_NAMES)


def _wrapped(name: str) -> str:
    """The name of a row in lines that fit into the widest column of names."""
    return "\n".join(wrap(name, int((_MOST_ROW_NAMES - 0.1) / _LETTER)))


def _size(*, rows: int, columns: int, names: float) -> tuple[float, float]:
    """Inches of a grid: half the text's width where tiles stay at least as large as in a full row of 13."""
    half = TEXT_WIDTH / 2 - 0.08
    width = half if (half - names) / columns >= 0.45 else TEXT_WIDTH
    tile = min((width - names) / columns, 0.62)
    return names + tile * columns, _COLUMN_NAMES + tile * rows


def sheet(tiles: Mapping[tuple[int, int], Pixels], *, rows: int, columns: int, side: int) -> Pixels:
    """The tiles on white, in the middle of their cells; a grey cell where there is no image."""
    gap = round(side * _GAP)
    step = side + gap
    sheet = np.full((rows * step - gap, columns * step - gap, 3), 255, dtype=np.uint8)
    for row in range(rows):
        for column in range(columns):
            top, left = row * step, column * step
            tile = tiles.get((row, column))
            if tile is None:
                sheet[top : top + side, left : left + side] = _NO_IMAGE
                continue
            down, right = (side - tile.shape[0]) // 2, (side - tile.shape[1]) // 2
            sheet[top + down :, left + right :][: tile.shape[0], : tile.shape[1]] = tile
    return sheet


def _reduced(pixels: Pixels) -> Pixels:
    image = Image.fromarray(pixels)
    if max(image.size) > MAX_TILE:
        image.thumbnail((MAX_TILE, MAX_TILE), Image.Resampling.LANCZOS)
    return np.asarray(image, dtype=np.uint8)
