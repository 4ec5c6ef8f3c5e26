"""The tables of a report: every point, and the breakdown by category; as rows of text and as CSV."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from drawbench_eval.analysis.breakdown import Breakdown
from drawbench_eval.analysis.collect import Run, as_frame, interval
from drawbench_eval.analysis.curves import Curve
from drawbench_eval.analysis.measures import measure
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.numbers import column_decimals, fixed


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A cell as it is printed, with its small print, and the key by which its column sorts."""

    text: str
    detail: str = ""
    key: float | str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Column titles, a second line for each ("" for none), and rows; `grouped` by equal first cells."""

    columns: tuple[str, ...]
    notes: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    grouped: bool = False


def front_letters(data: ReportData) -> dict[str, str]:
    """For each run the letters of the panels of the first figure in which it is on the front: 'a b'."""
    letters: dict[str, list[str]] = {}
    if data.distance is None:
        return {}
    for letter, alignment in zip("abcdef", data.alignments, strict=False):
        for run_id in sorted(data.front_ids(alignment)):
            letters.setdefault(run_id, []).append(letter)
    return {run_id: " ".join(found) for run_id, found in letters.items()}


def points_table(data: ReportData) -> Table:
    """All complete runs by curve and weight: every metric with its interval, n, and the fronts the run is
    on.
    """
    names = list(data.metrics)
    digits = {
        name: column_decimals(interval(run.metrics[name]) for run in data.complete if name in run.metrics)
        for name in names
    }
    front = front_letters(data)
    rows = []
    for order, curve in enumerate(data.curves):
        for run, weight in zip(curve.runs, curve.weights, strict=True):
            cells = [Cell(text=curve.name, key=order), Cell(text=f"{weight:g}", key=weight)]
            cells += [_metric_cell(run, name, digits[name]) for name in names]
            scored = [int(entry["n"]) for entry in run.metrics.values()]
            count = max(scored, default=0)
            less = f"min {min(scored)}" if scored and min(scored) != count else ""
            cells.append(Cell(text=str(count), detail=less, key=count))
            marks = front.get(run.run_id, "")
            cells += [Cell(text=marks, key=marks), Cell(text=run.run_id, key=run.run_id)]
            rows.append(tuple(cells))
    arrows = ["↑" if data.metrics[name].higher_is_better else "↓" for name in names]
    titles = [_capital(measure(name).short) for name in names]
    return Table(
        columns=("Thresholding" if _modes_only(data) else "Curve", "w", *titles, "n", "Front", "Run"),
        notes=(
            "",
            "",
            *(
                f"{arrow} {data.metrics[name].unit}".strip()
                for name, arrow in zip(names, arrows, strict=True)
            ),
            "",
            "",
            "",
        ),
        rows=tuple(rows),
        grouped=True,
    )


def _metric_cell(run: Run, name: str, digits: int) -> Cell:
    entry = run.metrics.get(name)
    if entry is None or entry["value"] is None:
        return Cell(text="–", key=-1e308)
    low, high = interval(entry)
    return Cell(
        text=fixed(float(entry["value"]), digits),
        detail=f"{fixed(low, digits)} to {fixed(high, digits)}",
        key=float(entry["value"]),
    )


def _modes_only(data: ReportData) -> bool:
    return all(curve.mode and not curve.context for curve in data.curves)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def breakdown_table(table: Breakdown, chosen: Sequence[tuple[Curve, Run]], first: str) -> Table:
    """A breakdown with a row per group: name, n, and the value at each setting."""
    rows = []
    for row, name in enumerate(table.groups):
        count = int(table.n[row].max())
        cells = [Cell(text=name, key=name), Cell(text=str(count), key=count)]
        cells += [
            Cell(text=fixed(float(value), 2), key=-1.0 if np.isnan(value) else float(value))
            for value in table.values[row]
        ]
        rows.append(tuple(cells))
    settings = [f"{curve.name}, w = {curve.weights[curve.runs.index(run)]:g}" for curve, run in chosen]
    return Table(columns=(first, "n", *settings), notes=("",) * (2 + len(settings)), rows=tuple(rows))


def points_frame(data: ReportData) -> pd.DataFrame:
    """Every planned run with its status, settings, metrics and the fronts it is on: what points.csv holds."""
    frame = as_frame(data.runs)
    front = front_letters(data)
    frame.insert(3, "front", [front.get(run_id, "") for run_id in frame["run_id"]])
    return frame


def breakdown_frame(table: Breakdown, chosen: Sequence[tuple[Curve, Run]], group: str) -> pd.DataFrame:
    """A breakdown in long form: group, run, curve, weight, value, n."""
    rows = []
    for (row, column), value in np.ndenumerate(table.values):
        curve, run = chosen[column]
        rows.append(
            {
                group: table.groups[row],
                "run_id": run.run_id,
                "curve": curve.name,
                "guidance_weight": curve.weights[curve.runs.index(run)],
                "value": value,
                "n": int(table.n[row, column]),
            }
        )
    return pd.DataFrame(rows)
