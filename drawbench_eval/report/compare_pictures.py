"""The picture of a comparison's values with their intervals."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from drawbench_eval.analysis.collect import interval
from drawbench_eval.analysis.leaderboard import Leaderboard
from drawbench_eval.analysis.measures import measure
from drawbench_eval.report.panels import set_title
from drawbench_eval.report.style import TEXT_WIDTH, figure_style, to_svg

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
_MARKERS = "os^Dv<>"


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
