"""The win matrix of a ranking, with strengths and rank intervals beside the names."""

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from drawbench_eval.report.ratings_style import Entry
from drawbench_eval.report.style import LIGHT, TEXT_WIDTH, shortened

_MAP = "PuOr_r"


def win_matrix(ranking: Entry) -> Figure:
    """P(row preferred to column) in percent, by Davidson's model, models from the best on.

    Colours run from the column's side over even to the row's, by win plus half of the ties; each name has its
    strength and the ranks it may have.
    """
    models = ranking["models"]
    win = np.array(ranking["win"], dtype=float)
    leaning = win + np.array(ranking["tie"], dtype=float) / 2
    size = len(models)
    side = min(TEXT_WIDTH, 2.5 + 0.5 * size)
    figure = Figure(figsize=(side, 1.0 + 0.36 * size), layout="constrained")
    ax = figure.subplots()
    shown = np.where(np.eye(size, dtype=bool), np.nan, leaning)
    ax.set_facecolor(LIGHT)
    ax.imshow(shown, cmap=_MAP, vmin=0, vmax=1, aspect="auto")
    shades = colormaps[_MAP]
    for (i, j), value in np.ndenumerate(win):
        if i != j:
            red, green, blue, _ = shades(float(leaning[i, j]))
            color = "white" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.5 else "black"
            ax.text(j, i, f"{100 * value:.0f}", ha="center", va="center", fontsize=7, color=color)
    ax.set_yticks(range(size), [_label(model) for model in models])
    ax.set_xticks(range(size), [shortened(model["model"], 14) for model in models])
    if size > 5:
        ax.tick_params(axis="x", rotation=35)
        for label in ax.get_xticklabels():
            label.set_horizontalalignment("right")
            label.set_rotation_mode("anchor")
    ax.set_xlabel("probability that the row's model\nis preferred to the column's (%)")
    ax.grid(visible=False)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)
    return figure


def _label(model: Entry) -> str:
    low, high = model["rank_interval"]
    ranks = f"rank {low}" if low == high else f"ranks {low}–{high}"
    strength = f"{model['strength']:+.2f}".replace("-", "−")
    return f"{shortened(model['model'], 20)}\n{strength}, {ranks}"
