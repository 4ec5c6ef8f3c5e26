"""The curves: each metric against the guidance weight, and the two metrics against each other."""

from __future__ import annotations

from drawbench_eval.analysis.curves import weight_name
from drawbench_eval.analysis.measures import measure
from drawbench_eval.report.blocks import Block, Paragraph, Picture, Section
from drawbench_eval.report.by_weight import NOT_GUIDED, guided_kinds, weights_figure
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.tradeoff import pareto_figure

_WEIGHTS = (
    "Each metric against the {weight}, with 95 % intervals clustered by prompt. Differences between "
    "curves are known better than the intervals suggest, because all runs share prompts and seeds."
)
_OVER = (
    "One curve over the {weight} for each setting; the weight stands beside the points where there is room. "
)
_PARETO = (
    "Bars are 95 % intervals. Filled points are on the Pareto front in at least 97.5 % of resamplings "
    "of the prompts, white ones are dominated in as many, toned ones are not resolved; the grey band joins "
    "the front as observed."
)
_KINDS = (
    "Guidance of these models is of several kinds ({kinds}). Their weights are not on one scale, so each "
    "kind has a figure of its own."
)


def curves_section(data: ReportData) -> Section:
    """Curves and trade-off; empty where no run has a metric to show."""
    blocks: list[Block] = []
    kinds = sorted({curve.guidance_kind for curve in data.curves})
    if len(kinds) > 1:
        blocks.append(Paragraph(text=_KINDS.format(kinds=", ".join(kinds)), muted=True))
    for index, kind in enumerate(guided_kinds(data) if data.metrics else ()):
        drawn = weights_figure(data, kind)
        unguided = NOT_GUIDED in kinds and index == 0
        weight = weight_name(data.curves[0].weight_key)
        caption = _WEIGHTS.format(weight=weight) + (
            " Models without guidance have no place on this axis." if unguided else ""
        )
        blocks.append(
            Picture(
                name="weights" if index == 0 else f"weights-{kind}",
                svg=drawn.svg,
                width=drawn.width,
                caption=caption + _others(data),
                alt=f"Each metric against the {weight}; the table of all points has the numbers.",
                data=drawn.data,
                spots=drawn.spots,
            )
        )
    if data.distance is not None and data.fronts:
        distance, names = measure(data.distance), [measure(name).short for name in data.fronts]
        drawn = pareto_figure(data)
        guided = any(not curve.is_set for curve in data.curves)
        over = _OVER.format(weight=weight_name(data.curves[0].weight_key)) if guided else ""
        blocks.append(
            Picture(
                name="pareto",
                svg=drawn.svg,
                width=drawn.width,
                caption=f"{distance.title}, against {' and '.join(names)}. "
                f"{over}{_PARETO} {_better(data)}" + _others(data),
                alt=f"{distance.short} against {' and '.join(names)}; the table of all points has the "
                "numbers.",
                data=drawn.data,
                spots=drawn.spots,
            )
        )
    return Section(title="Curves", blocks=tuple(blocks))


def _better(data: ReportData) -> str:
    """Where on the panels better is; nothing where they differ in that."""
    up = "upper" if data.metrics[str(data.distance)].higher_is_better else "lower"
    sides = {"right" if data.metrics[name].higher_is_better else "left" for name in data.fronts}
    return f"Better is to the {up} {sides.pop()}." if len(sides) == 1 else ""


def _others(data: ReportData) -> str:
    count = len(data.curves) - len(data.featured)
    return f" {count} other curves are drawn in grey: they have less of the front." if count else ""
