"""The Pareto section: who is on the front and how surely, and curves against each other."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.figure import Figure

from drawbench_eval.analysis.curve_pairs import CurvePair, Gap
from drawbench_eval.analysis.findings import FEW_PROMPTS, decimals
from drawbench_eval.analysis.fronts import SURE, Front
from drawbench_eval.analysis.measures import INFLUENCES, measure
from drawbench_eval.report.blocks import Block, Bullets, DataTable, Paragraph, Picture, Section
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.evidence import tied
from drawbench_eval.report.numbers import column_decimals, fixed
from drawbench_eval.report.panels import above_panels, set_title
from drawbench_eval.report.spots import as_csv
from drawbench_eval.report.style import TEXT_WIDTH, Drawn, figure_style, to_svg
from drawbench_eval.report.tables import Cell, Table, effect_cell, p_cell

MOST_ROWS = 15
MOST_BANDS = 3
_COLOURS = ("#0072B2", "#D55E00", "#009E73")
_LINES = ("-", "--", ":")

_FRONT = (
    "The Pareto front, and the share of resamplings of the prompts in which each run is on it. All runs are "
    "resampled together, so what prompts and seeds have in common cancels. Runs with a share above 2.5 % are "
    "listed, at most 15 of them; off the front, with the run on it that dominates them most often."
)
_NO_SHARES = (
    "A front without shares is that of the recorded values: one of its metrics has no value for each sample, "
    "or not all runs scored a common sample."
)
_PAIRS = (
    "Curves against each other: first minus second in {distance}, averaged over the range of alignment that "
    "both reach, read at equal alignment and along the front (that alignment or better). Intervals are "
    "paired by prompt and seed; ± is the half-width they would have without pairing. p is corrected by Holm "
    "over the pairs of one alignment. An interval is undefined where the curves share no range in more than "
    "a twentieth of the resamplings."
)
_BANDS = (
    "One curve minus another along the front: each is read at the best that it reaches at that alignment or "
    "above. Bands are pointwise 95 % intervals, paired by prompt and seed; where one leaves zero out, the "
    "curves differ there."
)


def fronts_section(data: ReportData) -> Section:
    """Fronts and curve differences; empty where no two metrics stand against each other."""
    blocks: list[Block] = []
    if data.fronts:
        blocks.append(DataTable(name="fronts", caption=_FRONT, table=_front_table(data)))
        said = [_left_out(front) for front in data.fronts.values() if front.num_draws]
        said += [data.unpaired or _NO_SHARES] if len(said) < len(data.fronts) else []
        blocks.append(Paragraph(text=" ".join(said), muted=True))
    pairs = [pair for found in data.pairs.values() for pair in found]
    if pairs:
        drawn = differences_figure(data)
        names = " and ".join(measure(name).short for name, found in data.pairs.items() if found)
        blocks.append(
            Picture(
                name="differences",
                svg=drawn.svg,
                width=drawn.width,
                caption=_BANDS,
                alt=f"Differences of curves against {names}; figures/differences.csv has the numbers.",
                data=drawn.data,
            )
        )
        blocks.append(
            DataTable(
                name="pairs",
                caption=_PAIRS.format(distance=measure(str(data.distance)).short),
                table=_pairs_table(data),
            )
        )
        sentences = tuple(("", tied(pair.sentence)) for pair in pairs[:MOST_BANDS])
        blocks.append(Bullets(items=sentences))
    return Section(title="Pareto fronts", blocks=tuple(blocks))


def pairs_sentences(data: ReportData) -> list[str]:
    """The curve differences of the first measure of alignment, in words."""
    first = next((found for found in data.pairs.values() if found), ())
    return [pair.sentence for pair in first[:MOST_BANDS]]


def _on_shared(front: Front) -> str:
    """That a mean is of fewer samples here than in the table of all points; "" where it is not."""
    names = [info.name for info in (front.x, front.y) if info.name not in INFLUENCES]
    fewer = [
        measure(name).short
        for name in names
        if any(int(point.run.metrics[name]["n"]) != front.n for point in front.points)
    ]
    if not fewer:
        return ""
    return (
        f" Here {' and '.join(fewer)} {'is' if len(fewer) == 1 else 'are'} of the {front.n} samples that all "
        f"{len(front.points)} runs scored, in the table of all points of all that each run scored."
    )


def _left_out(front: Front) -> str:
    sure = sum(point.probability <= 1 - SURE for point in front.points)
    name = measure(front.y.name).short
    return (
        f"Against {name}, {sure} of {len(front.points)} runs are dominated in at least 97.5 % of "
        f"{front.num_draws} resamplings of {front.num_prompts} prompts.{_on_shared(front)}"
    )


def _front_table(data: ReportData) -> Table:
    rows = []
    labels = {
        run.run_id: tied(curve.point(weight))
        for curve in data.curves
        for run, weight in zip(curve.runs, curve.weights, strict=True)
    }
    for alignment, front in data.fronts.items():
        listed = [point for point in front.points if point.on_front or not point.probability <= 1 - SURE]
        listed.sort(key=lambda point: (not point.on_front, -point.probability, point.x))
        digits = [
            column_decimals(
                (point.run.metrics[name].get("ci95") or (math.nan, math.nan)) for point in front.points
            )
            for name in (front.x.name, front.y.name)
        ]
        for point in listed[:MOST_ROWS]:
            share = "–" if math.isnan(point.probability) else f"{100 * point.probability:.0f} %"
            rows.append(
                (
                    Cell(text=measure(alignment).short, key=alignment),
                    Cell(text=labels[point.run.run_id], key=labels[point.run.run_id]),
                    Cell(text=fixed(point.x, digits[0]), key=point.x),
                    Cell(text=fixed(point.y, digits[1]), key=point.y),
                    Cell(text="yes" if point.on_front else "no", key=int(point.on_front)),
                    Cell(text=share, key=-1.0 if math.isnan(point.probability) else point.probability),
                    Cell(text=labels.get(point.dominated_by or "", ""), key=point.dominated_by or ""),
                )
            )
    distance = measure(data.distance or "").short
    return Table(
        columns=("Against", "Setting", distance, "Alignment", "On it", "Share", "Dominated by"),
        notes=("",) * 7,
        rows=tuple(rows),
        grouped=True,
    )


def _pairs_table(data: ReportData) -> Table:
    rows = []
    for alignment, pairs in data.pairs.items():
        for pair in pairs:
            cells = [
                Cell(text=measure(alignment).short, key=alignment),
                Cell(text=pair.first, key=pair.first),
                Cell(text=pair.second, key=pair.second),
            ]
            for gap in (pair.matched, pair.front):
                cells += _gap_cells(gap)
            rows.append(tuple(cells))
    return Table(
        columns=("Against", "First", "Second", "At equal alignment", "±", "p", "Along the front", "±", "p"),
        notes=("", "", "", "", "unpaired", "Holm", "", "unpaired", "Holm"),
        rows=tuple(rows),
        grouped=True,
    )


def _gap_cells(gap: Gap) -> list[Cell]:
    digits = decimals(gap.estimate.value, gap.estimate.ci95)
    unpaired = Cell(text=fixed(gap.unpaired, digits), key=gap.unpaired if gap.unpaired >= 0 else -1.0)
    too_few = math.isnan(gap.p_holm) and gap.estimate.num_prompts < FEW_PROMPTS
    p = Cell(text="too few prompts", key=2.0) if too_few else p_cell(gap.p_holm)
    return [effect_cell(gap.estimate), unpaired, p]


def differences_figure(data: ReportData) -> Drawn:
    """The difference at each level of alignment, a panel a measure, at most three pairs in each."""
    shown = {name: _telling(pairs) for name, pairs in data.pairs.items() if pairs}
    assert data.distance is not None
    width = TEXT_WIDTH if len(shown) > 1 else 0.72 * TEXT_WIDTH
    with figure_style("differences"):
        figure = Figure(figsize=(width, 2.5), layout="constrained")
        axes = np.atleast_1d(np.asarray(figure.subplots(1, len(shown))))
        labels: dict[str, int] = {}
        for pairs in shown.values():
            for pair in pairs:
                labels.setdefault(f"{pair.first} minus {pair.second}", len(labels) % len(_COLOURS))
        for index, (ax, (alignment, pairs)) in enumerate(zip(axes, shown.items(), strict=True)):
            ax.axhline(0, color="0.3", linewidth=0.8)
            for pair in pairs:
                label = f"{pair.first} minus {pair.second}"
                style = labels[label]
                ax.fill_between(
                    pair.levels, pair.low, pair.high, color=_COLOURS[style], alpha=0.18, linewidth=0
                )
                ax.plot(pair.levels, pair.differences, _LINES[style], color=_COLOURS[style], label=label)
            # One wild end of a band must not flatten all the rest.
            _limit(ax, pairs)
            info = data.metrics[alignment]
            ax.set_xlabel(f"{measure(alignment).title}" + (f" ({info.unit})" if info.unit else ""))
            better = "above" if data.metrics[data.distance].higher_is_better else "below"
            if index == 0:
                ax.set_ylabel(f"difference in {measure(data.distance).short}\n({better} 0: first is better)")
            ax.locator_params(axis="x", nbins=5)
            set_title(ax, index, "", alone=len(shown) == 1)
        handles: dict[str, Artist] = {}
        for ax in axes:
            found, names = ax.get_legend_handles_labels()
            handles |= dict(zip(names, found, strict=True))
        above_panels(figure, list(handles.values()))
        return Drawn(svg=to_svg(figure), width=width, data=_differences_csv(data))


def _telling(pairs: tuple[CurvePair, ...]) -> tuple[CurvePair, ...]:
    """Those with the last curve first (dynamic thresholding, where there is one), in order."""
    last = pairs[-1].second
    return tuple(sorted(pairs, key=lambda pair: last not in (pair.first, pair.second)))[:MOST_BANDS]


def _limit(ax: object, pairs: tuple[CurvePair, ...]) -> None:
    ends = np.concatenate([np.concatenate([pair.low, pair.high, pair.differences, [0.0]]) for pair in pairs])
    ends = ends[np.isfinite(ends)]
    low, high = np.quantile(ends, (0.03, 0.97))
    room = 0.15 * (high - low) or 1.0
    ax.set_ylim(min(low, 0) - room, max(high, 0) + room)  # type: ignore[attr-defined]


def _differences_csv(data: ReportData) -> str:
    rows = [
        (alignment, pair.first, pair.second, *values)
        for alignment, pairs in data.pairs.items()
        for pair in pairs
        for values in zip(pair.levels, pair.differences, pair.low, pair.high, strict=True)
    ]
    columns = ["alignment", "first", "second", "level", "difference", "lo", "hi"]
    return as_csv(pd.DataFrame(rows, columns=columns))
