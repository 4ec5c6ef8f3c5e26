"""From the data to the sections of the report: the answer first, then what these runs have something for."""

from __future__ import annotations

from drawbench_eval.analysis.collect import interval
from drawbench_eval.analysis.measures import measure
from drawbench_eval.report.ablation_sections import ablation_section, ablation_sentences
from drawbench_eval.report.blocks import DataTable, Gallery, Paragraph, Picture, Report, Section
from drawbench_eval.report.category_sections import categories_section
from drawbench_eval.report.curve_sections import curves_section
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.evidence import (
    evidence_section,
    tied,
    verdict_sentences,
    verdicts_section,
)
from drawbench_eval.report.front_sections import fronts_section, pairs_sentences
from drawbench_eval.report.grids import Grid, make_grids
from drawbench_eval.report.limits import is_scenes, limits_section
from drawbench_eval.report.numbering import numbered, refer
from drawbench_eval.report.numbers import column_decimals, fixed
from drawbench_eval.report.provenance import provenance_section
from drawbench_eval.report.published_panel import published_section
from drawbench_eval.report.ratings_section import ratings_section, ratings_sentences
from drawbench_eval.report.tables import points_table
from drawbench_eval.report.training_sections import training_section

MOST_COMPARED = 3
"""So many levels of an ablation are in the summary."""

MOST_PRINTED = 200
"""So many points are printed; of more, those of the curves in colour."""


def build_report(data: ReportData) -> Report:
    """All sections that the runs have something for, with figures and tables numbered in order."""
    first = [verdicts_section(data), ablation_section(data)]
    sections = [
        *(reversed(first) if data.ablation_leads else first),
        training_section(data),
        curves_section(data),
        fronts_section(data),
        evidence_section(data),
        _points(data),
        _samples(make_grids(data.shown()), num_hidden=len(data.curves) - len(data.featured)),
        categories_section(data),
        published_section(data),
        ratings_section(data.ratings),
        limits_section(data),
        provenance_section(data),
    ]
    return Report(
        title=data.title, subtitle=_subtitle(data), answer=_answer(data), sections=numbered(sections)
    )


def _subtitle(data: ReportData) -> str:
    per_run = sorted({len(scores) for scores in data.scores.values()})
    prompts = sorted({scores["prompt_id"].nunique() for scores in data.scores.values()})
    what = f"Sweep {data.sweep.name}" if data.sweep else "All runs of the results folder"
    planned = "planned runs" if data.sweep else "runs"
    return (
        f"{what}: {len(data.complete)} of {len(data.runs)} {planned} complete, "
        f"{_range(per_run)} images of {_range(prompts)} prompts in each."
    )


def _range(values: list[int]) -> str:
    return f"{values[0]}" if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _answer(data: ReportData) -> tuple[str, ...]:
    """A few sentences, counted and looked up from the numbers."""
    said: list[str] = []
    first = [verdict_sentences(data), ablation_sentences(data, most=MOST_COMPARED)]
    for sentences in reversed(first) if data.ablation_leads else first:
        said += sentences
    said += [] if data.ablations else pairs_sentences(data)
    if data.metrics:
        what = "Best of all runs, on these same samples" if len(data.complete) > 1 else "The one run has"
        said.append(f"{what}: {'; '.join(_best(data))}.")
    said += ratings_sentences(data.ratings)
    if data.incomplete:
        said.append(
            f"{_count(len(data.incomplete), 'planned run')} not in the figures: see the last section."
        )
    if is_scenes(data):
        said.append(
            "This is the scenes world, small enough to check: it can say how the mechanisms behave there, "
            "and nothing about natural images."
        )
    return tuple(tied(sentence) for sentence in said)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{' is' if number == 1 else 's are'}"


def _best(data: ReportData) -> list[str]:
    """'Fréchet distance 30.3 (dynamic, w = 1.5)' for each metric."""
    found = []
    for name, info in data.metrics.items():
        candidates = [
            (float(run.metrics[name]["value"]), f"{curve.name}, w = {weight:g}", interval(run.metrics[name]))
            for curve in data.curves
            for run, weight in zip(curve.runs, curve.weights, strict=True)
            if name in run.metrics and run.metrics[name]["value"] is not None
        ]
        if candidates:
            choose = max if info.higher_is_better else min
            value, where, ci95 = choose(candidates, key=lambda candidate: candidate[0])
            found.append(f"{measure(name).short} {fixed(value, column_decimals([ci95]))} ({where})")
    return found


def _points(data: ReportData) -> Section:
    caption = "All complete runs, with 95 % intervals. ↑: higher is better, ↓: lower is better."
    if data.fronts:
        where = f"the panels of {refer('pareto')} in which" if len(data.fronts) > 1 else "whether"
        caption += f" Front: {where} the run is on the Pareto front, as observed."
    printed = None
    if len(data.complete) > MOST_PRINTED:
        printed = points_table(data.shown())
        caption += (
            f" On paper: the {len(data.featured)} curves in colour; tables/points.csv and the page have all "
            f"{len(data.complete)} runs."
        )
    table = DataTable(name="points", caption=caption, table=points_table(data), printed=printed)
    return Section(title="All points", blocks=(table,))


def _samples(grids: tuple[Grid, ...], *, num_hidden: int) -> Section:
    if not grids:
        note = "These runs kept no samples on disk (keep_samples=none), so there is nothing to show."
        return Section(title="Samples", blocks=(Paragraph(text=note),))
    pictures = tuple(
        (
            Picture(
                name=f"samples-{index:02d}",
                svg=grid.svg,
                width=grid.width,
                caption="",
                alt=f"Samples of one seed by weight and thresholding for the prompt: {grid.sample.prompt}",
            ),
            grid.sample.prompt,
            f"{grid.sample.category or 'no category'}, seed {grid.sample.seed}"
            + (
                f", {grid.num_images} of {grid.num_cells} images kept"
                if grid.num_images < grid.num_cells
                else ""
            ),
        )
        for index, grid in enumerate(grids, start=1)
    )
    caption = (
        "One sample per run: columns are guidance weights, rows the curves, and all images of a grid "
        "start from the same noise. Shown is the first prompt of each category, not a choice by eye."
    )
    caption += f" {num_hidden} other curves are left out." if num_hidden else ""
    groups = tuple(grid.sample.category for grid in grids)
    gallery = Gallery(caption=caption, pictures=pictures, groups=groups)
    return Section(title="Samples", blocks=(gallery,))
