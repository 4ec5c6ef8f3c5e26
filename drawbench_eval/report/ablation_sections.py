"""The ablation section: the finding of each level in a sentence, a forest of effects, and the table."""

from __future__ import annotations

from textwrap import wrap

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from drawbench_eval.analysis.ablation import Ablation, AblationEffect
from drawbench_eval.analysis.ablation_words import finding, measure_name, short_finding, trainings, verdict
from drawbench_eval.report.blocks import Block, Bullets, DataTable, Paragraph, Picture, Section
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.evidence import tied
from drawbench_eval.report.panels import set_title
from drawbench_eval.report.spots import as_csv
from drawbench_eval.report.style import GREY, TEXT_WIDTH, Drawn, figure_style, to_svg
from drawbench_eval.report.tables import Cell, Table, effect_cell, p_cell

MOST_LEVELS = 24
_BLUE, _ORANGE = "#0072B2", "#D55E00"


def ablation_section(data: ReportData) -> Section:
    """The section; empty without an ablation."""
    blocks: list[Block] = []
    for number, ablation in enumerate(data.ablations, start=1):
        suffix = f"-{number}" if len(data.ablations) > 1 else ""
        if ablation.context:
            blocks.append(Paragraph(text=f"Runs with {ablation.context}:", leads=True))
        items = tuple(("", tied(finding(ablation, level))) for level in ablation.levels[:MOST_LEVELS])
        blocks.append(Bullets(items=items))
        drawn = forest_figure(ablation, f"ablation{suffix}")
        factor = ablation.plan.factor
        caption = (
            f"Effect of {factor} against {ablation.baseline}: the mean over {_weights(ablation)}, and the "
            "distance along the front. Bars are paired 95 % intervals; filled points are resolved after "
            "Holm's correction. Small grey points are effects at single weights, where they are within "
            "the panel."
        )
        blocks.append(
            Picture(
                name=f"ablation{suffix}",
                svg=drawn.svg,
                width=drawn.width,
                caption=caption,
                alt=f"Effects of {factor}; figures/ablation{suffix}.csv has the numbers.",
                data=drawn.data,
            )
        )
        blocks.append(
            DataTable(
                name=f"ablation{suffix}",
                caption=f"Each value of {factor} minus {ablation.baseline} over {_weights(ablation)}. p is "
                f"corrected by Holm {_families(ablation)}.",
                table=_table(ablation),
            )
        )
        blocks.append(Paragraph(text=trainings(ablation), muted=True))
    title = f"Ablation of {data.ablations[0].plan.factor}" if data.ablations else "Ablation"
    return Section(title=title, blocks=tuple(blocks))


def ablation_sentences(data: ReportData, most: int) -> list[str]:
    """The first findings in short, for the summary."""
    said = [short_finding(ablation, level) for ablation in data.ablations for level in ablation.levels]
    more = [f"More values of the factor are below ({len(said) - most})."] if len(said) > most else []
    return [*said[:most], *more]


def _weights(ablation: Ablation) -> str:
    weights = ablation.weights
    if len(weights) == 1:
        return f"w = {weights[0]:g}"
    return f"the weights that both have (w = {weights[0]:g} to {weights[-1]:g})"


def _families(ablation: Ablation) -> str:
    families: dict[str, list[str]] = {}
    for effect in ablation.effects:
        members = families.setdefault(effect.family, [])
        if measure_name(effect.measure) not in members:
            members.append(measure_name(effect.measure))
    if len(families) == 1:
        return "over all rows"
    return "within families: " + "; ".join(f"{name} ({', '.join(own)})" for name, own in families.items())


def _table(ablation: Ablation) -> Table:
    rows = []
    for effect in ablation.effects:
        word = verdict(effect, ablation.plan.alpha)
        rows.append(
            (
                Cell(text=effect.level, key=effect.level),
                Cell(text=measure_name(effect.measure), key=effect.measure),
                effect_cell(effect.estimate),
                p_cell(effect.p_holm),
                Cell(text=word, key=word),
                Cell(text=str(effect.estimate.n), key=effect.estimate.n),
                Cell(text=str(effect.num_trainings), key=effect.num_trainings),
            )
        )
    return Table(
        columns=("Level", "Measure", "Effect", "p", "Verdict", "n", "Trainings"),
        notes=("", "", "95 % interval", "Holm", "", "", ""),
        rows=tuple(rows),
        grouped=True,
    )


def forest_figure(ablation: Ablation, name: str) -> Drawn:
    """A panel a measure, a row a level."""
    measures = list(dict.fromkeys(effect.measure for effect in ablation.effects))
    levels = list(ablation.levels[:MOST_LEVELS])
    columns = min(3, len(measures))
    rows = -(-len(measures) // columns)
    with figure_style(name):
        height = rows * (0.72 + 0.2 * len(levels))
        figure = Figure(figsize=(TEXT_WIDTH, height), layout="constrained")
        axes = np.atleast_1d(np.asarray(figure.subplots(rows, columns, sharey=True))).ravel()
        for index, (ax, measured) in enumerate(zip(axes, measures, strict=False)):
            own = [effect for effect in ablation.effects if effect.measure == measured]
            _forest(ax, [effect for effect in own if effect.level in levels], levels, ablation.plan.alpha)
            set_title(ax, index, "\n".join(wrap(measure_name(measured), 24)))
        for ax in axes[len(measures) :]:
            ax.set_visible(False)
        return Drawn(svg=to_svg(figure), width=TEXT_WIDTH, data=as_csv(ablation_frame(ablation)))


def _forest(ax: Axes, effects: list[AblationEffect], levels: list[str], alpha: float) -> None:
    ax.axvline(0, color="0.3", linewidth=0.8)
    for effect in effects:
        row = levels.index(effect.level)
        colour = _BLUE if effect.better else _ORANGE
        single = [found.value for _, found in effect.at_weight]
        if len(single) > 1:
            ax.plot(single, [row + 0.27] * len(single), ".", color=GREY, markersize=2.2, alpha=0.8)
        if effect.estimate.ci95 is not None:
            ax.plot(effect.estimate.ci95, [row, row], color=colour, linewidth=1.1)
        face = colour if effect.resolved(alpha) else "white"
        marker = "o" if effect.better else "s"
        ax.plot(effect.estimate.value, row, marker, color=colour, markerfacecolor=face, markersize=4.5)
    # Effects at single weights may be many times the mean: they must not flatten it.
    ends = [0.0, *(end for effect in effects for end in effect.estimate.ci95 or (effect.estimate.value,))]
    room = 0.35 * (max(ends) - min(ends)) or 1.0
    ax.set_xlim(min(ends) - room, max(ends) + room)
    ax.set_yticks(range(len(levels)), levels)
    ax.set_ylim(len(levels) - 0.5, -0.5)
    ax.locator_params(axis="x", nbins=4)
    if effects:
        ax.set_xlabel("better \u2192" if effects[0].higher_is_better else "\u2190 better")


def ablation_frame(ablation: Ablation) -> pd.DataFrame:
    """Every effect over the weights and at each of them: `guidance_weight` is empty for the mean."""
    rows = []
    for effect in ablation.effects:
        for weight, found in ((None, effect.estimate), *effect.at_weight):
            low, high = found.ci95 or (None, None)
            whole = weight is None
            rows.append(
                {
                    "factor": ablation.plan.factor,
                    "baseline": ablation.baseline,
                    "context": ablation.context,
                    "level": effect.level,
                    "measure": effect.measure,
                    "guidance_weight": weight,
                    "effect": found.value,
                    "lo": low,
                    "hi": high,
                    "p": effect.p if whole else None,
                    "p_holm": effect.p_holm if whole else None,
                    "family": effect.family if whole else None,
                    "detectable": effect.detectable if whole else None,
                    "n": found.n,
                    "num_prompts": found.num_prompts,
                    "num_trainings": effect.num_trainings,
                }
            )
    return pd.DataFrame(rows)
