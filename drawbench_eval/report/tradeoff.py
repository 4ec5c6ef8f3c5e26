"""The Pareto figure: Frechet distance over alignment, a line per curve, weights annotated, the front
filled.
"""

from collections.abc import Sequence
from itertools import pairwise
from textwrap import wrap

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from drawbench_eval.report.data import ReportData
from drawbench_eval.report.labels import place_labels
from drawbench_eval.report.panels import (
    LONE_SIZE,
    MARKER_SIZE,
    Array,
    add_legend,
    all_values,
    arms,
    logarithmic,
    lone,
    set_title,
    settle,
    spans_much,
    toned,
    values,
)
from drawbench_eval.report.spots import curve_data, curve_spots
from drawbench_eval.report.style import (
    OTHER,
    TEXT_WIDTH,
    Drawn,
    LineStyle,
    axis_label,
    curve_styles,
    figure_style,
    to_svg,
)

MOST_COLUMNS = 3
_LABEL_SIZE = 6.0

# Rank (0 first), place in pixels, text, colour.
Wanted = tuple[int, Array, str, str]


def pareto_figure(data: ReportData) -> Drawn:
    """One panel per measure of alignment, Frechet distance over it, a line per curve, the front
    filled.

    Where distances span so much that the axis is logarithmic, as many panels more show the surroundings of
    the front.
    """
    distance = data.distance
    assert distance is not None
    with figure_style("pareto"):
        names, zoomed = list(data.fronts), spans_much(all_values(data.curves, distance))
        columns = min(MOST_COLUMNS, len(names))
        blocks = -(-len(names) // columns)
        rows = 2 * blocks if zoomed else blocks
        width = TEXT_WIDTH if columns > 1 else 0.72 * TEXT_WIDTH
        figure = Figure(figsize=(width, 0.35 + (2.45 if rows > 1 else 2.75) * rows), layout="constrained")
        axes = np.asarray(figure.subplots(rows, columns, sharey="row", squeeze=False))
        styles = curve_styles(data.curves, data.featured)
        cells: list[tuple[Axes, str]] = []
        for part in range(2 if zoomed else 1):
            own = axes[part * blocks : (part + 1) * blocks].ravel()
            cells += zip(own, names, strict=False)
            for ax in own[len(names) :]:
                ax.set_visible(False)
        for index, (ax, alignment) in enumerate(cells):
            _pareto_panel(ax, data, styles, alignment, distance)
            part_name = "all runs" if index < len(names) else "near the front"
            set_title(ax, index, part_name if zoomed else "", alone=len(cells) == 1)
            if index % len(names) % columns == 0:
                ax.set_ylabel("\n".join(wrap(axis_label(data.metrics[distance]), 30)))
            if zoomed:
                logarithmic(ax)
        if zoomed:
            _near_front(cells[len(names) :], data)
        add_legend(figure, data.curves, styles, standings=True)
        # Places for labels are known only once the layout is, which must not change any more.
        settle(figure)
        for ax, alignment in cells:
            _annotate_weights(ax, data, styles, alignment, distance)
        spots = [spot for ax, alignment in cells for spot in curve_spots(data, ax, alignment, distance)]
        numbers = curve_data(data.curves, [distance, *names])
        return Drawn(svg=to_svg(figure), width=width, data=numbers, spots=tuple(spots))


def _near_front(cells: Sequence[tuple[Axes, str]], data: ReportData) -> None:
    """Limits the panels to the points that may be on the front, with a margin on every side."""
    seen = []
    for ax, alignment in cells:
        near = [point for point in data.fronts[alignment].points if point.standing != "dominated"]
        a = np.array([point.y for point in near])
        room = 0.15 * float(np.ptp(a)) or 0.05 * abs(float(a[0])) or 0.1
        # A share ends at 1.
        most = 1.02 if data.metrics[alignment].unit == "share" else np.inf
        ax.set_xlim(float(a.min()) - room, min(float(a.max()) + room, most))
        seen += [point.x for point in near]
    for ax, _ in cells:
        ax.set_ylim(min(seen) / 1.2, max(seen) * 1.2)


def _pareto_panel(
    ax: Axes, data: ReportData, styles: dict[str, LineStyle], alignment: str, distance: str
) -> None:
    front = data.front_ids(alignment)
    standing = {point.run.run_id: point.standing for point in data.fronts[alignment].points}
    steps: list[tuple[float, float]] = []
    for curve in data.curves:
        style = styles[curve.name]
        a, a_low, a_high = values(curve, alignment)
        d, d_low, d_high = values(curve, distance)
        steps += [
            (float(x), float(y)) for run, x, y in zip(curve.runs, a, d, strict=True) if run.run_id in front
        ]
        if style == OTHER:
            ax.plot(a, d, lone(a), color=style.color, linewidth=0.6, markersize=LONE_SIZE, zorder=1)
            continue
        ax.errorbar(
            a,
            d,
            xerr=arms(a, a_low, a_high),
            yerr=arms(d, d_low, d_high),
            fmt="none",
            ecolor=style.color,
            elinewidth=0.6,
            alpha=0.55,
            zorder=2,
        )
        ax.plot(a, d, color=style.color, linestyle=style.line, zorder=3)
        for run, x, y in zip(curve.runs, a, d, strict=True):
            place = standing.get(run.run_id, "dominated")
            face = {"on the front": style.color, "not resolved": toned(style.color)}.get(place, "white")
            ax.plot(
                x, y, style.marker, color=style.color, markerfacecolor=face, markersize=MARKER_SIZE, zorder=4
            )
    steps.sort()
    ax.plot([x for x, _ in steps], [y for _, y in steps], color="0.75", linewidth=4, zorder=1, alpha=0.6)
    ax.margins(0.07, 0.09)
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.set_xlabel(axis_label(data.metrics[alignment]))


def _annotate_weights(
    ax: Axes, data: ReportData, styles: dict[str, LineStyle], alignment: str, distance: str
) -> None:
    """Writes the weights beside the points, ends and front first, where there is room."""
    box = ax.get_window_extent()
    front = data.front_ids(alignment)
    wanted: list[Wanted] = []
    lines = []
    for curve in data.curves:
        xy = np.stack([values(curve, alignment)[0], values(curve, distance)[0]], axis=1)
        if styles[curve.name] == OTHER:
            continue
        pixels = ax.transData.transform(xy)
        for index, (x, y) in enumerate(pixels if not curve.is_set else ()):
            # False for a point that is not known, too.
            if box.x0 <= x <= box.x1 and box.y0 <= y <= box.y1:
                end = index in (0, len(pixels) - 1)
                rank = 0 if end else 1 if curve.runs[index].run_id in front else 2
                wanted.append((rank, pixels[index], f"{curve.weights[index]:g}", styles[curve.name].color))
        lines.append(_along(pixels[~np.isnan(pixels).any(axis=1)]))
    if not wanted:
        return
    wanted.sort(key=lambda label: label[0])
    scale = ax.figure.dpi / 72
    wanted = _distinct(wanted, within=2 * scale)
    placed = place_labels(
        np.array([pixel for _, pixel, _, _ in wanted]),
        np.array([(0.62 * _LABEL_SIZE * len(text), _LABEL_SIZE) for _, _, text, _ in wanted]) * scale,
        np.concatenate(lines),
        gap=3.2 * scale,
        bounds=(box.x0, box.y0, box.x1, box.y1),
    )
    for label in placed:
        _, _, text, color = wanted[label.index]
        x, y = ax.transData.inverted().transform((label.x, label.y))
        ax.text(x, y, text, color=color, fontsize=_LABEL_SIZE, ha="center", va="center", zorder=5)


def _distinct(wanted: Sequence[Wanted], *, within: float) -> list[Wanted]:
    """Without labels that say the same of the same place, as at w = 1, where thresholding hardly matters."""
    kept: list[Wanted] = []
    for label in wanted:
        if not any(label[2] == one[2] and np.hypot(*(label[1] - one[1])) < within for one in kept):
            kept.append(label)
    return kept


def _along(pixels: Array, *, spacing: float = 2.0) -> Array:
    """Points along the polygon, at most `spacing` pixels apart; markers count several times."""
    parts = [np.repeat(pixels, 4, axis=0)]
    for start, end in pairwise(pixels):
        count = max(2, int(np.hypot(*(end - start)) / spacing))
        parts.append(start + np.linspace(0, 1, count)[:, None] * (end - start))
    return np.concatenate(parts)
