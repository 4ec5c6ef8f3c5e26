"""Each metric against the guidance weight, a line per curve, with intervals."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from drawbench_eval.analysis.measures import measure
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.panels import (
    add_legend,
    all_values,
    arms,
    logarithmic,
    set_title,
    spans_much,
    values,
)
from drawbench_eval.report.style import (
    TEXT_WIDTH,
    LineStyle,
    curve_styles,
    figure_style,
    to_svg,
    unit_and_direction,
)


def weights_figure(data: ReportData) -> str:
    """SVG: each metric against the guidance weight, a line per curve, with 95 % intervals."""
    with figure_style("weights"):
        names = [name for name in (*data.alignments, data.distance) if name is not None]
        names += [name for name in data.metrics if name not in names]
        columns = min(3, len(names))
        rows = -(-len(names) // columns)
        figure = Figure(figsize=(TEXT_WIDTH, 0.35 + 2.15 * rows), layout="constrained")
        axes = np.atleast_1d(np.asarray(figure.subplots(rows, columns))).ravel()
        styles = curve_styles(data.curves)
        weights = sorted({weight for curve in data.curves for weight in curve.weights})
        for index, (ax, name) in enumerate(zip(axes, names, strict=False)):
            _weight_panel(ax, data, styles, name, weights)
            set_title(ax, index, measure(name).short)
        for ax in axes[len(names) :]:
            ax.set_visible(False)
        add_legend(figure, data.curves, styles, with_front=False)
        return to_svg(figure)


def _weight_panel(
    ax: Axes, data: ReportData, styles: dict[str, LineStyle], metric: str, weights: Sequence[float]
) -> None:
    for index, curve in enumerate(data.curves):
        style = styles[curve.name]
        value, low, high = values(curve, metric)
        # A small sideways shift keeps the intervals of different curves apart.
        at = np.array(curve.weights) * (1 + 0.012 * (index - (len(data.curves) - 1) / 2))
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
    if min(weights) > 0 and max(weights) / min(weights) > 3:
        ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(_spaced(weights)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda w, _: f"{w:g}"))
    if metric == data.distance and spans_much(all_values(data.curves, metric)):
        logarithmic(ax)
    ax.set_xlabel("guidance weight w (1 = none)")
    ax.set_ylabel("\n".join(unit_and_direction(data.metrics[metric])))


def _spaced(weights: Sequence[float]) -> list[float]:
    """Those of the weights that can be written on a logarithmic axis without touching; both ends are kept."""
    ends = [weights[0], weights[-1]]
    room = 0.15 * np.log(ends[1] / ends[0]) if ends[0] > 0 else 0.0
    kept = [weights[0]]
    for weight in weights[1:-1]:
        if ends[0] <= 0 or min(np.log(weight / kept[-1]), np.log(ends[1] / weight)) >= room:
            kept.append(weight)
    return list(dict.fromkeys([*kept, weights[-1]]))
