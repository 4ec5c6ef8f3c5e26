"""Small samples of each run for the page: what a click on a point shows."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from drawbench_eval.analysis.collect import Run
from drawbench_eval.analysis.curves import made_elsewhere
from drawbench_eval.report.data import ReportData
from drawbench_eval.samples import MANIFEST, Sample, SampleSet

MOST_TILES = 600
"""Of all runs together: the page stays a few megabytes."""

MOST_PER_RUN = 12
SIDE = 96
_QUALITY = 80


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One sample, reduced, as a data URI; `note`: its category and its seed, where these are known."""

    prompt: str
    category: str
    note: str
    uri: str


def make_tiles(data: ReportData) -> dict[str, tuple[Tile, ...]]:
    """For each run whose images are on disk the first sample of each category, the same for all runs.

    Runs on a front come first; where there are many runs the last ones have none, and the page says so.
    """
    on_front = {run_id for alignment in data.fronts for run_id in data.front_ids(alignment)}
    ordered = sorted(data.complete, key=lambda run: run.run_id not in on_front)
    left = MOST_TILES
    found: dict[str, tuple[Tile, ...]] = {}
    for run in ordered:
        if left < MOST_PER_RUN:
            break
        tiles = _tiles_of(run)
        if tiles:
            found[run.run_id] = tiles
            left -= len(tiles)
    return found


def _tiles_of(run: Run) -> tuple[Tile, ...]:
    if run.folder is None or not (run.folder / "samples" / MANIFEST).exists():
        return ()
    samples = SampleSet.read(run.folder / "samples")
    tiles: list[Tile] = []
    for sample in _first_of_each_category(samples.samples):
        pixels = samples.load(sample).image if sample.path else None
        if pixels is None:
            continue
        image = Image.fromarray(pixels)
        image.thumbnail((SIDE, SIDE), Image.Resampling.LANCZOS)
        buffer = io.BytesIO()
        image.save(buffer, format="JPEG", quality=_QUALITY)
        uri = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode("ascii")
        parts = (sample.category, "" if made_elsewhere(run) else f"seed {sample.seed}")
        note = ", ".join(part for part in parts if part)
        tiles.append(Tile(prompt=sample.prompt, category=sample.category, note=note, uri=uri))
    return tuple(tiles)


def _first_of_each_category(samples: Sequence[Sample]) -> list[Sample]:
    first: dict[str, Sample] = {}
    for sample in samples:
        if sample.path:
            first.setdefault(sample.category, sample)
    return [first[category] for category in sorted(first)][:MOST_PER_RUN]
