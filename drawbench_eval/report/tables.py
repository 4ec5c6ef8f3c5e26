"""The tables of a report: every point, and the breakdown by category; as rows of text and as CSV."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from drawbench_eval.analysis.breakdown import Breakdown
from drawbench_eval.analysis.collect import Run, as_frame, interval
from drawbench_eval.analysis.compare_words import p_in_words
from drawbench_eval.analysis.curves import Curve
from drawbench_eval.analysis.findings import decimals, rounded
from drawbench_eval.analysis.measures import measure
from drawbench_eval.analysis.paired import Effect
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
    """For each run the letters of the panels of the Pareto figure in which it is on the front: 'a b'; 'yes'
    where there is one panel.
    """
    letters: dict[str, list[str]] = {}
    names = ["yes"] if len(data.fronts) == 1 else [chr(ord("a") + index) for index in range(len(data.fronts))]
    for letter, alignment in zip(names, data.fronts, strict=True):
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
    guided = any(not curve.is_set for curve in data.curves)
    rows = []
    for order, curve in enumerate(data.curves):
        for run, weight in zip(curve.runs, curve.weights, strict=True):
            cells = [Cell(text=curve.name, key=order)]
            shown = "–" if curve.is_set else f"{weight:g}"
            cells += [Cell(text=shown, key=weight)] if guided else []
            cells += [
                _metric_cell(run, name, digits[name], is_best=data.best.get(name) == run.run_id)
                for name in names
            ]
            scored = [int(entry["n"]) for entry in run.metrics.values()]
            count = max(scored, default=0)
            less = f"min {min(scored)}" if scored and min(scored) != count else ""
            cells.append(Cell(text=str(count), detail=less, key=count))
            marks = front.get(run.run_id, "")
            cells += [Cell(text=marks, key=marks)] if data.fronts else []
            cells.append(Cell(text=run.run_id, key=run.run_id))
            rows.append(tuple(cells))
    arrows = ["↑" if data.metrics[name].higher_is_better else "↓" for name in names]
    titles = [_capital(measure(name).short) for name in names]
    first = "Thresholding" if _modes_only(data) else "Curve" if guided else "Set"
    before, after = (first, *(["w"] if guided else [])), ("n", *(["Front"] if data.fronts else []), "Run")
    units = [f"{arrow} {data.metrics[name].unit}".strip() for name, arrow in zip(names, arrows, strict=True)]
    return Table(
        columns=(*before, *titles, *after),
        notes=(*[""] * len(before), *units, *[""] * len(after)),
        rows=tuple(rows),
        grouped=guided,
    )


BEST = " *"
"""Stands beside the best value of a column, which is too good: it was picked on these same samples."""


def _metric_cell(run: Run, name: str, digits: int, *, is_best: bool) -> Cell:
    entry = run.metrics.get(name)
    if entry is None or entry["value"] is None:
        return Cell(text="–", key=-1e308)
    low, high = interval(entry)
    return Cell(
        text=fixed(float(entry["value"]), digits) + (BEST if is_best else ""),
        detail=f"{fixed(low, digits)} to {fixed(high, digits)}",
        key=float(entry["value"]),
    )


def _modes_only(data: ReportData) -> bool:
    return all(curve.mode and not curve.context for curve in data.curves)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def effect_cell(effect: Effect) -> Cell:
    """A signed estimate with its interval in small print, "undefined" or "throughout" where there is none."""
    digits = decimals(effect.value, effect.ci95)
    shown = "throughout" if effect.is_constant else "undefined"
    if effect.ci95 is not None and not effect.is_constant:
        shown = f"{fixed(effect.ci95[0], digits)} to {fixed(effect.ci95[1], digits)}"
    return Cell(text=rounded(effect.value, digits, signed=True), detail=shown, key=effect.value)


def p_cell(p: float) -> Cell:
    """'0.03', '< 0.001' or 'undefined', which sorts last."""
    return Cell(text=p_in_words(p).removeprefix("p = ").removeprefix("p "), key=p if p >= 0 else 2.0)


def points_frame(data: ReportData) -> pd.DataFrame:
    """Every planned run with its status, settings, metrics and the fronts it is on, by alignment."""
    frame = as_frame(data.runs)
    fronts = {alignment: data.front_ids(alignment) for alignment in data.fronts}
    on = [" ".join(name for name, ids in fronts.items() if run_id in ids) for run_id in frame["run_id"]]
    frame.insert(3, "front", on)
    best = [" ".join(name for name, own in data.best.items() if own == run_id) for run_id in frame["run_id"]]
    frame.insert(4, "best_of_same_samples", best)
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
