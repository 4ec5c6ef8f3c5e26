"""Each metric against the guidance weight, a line per curve, with intervals."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from drawbench_eval.analysis.curves import WEIGHT, weight_name
from drawbench_eval.analysis.measures import measure
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.panels import (
    add_legend,
    all_values,
    draw_curve,
    logarithmic,
    set_title,
    settle,
    spans_much,
    values,
)
from drawbench_eval.report.spots import curve_data, curve_spots
from drawbench_eval.report.style import (
    TEXT_WIDTH,
    Drawn,
    LineStyle,
    curve_styles,
    figure_style,
    to_svg,
    unit_and_direction,
)

NOT_GUIDED = "none"


def guided_kinds(data: ReportData) -> tuple[str, ...]:
    """The kinds of guidance of which some curve has two weights; each has a figure of its own."""
    kinds = dict.fromkeys(curve.guidance_kind for curve in data.curves if len(curve.weights) > 1)
    return tuple(kind for kind in kinds if kind != NOT_GUIDED)


def weights_figure(data: ReportData, kind: str) -> Drawn:
    """Each metric against the guidance weight, a line per curve of this kind of guidance, with 95 %
    intervals.
    """
    curves = [curve for curve in data.curves if curve.guidance_kind == kind]
    own = replace(data, curves=tuple(curves))
    with figure_style(f"weights-{kind}"):
        names = data.metrics_in_order
        columns = min(3, len(names))
        rows = -(-len(names) // columns)
        figure = Figure(figsize=(TEXT_WIDTH, 0.35 + 2.15 * rows), layout="constrained")
        axes = np.atleast_1d(np.asarray(figure.subplots(rows, columns))).ravel()
        styles = curve_styles(curves, data.featured)
        weights = sorted({weight for curve in curves for weight in curve.weights})
        for index, (ax, name) in enumerate(zip(axes, names, strict=False)):
            _weight_panel(ax, own, styles, name, weights)
            set_title(ax, index, measure(name).short)
        for ax in axes[len(names) :]:
            ax.set_visible(False)
        add_legend(figure, curves, styles, standings=False)
        settle(figure)
        spots = [
            spot for ax, name in zip(axes, names, strict=False) for spot in curve_spots(own, ax, None, name)
        ]
        return Drawn(svg=to_svg(figure), width=TEXT_WIDTH, data=curve_data(curves, names), spots=tuple(spots))


def _weight_panel(
    ax: Axes, data: ReportData, styles: dict[str, LineStyle], metric: str, weights: Sequence[float]
) -> None:
    for index, curve in enumerate(data.curves):
        # A small sideways shift keeps the intervals of different curves apart.
        at = np.array(curve.weights) * (1 + 0.012 * (index - (len(data.curves) - 1) / 2))
        draw_curve(ax, at, values(curve, metric), styles[curve.name])
    if min(weights) > 0 and max(weights) / min(weights) > 3:
        ax.set_xscale("log")
    ax.xaxis.set_major_locator(FixedLocator(_spaced(weights)))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(FuncFormatter(lambda w, _: f"{w:g}"))
    if metric == data.distance and spans_much(all_values(data.curves, metric)):
        logarithmic(ax)
    kind, key = data.curves[0].guidance_kind, data.curves[0].weight_key
    said = f"{weight_name(key)} w" + (" (1 = none)" if key == WEIGHT else "")
    ax.set_xlabel(said if kind == "cfg" else f"guidance scale ({kind})")
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
