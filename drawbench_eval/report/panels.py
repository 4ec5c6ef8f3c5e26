"""What the curve figures share: values with intervals, the front, axes, legend and titles."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from drawbench_eval.analysis.collect import interval
from drawbench_eval.analysis.curves import Curve
from drawbench_eval.report.style import GREY, OTHER, LineStyle

Array = NDArray[np.float64]

LONE_SIZE = 4.0
MARKER_SIZE = 4.2

_LOG_FROM_RATIO = 6.0
# Inches of a legend's row.
_ROW = 0.16
_MODE_NAMES = {"none": "no thresholding", "static": "static thresholding", "dynamic": "dynamic thresholding"}


def values(curve: Curve, metric: str) -> tuple[Array, Array, Array]:
    """Value, lower and upper end of the 95 % interval at each weight: [points] each, NaN where undefined."""
    rows = []
    for run in curve.runs:
        entry = run.metrics.get(metric)
        known = entry is not None and entry["value"] is not None
        rows.append((float(entry["value"]), *interval(entry)) if known and entry else (np.nan,) * 3)
    value, low, high = np.array(rows, dtype=np.float64).reshape(-1, 3).T
    return value, low, high


def all_values(curves: Sequence[Curve], metric: str) -> Array:
    """The values of `metric` of all curves in a row."""
    return np.concatenate([values(curve, metric)[0] for curve in curves])


def arms(value: Array, low: Array, high: Array) -> Array:
    """Lengths of the interval's two arms, [2, points], 0 where it is undefined."""
    lengths: Array = np.nan_to_num(np.stack([value - low, high - value])).clip(min=0)
    return lengths


def lone(at: Array) -> str:
    """How a grey curve is drawn: a line, and a dot where it is of one point, which no line would show."""
    return "." if len(at) == 1 else "-"


def draw_curve(ax: Axes, at: Array, found: tuple[Array, Array, Array], style: LineStyle) -> None:
    """Values with their intervals (from `values`) over `at`; in the style OTHER thin and without."""
    value, low, high = found
    if style == OTHER:
        ax.plot(at, value, lone(at), color=style.color, linewidth=0.6, markersize=LONE_SIZE, zorder=1)
        return
    ax.errorbar(
        at,
        value,
        yerr=arms(value, low, high),
        color=style.color,
        linestyle=style.line,
        marker=style.marker,
        markersize=3.4,
        markerfacecolor="white",
        markeredgewidth=0.9,
        elinewidth=0.7,
    )


def settle(figure: Figure) -> None:
    """Makes the layout final: only then is it known where on the page a value lies."""
    figure.draw_without_rendering()
    figure.set_layout_engine("none")


def spans_much(distances: Array) -> bool:
    """Whether positive values differ so much that only a logarithmic axis shows them all."""
    known = distances[~np.isnan(distances)]
    return bool(len(known) and known.min() > 0 and known.max() / known.min() > _LOG_FROM_RATIO)


def logarithmic(ax: Axes) -> None:
    """Turns the y axis logarithmic, with plain numbers at 1, 2, 3 and 5."""
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(base=10, subs=(1.0, 2.0, 3.0, 5.0)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    ax.yaxis.set_minor_formatter(NullFormatter())


def add_legend(
    figure: Figure, curves: Sequence[Curve], styles: dict[str, LineStyle], *, standings: bool
) -> None:
    """One legend above all panels: the curves in colour, one entry for all others, and with `standings` what
    filled, toned and white points mean.
    """
    shown = [curve for curve in curves if styles[curve.name] != OTHER]
    handles = [_entry(styles[curve.name], _legend_name(curve)) for curve in shown]
    if len(shown) < len(curves):
        handles.append(_entry(OTHER, f"{len(curves) - len(shown)} other curves"))
    marks = [
        _entry(LineStyle(color=GREY, marker="o", line="none"), label, face=face)
        for label, face in (("on the front", GREY), ("not resolved", toned(GREY)), ("dominated", "white"))
    ]
    above_panels(figure, handles, marks if standings else [])


def above_panels(figure: Figure, *groups: Sequence[Artist]) -> None:
    """A legend above all panels, each group of entries in rows of its own."""
    groups = tuple(group for group in groups if group)
    longest = max(len(str(handle.get_label())) for group in groups for handle in group)
    columns = max(1, min(4, max(map(len, groups)), 108 // (longest + 7)))
    rows = [
        [*group[start : start + columns], *[_BLANK] * (start + columns - len(group))]
        for group in groups
        for start in range(0, len(group), columns)
    ]
    # matplotlib fills columns first.
    ordered = [row[column] for column in range(columns) for row in rows]
    figure.legend(handles=ordered, loc="outside upper center", ncols=columns)
    # The panels keep their height whatever stands above them.
    width, height = figure.get_size_inches()
    figure.set_size_inches(width, height + _ROW * (len(rows) - 1))


_BLANK = Line2D([], [], linestyle="none", label=" ")


def _entry(style: LineStyle, label: str, *, face: str = "white") -> Line2D:
    return Line2D(
        [],
        [],
        color=style.color,
        linestyle=style.line,
        marker=style.marker,
        markerfacecolor=face,
        markersize=MARKER_SIZE,
        label=label,
    )


def toned(color: str) -> str:
    """The colour mixed with white: of points whose place on the front is not resolved."""
    red, green, blue = (0.45 * part + 0.55 for part in to_rgb(color))
    return to_hex((red, green, blue))


def _legend_name(curve: Curve) -> str:
    if not curve.mode:
        return curve.name
    return curve.name.replace(curve.mode, _MODE_NAMES.get(curve.mode, curve.mode), 1)


def set_title(ax: Axes, index: int, text: str, *, alone: bool = False) -> None:
    """'(a) text', flush left; without the letter for a panel `alone`."""
    letter = "" if alone else f"({chr(ord('a') + index)})"
    ax.set_title(f"{letter} {text}".strip(), loc="left")
