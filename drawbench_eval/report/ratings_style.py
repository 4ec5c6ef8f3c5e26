"""What the figures of ratings share: the colours of choices, rendering, intervals."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drawbench_eval.report.blocks import Picture
from drawbench_eval.report.style import figure_style, to_svg

Entry = Mapping[str, Any]

# Of a, indifferent, b: blue and orange differ in lightness too, and grey recedes.
CHOICE_COLORS = ("#0072B2", "#d9d9d9", "#E69F00")
POOLED, CLUSTERED = "#9a9a9a", "#0072B2"


def render(name: str, caption: str, draw: Callable[[], Figure]) -> Picture:
    """What `draw` draws, in the house's style; the caption says in a sentence what it shows."""
    with figure_style(name):
        figure = draw()
        return Picture(
            name=name,
            svg=to_svg(figure),
            width=float(figure.get_figwidth()),
            caption=caption,
            alt=f"{caption} ratings.json has the numbers.",
        )


def draw_interval(
    ax: Axes, y: float, interval: Sequence[float] | None, color: str, *, width: float, scale: float = 1.0
) -> None:
    """A horizontal interval; nothing where it is undefined."""
    if interval is not None:
        low, high = (scale * end for end in interval)
        ax.plot([low, high], [y, y], color=color, linewidth=width, solid_capstyle="butt", zorder=3)


def rows_from_top(ax: Axes, labels: Sequence[str]) -> None:
    """A label for each row, the first at the top."""
    ax.set_yticks(np.arange(len(labels)), list(labels))
    ax.set_ylim(len(labels) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")
    ax.tick_params(axis="y", length=0)
