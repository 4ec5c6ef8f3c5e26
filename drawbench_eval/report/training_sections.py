"""How a training went: each metric against the images and the operations behind its checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drawbench_eval.analysis.collect import interval
from drawbench_eval.analysis.measures import measure
from drawbench_eval.analysis.training import MEASURES, TrainingSeries, training_series
from drawbench_eval.report.blocks import Block, Paragraph, Picture, Section, Spot
from drawbench_eval.report.data import MOST_FEATURED, ReportData
from drawbench_eval.report.numbers import column_decimals, fixed
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
from drawbench_eval.report.spots import as_csv, place_on_page
from drawbench_eval.report.style import (
    TEXT_WIDTH,
    Drawn,
    LineStyle,
    curve_styles,
    figure_style,
    to_svg,
    unit_and_direction,
)

_CAPTION = (
    "Each metric against the training that a checkpoint has behind it, with 95 % intervals clustered by "
    "prompt. All checkpoints are sampled from the same seeds: differences within a series are known better "
    "than the intervals suggest. "
)
_ESTIMATED = (
    "Operations are estimated: three times those of the network's forward pass for every training image, the "
    "frozen text encoder's not counted. "
)
_CLOCK = "The time is that of the machine that trained, with what else it did. "
_AXES = {"images": "training images", "flops": "training operations", "seconds": "training time"}
_SCALES = ((1e18, "EFLOP"), (1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"), (1.0, "FLOP"))
_COUNTS = ((1e6, "millions"), (1e3, "thousands"), (1.0, ""))
_TIMES = ((3600.0, "hours"), (60.0, "minutes"), (1.0, "seconds"))
_UNITS = {"images": _COUNTS, "flops": _SCALES, "seconds": _TIMES}


def training_section(data: ReportData) -> Section:
    """The figure and its ends in words; empty where no two runs are of one training."""
    series = training_series(data.complete)
    if not series or not data.metrics:
        return Section(title="Training", blocks=())
    drawn, names = training_figure(data, series), data.metrics_in_order
    known = _axes(series)
    blocks: list[Block] = [Paragraph(text=_ends(data, one, names[0])) for one in series[:MOST_FEATURED]]
    blocks.append(
        Picture(
            name="training",
            svg=drawn.svg,
            width=drawn.width,
            caption=_CAPTION
            + (_ESTIMATED if "flops" in known else "")
            + (_CLOCK if "seconds" in known else "")
            + "figures/training.csv has steps too.",
            alt="Each metric against what training took; figures/training.csv has the numbers.",
            data=drawn.data,
            spots=drawn.spots,
        )
    )
    return Section(title="Training", blocks=tuple(blocks))


def training_figure(data: ReportData, series: Sequence[TrainingSeries]) -> Drawn:
    """A row for each metric, a column for each measure of training, a line for each series."""
    names, columns = data.metrics_in_order, _axes(series)
    curves = [one.curve for one in series]
    styles = curve_styles(curves, [curve.name for curve in curves[:MOST_FEATURED]])
    with figure_style("training"):
        figure = Figure(figsize=(TEXT_WIDTH, 0.35 + 2.0 * len(names)), layout="constrained")
        axes = np.asarray(figure.subplots(len(names), len(columns), squeeze=False))
        for (row, column), ax in np.ndenumerate(axes):
            _panel(ax, data, series, styles, names[row], columns[column])
            set_title(ax, row * len(columns) + column, measure(names[row]).short)
            ax.set_ylabel("\n".join(unit_and_direction(data.metrics[names[row]])) if column == 0 else "")
        add_legend(figure, curves, styles, standings=False)
        settle(figure)
        spots = [
            spot
            for (row, column), ax in np.ndenumerate(axes)
            for spot in _spots(ax, series, names[row], columns[column])
        ]
        return Drawn(svg=to_svg(figure), width=TEXT_WIDTH, data=_csv(series, names), spots=tuple(spots))


def _axes(series: Sequence[TrainingSeries]) -> list[str]:
    """Images; operations and time where all series know them."""
    return [name for name in _AXES if all(None not in one.values(name) for one in series)]


def _panel(
    ax: Axes,
    data: ReportData,
    series: Sequence[TrainingSeries],
    styles: dict[str, LineStyle],
    metric: str,
    column: str,
) -> None:
    scale, unit = _scale(series, column)
    for one in series:
        draw_curve(ax, _at(one, column) / scale, values(one.curve, metric), styles[one.curve.name])
    if metric == data.distance and spans_much(all_values([one.curve for one in series], metric)):
        logarithmic(ax)
    ax.set_xlim(left=0)
    ax.set_xlabel(f"{_AXES[column]} ({unit})" if unit else _AXES[column])


def _at(series: TrainingSeries, column: str) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(series.values(column), dtype=np.float64)


def _scale(series: Sequence[TrainingSeries], column: str) -> tuple[float, str]:
    """What values of the axis are divided by, and the unit that they then have."""
    largest = max(float(_at(one, column).max()) for one in series)
    scales = _UNITS[column]
    return next(((scale, unit) for scale, unit in scales if largest >= scale), scales[-1])


def _spots(ax: Axes, series: Sequence[TrainingSeries], metric: str, column: str) -> list[Spot]:
    """A spot for each run in the panel. The layout must be final."""
    scale, _ = _scale(series, column)
    return [
        Spot(x=place[0], y=place[1], text=_described(one, index), run_id=run.run_id)
        for one in series
        for index, (run, value) in enumerate(zip(one.curve.runs, values(one.curve, metric)[0], strict=True))
        if (place := place_on_page(ax, _at(one, column)[index] / scale, value))
    ]


def _described(series: TrainingSeries, index: int) -> str:
    run, (step, images, *_) = series.curve.runs[index], series.behind[index]
    lines = [f"{series.curve.name}: {_count(step)} steps, {_count(images)} images"]
    for name, entry in run.metrics.items():
        if entry["value"] is not None:
            lines.append(f"{measure(name).short} {_with_interval(entry)}")
    return "\n".join([*lines, f"run {run.run_id}"])


def _ends(data: ReportData, series: TrainingSeries, metric: str) -> str:
    """From where to where the first metric went."""
    ends = []
    for index in (0, -1):
        entry = series.curve.runs[index].metrics.get(metric)
        value = "undefined" if entry is None or entry["value"] is None else _with_interval(entry)
        ends.append(f"{value} after {_count(series.curve.weights[index])} images")
    direction = "higher" if data.metrics[metric].higher_is_better else "lower"
    return (
        f"{series.curve.name}: {measure(metric).short} is {ends[0]} and {ends[1]} ({direction} is better), "
        f"{len(series.curve.runs)} checkpoints."
    )


def _with_interval(entry: dict[str, object]) -> str:
    low, high = interval(entry)
    digits = column_decimals([(low, high)])
    return f"{fixed(float(str(entry['value'])), digits)} ({fixed(low, digits)} to {fixed(high, digits)})"


def _count(number: float | None) -> str:
    return "?" if number is None else f"{number:,.0f}"


def _csv(series: Sequence[TrainingSeries], metrics: Sequence[str]) -> str:
    """Series as CSV, a row a run and metric."""
    rows = []
    for one in series:
        for run, behind in zip(one.curve.runs, one.behind, strict=True):
            for name in metrics:
                entry = run.metrics.get(name)
                if entry is not None and entry["value"] is not None:
                    low, high = interval(entry)
                    rows.append((one.curve.name, *behind, run.run_id, name, float(entry["value"]), low, high))
    columns = ["series", *MEASURES, "run_id", "metric", "value", "lo", "hi"]
    return as_csv(pd.DataFrame(rows, columns=columns))
