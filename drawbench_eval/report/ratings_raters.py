"""Rater quality: a point for each rater in each measure, those left out marked, with the limits."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drawbench_eval.report.ratings_style import Entry
from drawbench_eval.report.style import GREY, TEXT_WIDTH

# Column of rater quality -> title, scale, the rules whose limits it shows, and the axis's end.
_MEASURES: Mapping[str, tuple[str, float, tuple[str, ...], float | None]] = {
    "controls_right": ("controls right (%)", 100.0, ("min_controls_right",), 100.0),
    "agreement": ("others who agree (%)", 100.0, ("min_agreement",), 100.0),
    "same_answer_share": ("same answer (%)", 100.0, ("max_same_answer_share",), 100.0),
    "left_share": ("left chosen (%)", 100.0, ("max_one_side_share",), 100.0),
    "median_duration_s": ("median time (s)", 1.0, ("min_median_duration_s",), None),
}
KEPT, LEFT_OUT = "#0072B2", "#D55E00"


def known_measures(quality: Sequence[Entry]) -> list[str]:
    """The measures that are known of somebody."""
    return [name for name in _MEASURES if any(rater[name] is not None for rater in quality)]


def rater_quality_figure(quality: Sequence[Entry], dropped: Sequence[Entry], rules: Entry) -> Figure:
    """A panel for each of the known measures, of which there must be one; upwards the number of answers."""
    out = {entry["rater_id"] for entry in dropped}
    known = known_measures(quality)
    columns = min(3, len(known))
    lines = -(-len(known) // columns)
    figure = Figure(figsize=(TEXT_WIDTH * columns / 3, 0.5 + 1.65 * lines), layout="constrained")
    axes = figure.subplots(lines, columns, squeeze=False).ravel()
    for ax, name in zip(axes, known, strict=False):
        _panel(ax, name, quality, out, rules)
    for ax in axes[len(known) :]:
        ax.set_axis_off()
    for ax in axes[: len(known) : columns]:
        ax.set_ylabel("answers")
    figure.legend(handles=_handles(bool(out), rules), loc="outside upper right", ncols=3)
    return figure


def _panel(ax: Axes, name: str, quality: Sequence[Entry], out: set[Any], rules: Entry) -> None:
    title, scale, limits, end = _MEASURES[name]
    raters = [rater for rater in quality if rater[name] is not None]
    x = np.array([scale * rater[name] for rater in raters])
    y = np.array([rater["num_answers"] for rater in raters])
    is_out = np.array([rater["rater_id"] in out for rater in raters])
    ax.plot(x[~is_out], y[~is_out], "o", color=KEPT, markersize=3.2, alpha=0.7, markeredgewidth=0)
    ax.plot(x[is_out], y[is_out], "X", color=LEFT_OUT, markersize=4.4, markeredgewidth=0)
    for rule in limits:
        if rules[rule] is not None:
            for limit in {rules[rule], 1 - rules[rule]} if rule == "max_one_side_share" else {rules[rule]}:
                ax.axvline(scale * limit, color=GREY, linewidth=0.9, linestyle=(0, (3, 2)), zorder=1)
    ax.set_xlabel(title)
    if end is None:
        ax.set_xlim(0, max(1.0, 1.08 * float(x.max())))
    else:
        ax.set_xlim(-3, end + 3)
    ax.set_ylim(0, 1.12 * max(1, int(y.max())))


def _handles(any_out: bool, rules: Entry) -> list[Line2D]:
    handles = [Line2D([], [], color=KEPT, marker="o", linestyle="none", markersize=3.2, label="kept")]
    if any_out:
        handles.append(
            Line2D([], [], color=LEFT_OUT, marker="X", linestyle="none", markersize=4.4, label="left out")
        )
    if any(rules[rule] is not None for _, _, limits, _ in _MEASURES.values() for rule in limits):
        handles.append(Line2D([], [], color=GREY, linewidth=0.9, linestyle=(0, (3, 2)), label="limit"))
    return handles
