"""Forest plot: every value of a question with the paper's pooled interval and the clustered one."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from drawbench_eval.report.ratings_style import (
    CLUSTERED,
    POOLED,
    Entry,
    draw_interval,
    rows_from_top,
)
from drawbench_eval.report.style import GREY, TEXT_WIDTH, shortened


def forest(
    rows: Sequence[Entry],
    labels: Sequence[str],
    *,
    xlabel: str,
    in_percent: bool,
    neutral: float | None,
    shrunken: Sequence[Entry | None] | None = None,
) -> Figure:
    """A line for each of `rows` under its label: the value with the pooled and the clustered 95 % interval.

    `neutral`, in the axis's unit, is where neither side is preferred. `shrunken` holds for each row the
    category's shrunken estimate, drawn as a diamond.
    """
    scale = 100.0 if in_percent else 1.0
    figure = Figure(figsize=(0.85 * TEXT_WIDTH, 0.95 + 0.24 * len(rows)), layout="constrained")
    ax = figure.subplots()
    if neutral is not None:
        ax.axvline(neutral, color=GREY, linewidth=0.8, linestyle=(0, (3, 2)), zorder=1)
    has_shrunken = False
    for y, row in enumerate(rows):
        if row["value"] is None:
            continue
        draw_interval(ax, y - 0.13, row["ci95_pooled"], POOLED, width=3.2, scale=scale)
        draw_interval(ax, y + 0.13, row["ci95_clustered"], CLUSTERED, width=1.2, scale=scale)
        ax.plot(scale * row["value"], y, "o", color="black", markersize=3.6, zorder=4)
        lent = shrunken[y] if shrunken is not None else None
        if lent is not None:
            has_shrunken = True
            ax.plot(
                scale * lent["shrunken"],
                y,
                "D",
                color="white",
                markeredgecolor="black",
                markersize=3.4,
                markeredgewidth=0.8,
                zorder=5,
            )
    rows_from_top(ax, [shortened(label, 45) for label in labels])
    ax.set_xlabel(xlabel)
    handles = [
        Line2D([], [], color=POOLED, linewidth=3.2, label="pooled, as if independent"),
        Line2D([], [], color=CLUSTERED, linewidth=1.2, label="clustered"),
    ]
    if has_shrunken:
        handles.append(
            Line2D(
                [],
                [],
                color="white",
                marker="D",
                markeredgecolor="black",
                markersize=3.4,
                linestyle="none",
                label="shrunken",
            )
        )
    figure.legend(handles=handles, loc="outside upper right", ncols=3)
    return figure
