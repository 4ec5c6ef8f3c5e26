"""The points of a figure that answer to the pointer on the page, and the numbers behind a figure as CSV."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes

from drawbench_eval.analysis.collect import Run, interval
from drawbench_eval.analysis.curves import Curve
from drawbench_eval.analysis.measures import measure
from drawbench_eval.csv_text import csv_text
from drawbench_eval.report.blocks import Spot
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.numbers import column_decimals, fixed


def curve_spots(data: ReportData, ax: Axes, x: str | None, y: str) -> tuple[Spot, ...]:
    """A spot for every run in the panel: at metric `x` (None for the guidance weight) and metric `y`.

    The layout must be final.
    """
    places = front_places(data)
    return tuple(
        Spot(
            x=place[0],
            y=place[1],
            text=describe(curve, run, weight, places.get(run.run_id, ())),
            run_id=run.run_id,
        )
        for curve in data.curves
        for run, weight in zip(curve.runs, curve.weights, strict=True)
        if (place := place_on_page(ax, weight if x is None else _value(run, x), _value(run, y)))
    )


def place_on_page(ax: Axes, x: float, y: float) -> tuple[float, float] | None:
    """Where in its figure a value of the panel lies, from the left and from the top, in shares.

    None for an undefined one, and for one that the panel cuts off. The layout must be final.
    """
    root = ax.get_figure(root=True)
    assert root is not None
    whole, box = root.bbox, ax.get_window_extent()
    left, up = ax.transData.transform((x, y))
    # False for what is undefined, too.
    if not (box.x0 <= left <= box.x1 and box.y0 <= up <= box.y1):
        return None
    return round(float(left / whole.width), 4), round(float(1 - up / whole.height), 4)


def front_places(data: ReportData) -> dict[str, list[str]]:
    """For each run, how often it is on which front, in words."""
    places: dict[str, list[str]] = {}
    for alignment, front in data.fronts.items():
        for point in front.points:
            if point.probability >= 0:
                share = f"{100 * point.probability:.0f} % of resamplings"
                text = f"on the front by {measure(alignment).short} in {share}"
                places.setdefault(point.run.run_id, []).append(text)
    return places


def describe(curve: Curve, run: Run, weight: float, places: Sequence[str]) -> str:
    """A run in a few lines: its settings, each metric with its interval, its place on the fronts."""
    lines = [curve.point(weight)]
    for name, entry in run.metrics.items():
        if entry["value"] is not None:
            low, high = interval(entry)
            digits = column_decimals([(low, high)])
            shown = f"{fixed(low, digits)} to {fixed(high, digits)}"
            lines.append(f"{measure(name).short} {fixed(float(entry['value']), digits)} ({shown})")
    return "\n".join([*lines, *places, f"run {run.run_id}"])


def curve_data(curves: Sequence[Curve], metrics: Sequence[str]) -> str:
    """Curves as CSV, a row a run and metric: curve, guidance weight, run, metric, value, its interval."""
    rows = []
    for curve in curves:
        for run, weight in zip(curve.runs, curve.weights, strict=True):
            for name in metrics:
                entry = run.metrics.get(name)
                if entry is not None and entry["value"] is not None:
                    low, high = interval(entry)
                    rows.append((curve.name, weight, run.run_id, name, float(entry["value"]), low, high))
    columns = ["curve", "guidance_weight", "run_id", "metric", "value", "lo", "hi"]
    return as_csv(pd.DataFrame(rows, columns=columns))


def as_csv(frame: pd.DataFrame) -> str:
    """The table as CSV text, line ends as on Unix; what is undefined is empty."""
    cells = frame.astype(object).where(frame.notna(), "")
    return csv_text(map(str, cells.columns), (map(str, row) for row in cells.itertuples(index=False)))


def _value(run: Run, name: str) -> float:
    entry = run.metrics.get(name)
    return float("nan") if entry is None or entry["value"] is None else float(entry["value"])
