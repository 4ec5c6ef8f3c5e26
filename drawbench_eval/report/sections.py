"""From the data to the sections of the report: the answer first, then what these runs have something for."""

from __future__ import annotations

from dataclasses import replace

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
from drawbench_eval.report.image_rows import Images, rows_gallery
from drawbench_eval.report.limits import blind_metrics, is_scenes, limits_section, said_of_blind
from drawbench_eval.report.numbering import numbered, refer
from drawbench_eval.report.numbers import column_decimals, fixed
from drawbench_eval.report.provenance import provenance_section
from drawbench_eval.report.published_panel import published_section
from drawbench_eval.report.ratings_section import ratings_section, ratings_sentences
from drawbench_eval.report.selection_section import selection_section
from drawbench_eval.report.size_sections import size_section
from drawbench_eval.report.tables import points_table
from drawbench_eval.report.training_sections import training_section

MOST_COMPARED = 3
"""So many levels of an ablation are in the summary."""

MOST_PROMPTS, MOST_IMAGES = 8, 4
"""Of images made elsewhere: so many prompts are shown, and so many images of each in a run."""

MOST_PRINTED = 200
"""So many points are printed; of more, those of the curves in colour."""


def build_report(data: ReportData) -> Report:
    """All sections that the runs have something for, with figures and tables numbered in order."""
    first = [verdicts_section(data), ablation_section(data)]
    sections = [
        *(reversed(first) if data.ablation_leads else first),
        size_section(data),
        training_section(data),
        curves_section(data),
        fronts_section(data),
        evidence_section(data),
        selection_section(data),
        _points(data),
        _samples(data),
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
    if data.unpaired:
        said.append(data.unpaired)
    blind = blind_metrics(data.complete, data.metrics)
    if blind:
        said.append(said_of_blind(blind))
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
            (float(run.metrics[name]["value"]), curve.point(weight), interval(run.metrics[name]))
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
    if data.best:
        caption += " *: the best of its column, picked on these same samples and so too good."
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


def _samples(data: ReportData) -> Section:
    shown, num_hidden = data.shown(), len(data.curves) - len(data.featured)
    gallery = _rows_of_sets(shown) if data.made_elsewhere else _grids(make_grids(shown))
    if gallery is None:
        kept = "The images of these runs are no longer where they were found"
        kept = kept if data.made_elsewhere else "These runs kept no samples on disk (keep_samples=none)"
        note = f"{kept}, so there is nothing to show."
        return Section(title="Samples", blocks=(Paragraph(text=note),))
    if num_hidden:
        gallery = replace(gallery, caption=f"{gallery.caption} {num_hidden} other curves are left out.")
    return Section(title="Samples", blocks=(gallery,))


def _rows_of_sets(data: ReportData) -> Gallery | None:
    """Images of the same prompts, a row a run: those made elsewhere share no seeds."""
    folders = {
        curve.point(weight): run.folder / "samples"
        for curve in data.curves
        for run, weight in zip(curve.runs, curve.weights, strict=True)
        if run.folder is not None
    }
    categories: dict[str, str] = {}
    for scores in data.scores.values():
        names = scores["category"].fillna("").astype(str)
        categories |= dict(zip(scores["prompt_id"].astype(str), names, strict=True))
    return rows_gallery(
        "samples", Images(folders), categories, what="run", num_prompts=MOST_PROMPTS, num_images=MOST_IMAGES
    )


def _grids(grids: tuple[Grid, ...]) -> Gallery | None:
    if not grids:
        return None
    pictures = tuple(
        (
            Picture(
                name=f"samples-{index:02d}",
                svg=grid.svg,
                width=grid.width,
                caption="",
                alt=f"Samples of one seed by weight and thresholding for the prompt: {grid.sample.prompt}",
                data=grid.data,
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
    groups = tuple(grid.sample.category for grid in grids)
    return Gallery(caption=caption, pictures=pictures, groups=groups)
