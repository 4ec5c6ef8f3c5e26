"""The primary measure of alignment by category of the prompts and by kind of fact."""

from __future__ import annotations

from drawbench_eval.analysis.measures import measure
from drawbench_eval.report.blocks import Block, Picture, Section
from drawbench_eval.report.category_bars import bar_settings, category_bars
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.heatmap import (
    category_breakdown,
    chosen_settings,
    heatmap_figure,
    heatmap_width,
    kind_breakdown,
    primary_alignment,
)
from drawbench_eval.report.spots import as_csv
from drawbench_eval.report.tables import breakdown_frame


def categories_section(data: ReportData) -> Section:
    """Bars, heat maps and the table; empty where alignment is not measured by sample."""
    data = data.shown()
    metric, chosen = primary_alignment(data), chosen_settings(data)
    categories, kinds = category_breakdown(data), kind_breakdown(data)
    if metric is None or categories is None:
        return Section(title="By category", blocks=())
    name = measure(metric).title
    width = heatmap_width(len(chosen))
    guided = any(not curve.is_set for curve, _ in chosen)
    at_one = ", at one guidance weight: the smallest above 1 that all of these curves have" if guided else ""
    at_few = ", at a few weights" if guided else ""
    blocks: list[Block] = []
    bars = category_bars(data, metric, bar_settings(data, metric))
    if bars is not None:
        blocks.append(
            Picture(
                name="bars",
                svg=bars.svg,
                width=bars.width,
                caption=f"{name} by category{at_one}. Whiskers are 95 % intervals clustered by prompt. "
                "Categories hold few prompts: the bars describe, they do not test.",
                alt=f"{name} by category; figures/bars.csv has the numbers.",
                data=bars.data,
            )
        )
    blocks.append(
        Picture(
            name="categories",
            svg=heatmap_figure("categories", categories, chosen),
            width=width,
            caption=f"{name} by category of the prompts{at_few} (n is images per run). "
            "Categories hold few prompts: these shares describe, they do not test.",
            alt=f"{name} by category; tables/categories.csv has the numbers.",
            data=as_csv(breakdown_frame(categories, chosen, "category")),
        )
    )
    if kinds is not None:
        blocks.append(
            Picture(
                name="kinds",
                svg=heatmap_figure("kinds", kinds, chosen),
                width=width,
                caption=f"{name} by kind of fact: the share of captions claiming one in which it holds, "
                "and the share of images that the oracle could read at all (an unreadable image "
                "counts as wrong).",
                alt=f"{name} by kind of fact; tables/kinds.csv has the numbers.",
                data=as_csv(breakdown_frame(kinds, chosen, "kind")),
            )
        )
    return Section(title="By category and kind of fact", blocks=tuple(blocks))
