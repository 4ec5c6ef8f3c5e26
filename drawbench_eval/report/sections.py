"""From the data to the sections of the report: the answer first, then curves, points, samples,
categories, limits.
"""

from drawbench_eval.analysis.collect import interval
from drawbench_eval.analysis.measures import measure
from drawbench_eval.report.blocks import (
    Block,
    DataTable,
    Gallery,
    Paragraph,
    Picture,
    Report,
    Section,
)
from drawbench_eval.report.by_weight import weights_figure
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.evidence import count_verdicts, evidence_section, in_short, tied, verdicts_section
from drawbench_eval.report.grids import Grid, make_grids
from drawbench_eval.report.heatmap import (
    category_breakdown,
    chosen_settings,
    heatmap_figure,
    kind_breakdown,
    primary_alignment,
)
from drawbench_eval.report.limits import is_scenes, limits_section
from drawbench_eval.report.numbers import column_decimals, fixed
from drawbench_eval.report.provenance import provenance_section
from drawbench_eval.report.style import TEXT_WIDTH
from drawbench_eval.report.tables import points_table
from drawbench_eval.report.tradeoff import pareto_figure

_WEIGHTS = (
    "Each metric against the guidance weight, with 95 % intervals clustered by prompt. Differences between "
    "curves are known better than the intervals suggest, because all runs share prompts and seeds."
)
_PARETO = (
    "One curve per thresholding mode over the guidance weight, which stands beside the points where there "
    "is room. Bars are 95 % intervals. Filled points and the grey band are the Pareto front: no other run "
    "is at least as good in both and better in one. Better is to the lower right."
)


def build_report(data: ReportData) -> Report:
    """All sections that the runs have something for, with figures and tables numbered in order."""
    curves = _curves(data)
    pictures = [block for block in curves.blocks if isinstance(block, Picture)]
    pareto = [picture.number for picture in pictures if picture.name == "pareto"]
    grids = make_grids(data)
    number = 1 + len(pictures)
    sections = [
        verdicts_section(data),
        curves,
        evidence_section(data),
        _points(data, pareto=pareto[0] if pareto else None),
        _samples(grids, number=number),
        _breakdowns(data, number=number + (1 if grids else 0)),
        limits_section(data),
        provenance_section(data),
    ]
    return Report(
        title=data.title,
        subtitle=_subtitle(data),
        answer=_answer(data),
        sections=tuple(section for section in sections if section.blocks),
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
    said = []
    if data.findings:
        claims = len({finding.key for finding in data.findings})
        names = " and ".join(measure(name).short for name in data.alignments) or "the metrics there are"
        said.append(
            f"{claims} claims of the Imagen paper about guidance and thresholding, judged by {names}. "
            f"Of {len(data.findings)} verdicts: {count_verdicts(data.findings)}."
        )
        for verdict, intro in (("opposite", "Against the paper"), ("not resolved", "Not resolved")):
            named = dict.fromkeys(in_short(f, data) for f in data.findings if f.verdict == verdict)
            if named:
                said.append(f"{intro}: {'; '.join(named)}.")
    if len(data.complete) > 1 and data.metrics:
        said.append(f"Best of all runs, on these same samples: {'; '.join(_best(data))}.")
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


def _curves(data: ReportData) -> Section:
    blocks: list[Block] = []
    if data.metrics and any(len(curve.weights) > 1 for curve in data.curves):
        blocks.append(
            Picture(
                name="weights",
                svg=weights_figure(data),
                width=TEXT_WIDTH,
                number=1,
                caption=_WEIGHTS,
                alt="Each metric against the guidance weight; the table of all points has the numbers.",
            )
        )
    if data.distance is not None and data.alignments:
        distance, names = measure(data.distance), [measure(name).short for name in data.alignments]
        blocks.append(
            Picture(
                name="pareto",
                svg=pareto_figure(data),
                width=TEXT_WIDTH if len(data.alignments) > 1 else 0.72 * TEXT_WIDTH,
                number=1 + len(blocks),
                caption=f"{distance.title}, against {' and '.join(names)}. {_PARETO}",
                alt=f"{distance.short} against {' and '.join(names)}; the table of all points has the "
                "numbers.",
            )
        )
    return Section(title="Curves", blocks=tuple(blocks))


def _points(data: ReportData, *, pareto: int | None) -> Section:
    caption = "All complete runs, with 95 % intervals. ↑: higher is better, ↓: lower is better."
    if pareto is not None:
        caption += f" Front: the panels of Figure {pareto} in which the run is on the Pareto front."
    table = DataTable(number=1, caption=caption, table=points_table(data))
    return Section(title="All points", blocks=(table,))


def _samples(grids: tuple[Grid, ...], *, number: int) -> Section:
    if not grids:
        note = "These runs kept no samples on disk (keep_samples=none), so there is nothing to show."
        return Section(title="Samples", blocks=(Paragraph(text=note),))
    pictures = tuple(
        (
            Picture(
                name=f"samples-{index:02d}",
                svg=grid.svg,
                width=grid.width,
                number=number,
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
        "One sample per run: columns are guidance weights, rows thresholding modes, and all images of a "
        "grid start from the same noise. Shown is the first prompt of each category, not a choice by eye."
    )
    return Section(title="Samples", blocks=(Gallery(number=number, caption=caption, pictures=pictures),))


def _breakdowns(data: ReportData, *, number: int) -> Section:
    metric, chosen = primary_alignment(data), chosen_settings(data)
    categories, kinds = category_breakdown(data), kind_breakdown(data)
    if metric is None or categories is None:
        return Section(title="By category", blocks=())
    name = measure(metric).title
    blocks: list[Block] = [
        Picture(
            name="categories",
            svg=heatmap_figure("categories", categories, chosen),
            width=min(TEXT_WIDTH, 1.9 + 0.4 * len(chosen)),
            number=number,
            caption=f"{name} by category of the prompts, at a few weights (n is images per run). "
            "Categories hold few prompts: these shares describe, they do not test.",
            alt=f"{name} by category; tables/categories.csv has the numbers.",
        )
    ]
    if kinds is not None:
        blocks.append(
            Picture(
                name="kinds",
                svg=heatmap_figure("kinds", kinds, chosen),
                width=min(TEXT_WIDTH, 1.9 + 0.4 * len(chosen)),
                number=number + 1,
                caption=f"{name} by kind of fact: the share of captions claiming one in which it holds, "
                "and the share of images that the oracle could read at all (an unreadable image "
                "counts as wrong).",
                alt=f"{name} by kind of fact; tables/kinds.csv has the numbers.",
            )
        )
    return Section(title="By category and kind of fact", blocks=tuple(blocks))
