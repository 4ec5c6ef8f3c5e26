"""Stacked preference bars, overall and by category, a panel a question (the paper's Figures 3 and A.15)."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from drawbench_eval.report.ratings_style import (
    CHOICE_COLORS,
    Entry,
    rows_from_top,
)
from drawbench_eval.report.style import TEXT_WIDTH, shortened

_SHARES = ("share_a", "share_indifferent", "share_b")
_OVERALL = ("all prompts", "mean of categories")


def preference_bars(rows: Sequence[Entry], pair: Sequence[str]) -> Figure:
    """Bars of `rows`, the results of one pair with one group of raters and all prompts.

    Each bar is a category, all prompts or the mean of categories, with the shares of a, indifferent and b in
    percent. The arms are the clustered 95 % intervals of the shares of a (upper, from the left) and of b
    (lower, from the right), those of judgements as if independent where there are no clusters.
    """
    questions = list(dict.fromkeys(row["question"] for row in rows))
    labels = _labels(rows)
    height = 0.95 + 0.21 * len(labels)
    layout = ConstrainedLayoutEngine(wspace=0.06)
    figure = Figure(figsize=(min(TEXT_WIDTH, 2.1 + 2.3 * len(questions)), height), layout=layout)
    axes = figure.subplots(1, len(questions), sharey=True, squeeze=False)[0]
    for ax, question in zip(axes, questions, strict=True):
        _panel(ax, [row for row in rows if row["question"] == question], labels)
        ax.set_title(question.capitalize(), loc="left")
    sizes = {row["category"]: row["num_prompts"] for row in rows if row["category"] is not None}
    rows_from_top(axes[0], [_with_size(label, sizes.get(label)) for label in labels])
    for ax in axes:
        ax.set_ylim(len(labels) - 0.4, -0.6)
    # Between the names and the bars stand numbers, up to 100.
    axes[0].tick_params(axis="y", pad=18)
    names = [f"prefer {shortened(pair[0])}", "indifferent", f"prefer {shortened(pair[1])}"]
    handles = [Patch(color=color, label=name) for color, name in zip(CHOICE_COLORS, names, strict=True)]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    figure.supxlabel("share of judgements (%)", fontsize=7.5)
    return figure


def _labels(rows: Sequence[Entry]) -> list[str]:
    categories = sorted({row["category"] for row in rows if row["category"] is not None})
    overall = [_OVERALL[0]]
    if any(row["average"] == "macro" for row in rows):
        overall.append(_OVERALL[1])
    return [*overall, *categories]


def _with_size(label: str, num_prompts: int | None) -> str:
    return shortened(label) if num_prompts is None else f"{shortened(label)} ({num_prompts})"


def _label(row: Entry) -> str:
    if row["category"] is not None:
        return str(row["category"])
    return _OVERALL[row["average"] == "macro"]


def _panel(ax: Axes, rows: Sequence[Entry], labels: Sequence[str]) -> None:
    found = {(_label(row), row["statistic"]): row for row in rows if row["statistic"] in _SHARES}
    left = np.zeros(len(labels))
    for statistic, color in zip(_SHARES, CHOICE_COLORS, strict=True):
        shares = np.array([_share(found, label, statistic) for label in labels])
        ax.barh(range(len(labels)), shares, left=left, height=0.72, color=color, zorder=2)
        for y, share in enumerate(shares):
            _write(ax, statistic, share, y)
        left += shares
    for y, label in enumerate(labels):
        _arms(ax, y, found.get((label, "share_a")), from_right=False)
        _arms(ax, y, found.get((label, "share_b")), from_right=True)
    num_overall = sum(label in _OVERALL for label in labels)
    if len(labels) > num_overall:
        ax.axhline(num_overall - 0.5, color="black", linewidth=0.6)
    ax.axvline(50, color="white", linewidth=0.8, zorder=2.5)
    ax.set_xlim(0, 100)
    ax.grid(visible=False)
    ax.tick_params(axis="y", length=0)
    ax.spines["left"].set_visible(False)


def _share(found: dict[tuple[str, str], Entry], label: str, statistic: str) -> float:
    row = found.get((label, statistic))
    return 100 * row["value"] if row is not None and row["value"] is not None else 0.0


def _write(ax: Axes, statistic: str, share: float, y: int) -> None:
    """The number beside the bar, where no arm reaches; none for the middle."""
    if statistic == "share_indifferent":
        return
    x, side = (-1.5, "right") if statistic == "share_a" else (101.5, "left")
    ax.text(x, y, f"{share:.0f}", ha=side, va="center", fontsize=6.5)


def _arms(ax: Axes, y: float, row: Entry | None, *, from_right: bool) -> None:
    if row is None:
        return
    interval = row["ci95_clustered"] or row["ci95_pooled"]
    if interval is None:
        return
    low, high = (100 - 100 * end if from_right else 100 * end for end in interval)
    # One above the other, so that arms that meet can be told apart.
    y = y + 0.12 if from_right else y - 0.12
    ax.plot([low, high], [y, y], color="black", linewidth=0.9, zorder=3)
    for end in (low, high):
        ax.plot([end, end], [y - 0.1, y + 0.1], color="black", linewidth=0.9, zorder=3)
