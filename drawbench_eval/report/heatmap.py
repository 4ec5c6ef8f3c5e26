"""Heat maps with their numbers: accuracy by category and by kind of fact, at a few settings of each curve."""

from collections.abc import Sequence
from itertools import groupby
from textwrap import wrap

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drawbench_eval.analysis.breakdown import Breakdown, by_category, by_kind, telling_runs
from drawbench_eval.analysis.collect import Run
from drawbench_eval.analysis.curves import Curve
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.style import TEXT_WIDTH, figure_style, in_lines, to_svg

_MAP = "cividis"
_MAX_WEIGHTS = 5
_MAX_COLUMNS = 18
_NAMES_WIDTH = 1.9
# Of the heading over a curve's columns.
_MOST_LINES = 4


def primary_alignment(data: ReportData) -> str | None:
    """The measure that the breakdowns show: the oracle's accuracy where there is one, as it needs no
    scorer.
    """
    for name in ("scenes_accuracy", *data.alignments):
        if name in data.alignments:
            return name
    return None


def chosen_settings(data: ReportData) -> tuple[tuple[Curve, Run], ...]:
    """The runs that breakdowns show: every curve at the same few weights, those that tell the dynamic
    curve's story.

    Those are both ends, the best alignment and the smallest distance, then the same of the other curves,
    up to five.
    """
    metric = primary_alignment(data)
    if metric is None:
        return ()
    scored = [curve for curve in (curve.with_metrics([metric]) for curve in data.curves) if curve.runs]
    weights: list[float] = []
    # Modes come in the order none, static, dynamic: the last one leads.
    for curve in reversed(scored):
        telling = (curve.weights[curve.runs.index(run)] for run in telling_runs(curve, metric, data.distance))
        weights += [weight for weight in telling if weight not in weights]
    kept = weights[:_MAX_WEIGHTS]
    pairs = [(curve, curve.at(weight)) for curve in scored for weight in curve.weights if weight in kept]
    return tuple(pairs[:_MAX_COLUMNS])


def category_breakdown(data: ReportData) -> Breakdown | None:
    """The primary alignment by category at the chosen settings; None without one."""
    metric, chosen = primary_alignment(data), chosen_settings(data)
    if metric is None or not chosen:
        return None
    return by_category(data.scores, [run.run_id for _, run in chosen], metric)


def kind_breakdown(data: ReportData) -> Breakdown | None:
    """Accuracy by kind of fact at the chosen settings; None where the runs have no such columns."""
    metric, chosen = primary_alignment(data), chosen_settings(data)
    if metric is None or not chosen:
        return None
    table = by_kind(data.scores, [run.run_id for _, run in chosen], metric)
    return table if table.groups else None


def heatmap_figure(name: str, table: Breakdown, chosen: Sequence[tuple[Curve, Run]]) -> str:
    """SVG of `table`: a row per group with its n, a column per setting, the value in every cell."""
    with figure_style(name):
        rows, columns = table.values.shape
        width = heatmap_width(columns)
        lines = max(len(_heading(curve, count, columns)) for curve, count in _groups(chosen))
        figure = Figure(figsize=(width, 0.65 + 0.1 * lines + 0.2 * rows), layout="constrained")
        ax = figure.subplots()
        low = min(0.0, float(np.nanmin(table.values))) if not np.isnan(table.values).all() else 0.0
        high = 1.0 if float(np.nanmax(table.values, initial=0.0)) > 0.5 else None
        shown = ax.imshow(table.values, cmap=_MAP, aspect="auto", vmin=low, vmax=high)
        _write_cells(ax, table, shown.norm)
        _label_rows(ax, table)
        _label_columns(ax, chosen)
        ax.grid(visible=False)
        ax.tick_params(length=0)
        for spine in ax.spines.values():
            spine.set_visible(False)
        return to_svg(figure)


def heatmap_width(columns: int) -> float:
    """Inches of a heat map with so many columns."""
    return min(TEXT_WIDTH, _NAMES_WIDTH + _column_width(columns) * columns)


def _column_width(columns: int) -> float:
    return 0.4 if columns > 6 else 0.8


def _write_cells(ax: Axes, table: Breakdown, norm: object) -> None:
    shades = colormaps[_MAP]
    for (row, column), value in np.ndenumerate(table.values):
        if np.isnan(value):
            ax.text(column, row, "–", ha="center", va="center", fontsize=7, color="0.4")
            continue
        red, green, blue, _ = shades(norm(value))  # type: ignore[operator]
        dark = 0.299 * red + 0.587 * green + 0.114 * blue < 0.5
        text = f"{value:.2f}"
        ax.text(column, row, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")


def _label_rows(ax: Axes, table: Breakdown) -> None:
    counts = table.n.max(axis=1)
    names = [f"{name}  (n = {count})" for name, count in zip(table.groups, counts, strict=True)]
    ax.set_yticks(range(len(names)), names)
    if table.groups[-1] == "all":
        ax.axhline(len(names) - 1.5, color="white", linewidth=2.5)


def _label_columns(ax: Axes, chosen: Sequence[tuple[Curve, Run]]) -> None:
    ax.xaxis.tick_top()
    weights = ["" if curve.is_set else f"{curve.weights[curve.runs.index(run)]:g}" for curve, run in chosen]
    ax.set_xticks(range(len(chosen)), weights)
    ax.set_xlim(-0.5, len(chosen) - 0.5)
    start = 0
    for curve, count in _groups(chosen):
        middle = start + (count - 1) / 2
        ax.annotate(
            "\n".join(_heading(curve, count, len(chosen))),
            (middle, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4 if curve.is_set else 15),
            textcoords="offset points",
            ha="center",
            fontsize=7,
            annotation_clip=False,
        )
        if start:
            ax.axvline(start - 0.5, color="white", linewidth=4)
        start += count


def _groups(chosen: Sequence[tuple[Curve, Run]]) -> list[tuple[Curve, int]]:
    """The curves side by side, and how many columns each has."""
    groups = [list(group) for _, group in groupby(chosen, key=lambda one: one[0].name)]
    return [(group[0][0], len(group)) for group in groups]


def _heading(curve: Curve, count: int, columns: int) -> list[str]:
    """The heading of `count` of the columns, in lines that fit above them."""
    room = max(8, int(17 * _column_width(columns) * count))
    name = in_lines(curve.name, room, _MOST_LINES)
    return name.splitlines() if curve.is_set else wrap(f"{' '.join(name.splitlines())}, w =", room)
