"""From a comparison to the sections of its page: the answer first, then figures, tables, images, limits."""

from __future__ import annotations

from drawbench_eval.analysis.collect import outside, protocol_of
from drawbench_eval.analysis.compare_words import sentences
from drawbench_eval.analysis.leaderboard import Leaderboard
from drawbench_eval.analysis.measures import DISTANCE, measure
from drawbench_eval.report.blocks import (
    Block,
    Bullets,
    DataTable,
    Gallery,
    Pairs,
    Paragraph,
    Picture,
    Report,
    Section,
)
from drawbench_eval.report.compare_pictures import Images, chosen_prompts, rows_picture, values_figure
from drawbench_eval.report.compare_tables import (
    capital,
    categories_table,
    costs_table,
    differences_table,
    leaderboard_table,
    published_table,
)
from drawbench_eval.report.numbers import setting
from drawbench_eval.report.style import TEXT_WIDTH

_HALF = TEXT_WIDTH / 2 - 0.08
_NUM_COSTLY = 8
_NAMED = 20


def build_comparison(
    board: Leaderboard, *, title: str | None, num_prompts: int, num_images: int, published: bool
) -> Report:
    """All sections that the comparison has something for, with figures and tables numbered in order."""
    images = Images(board)
    tables, figures = _Numbers(), _Numbers()
    sections = [
        _leaderboard(board, tables, figures),
        _differences(board, tables),
        _categories(board, tables),
        _side_by_side(board, images, figures, num_prompts=num_prompts, num_images=num_images),
        _costs(board, images, tables, figures),
        _published(board, tables) if published else Section(title="", blocks=()),
        _limits(board),
        _provenance(board),
    ]
    return Report(
        title=title or f"{_and(board.order)} compared",
        subtitle=_subtitle(board),
        answer=(*_warnings(board), *sentences(board)),
        sections=tuple(section for section in sections if section.blocks),
    )


class _Numbers:
    """Counts figures or tables."""

    def __init__(self) -> None:
        self.last = 0

    def next(self) -> int:
        """The next number."""
        self.last += 1
        return self.last


def _and(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"


def _subtitle(board: Leaderboard) -> str:
    counts = sorted({len(one.scores) for one in board.field.contestants})
    images = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return (
        f"{len(board.order)} sets of {images} images each, of the same {len(board.field.categories)} "
        "prompts, "
        "measured in the same way."
    )


def blind_metrics(board: Leaderboard) -> tuple[str, ...]:
    """Metrics of the scenes world's scorers, taken of prompts that are not of that world."""
    name = str(board.field.contestants[0].run.factors.get("prompts.name", ""))
    if name.startswith("scenes"):
        return ()
    return tuple(
        metric
        for metric, info in board.field.metrics.items()
        if any(str(values.get("extractor", "")).startswith("scenes") for values in info.protocols.values())
    )


def _warnings(board: Leaderboard) -> tuple[str, ...]:
    blind = blind_metrics(board)
    said = []
    if blind:
        names = " and ".join(measure(name).short for name in blind)
        said.append(
            f"What was measured here: {names}, by the small networks that come with drawbench-eval "
            "and need no "
            "download. They were trained on drawn coloured shapes and have never seen a photograph, so they "
            "tell these sets apart by colour and texture. The figures show that counting, pairing "
            "and testing "
            "work; they do not say which model draws better. For that, take metrics=[fid,clip_score]."
        )
    gaps = []
    for name in board.order:
        record = board.contestant(name).run.record
        lacking = [(kind, len(ids)) for kind, ids in (record.named if record else {}).items() if ids]
        said_of_set = [f"{number} {kind}" for kind, number in lacking if kind != "truncated_prompts"]
        if said_of_set:
            gaps.append(f"{name} ({', '.join(said_of_set)} of {len(board.contestant(name).scores)})")
    if gaps:
        said.append(f"Images that were not scored: {'; '.join(gaps)}. The last section names them.")
    return tuple(said)


def _leaderboard(board: Leaderboard, tables: _Numbers, figures: _Numbers) -> Section:
    order = measure(board.order_by).short
    blocks: list[Block] = [
        DataTable(
            number=tables.next(),
            caption=f"Every set, ordered by {order}. In small print each value's own 95 % interval, "
            "clustered by "
            "prompt. Whether two sets differ is not read off overlapping intervals but off the next table.",
            table=leaderboard_table(board),
        ),
        Picture(
            name="values",
            svg=values_figure(board),
            width=TEXT_WIDTH,
            number=figures.next(),
            caption="The same values with their 95 % intervals.",
            alt="Every metric of every set; the leaderboard has the numbers.",
        ),
    ]
    for (distance, alignment), names in board.fronts.items():
        blocks.append(
            Paragraph(
                text=f"By {measure(distance).short} and {measure(alignment).short} together, no other "
                "set is at "
                f"least as good in both and better in one than: {', '.join(names)}.",
            )
        )
    if board.field.left_out:
        said = "; ".join(
            f"{name} (not there for {', '.join(who)})" for name, who in board.field.left_out.items()
        )
        blocks.append(Paragraph(text=f"Left out, because not all sets have it: {said}.", muted=True))
    return Section(title="Leaderboard", blocks=tuple(blocks))


def _differences(board: Leaderboard, tables: _Numbers) -> Section:
    if not board.differences:
        return Section(title="Differences", blocks=())
    choices = board.choices
    families = {one.family: one.family_size for one in board.differences}
    said = ", ".join(f"{name} ({size} tests)" for name, size in families.items())
    untested = [
        measure(name).short
        for name in board.field.metrics
        if all(one.metric != name for one in board.differences)
    ]
    blocks: list[Block] = [
        DataTable(
            number=tables.next(),
            caption="Differences on the same prompts, first set minus second. Verdict: better when "
            "p, corrected by "
            f"Holm within its family, is at most {choices.alpha:g}; otherwise not resolved, which is "
            "not the same "
            "as equal. Detectable: the smallest true difference that would be found in "
            f"{100 * choices.power:g} % of "
            "such comparisons, at the family's strictest level.",
            table=differences_table(board),
        ),
        Paragraph(
            text=f"Families fixed beforehand: {said}. The pair is the prompt: each prompt's mean over "
            "its images "
            "under one model minus that under the other. For distances of whole sets it is what each "
            "prompt's "
            "images add to either value, with the reference taken as given.",
            muted=True,
        ),
    ]
    if untested:
        blocks.append(
            Paragraph(
                text=f"Not tested, as no value per prompt belongs to them: {', '.join(untested)}.", muted=True
            )
        )
    lost = [
        f"{measure(one.metric).short}, {one.a} and {one.b}: {one.paired.num_only_a + one.paired.num_only_b}"
        for one in board.differences
        if one.paired.num_only_a + one.paired.num_only_b
    ]
    if lost:
        blocks.append(
            Paragraph(text=f"Prompts that only one side has scored: {'; '.join(lost)}.", muted=True)
        )
    return Section(title="Differences", blocks=tuple(blocks))


def _categories(board: Leaderboard, tables: _Numbers) -> Section:
    blocks = [
        DataTable(
            number=tables.next(),
            caption=f"{capital(measure(metric).title)} by category: each set's mean over the "
            "category's prompts and, "
            "in small print, the estimate that is drawn towards all categories by how few prompts it "
            "rests on. "
            "These describe; they are not tests.",
            table=categories_table(board, metric),
        )
        for metric in dict.fromkeys(cell.metric for cell in board.categories)
    ]
    return Section(title="By category", blocks=tuple(blocks))


def _side_by_side(
    board: Leaderboard, images: Images, figures: _Numbers, *, num_prompts: int, num_images: int
) -> Section:
    shots = []
    for index, prompt_id in enumerate(chosen_prompts(board, num_prompts), start=1):
        chosen = [
            (name, images.of_prompt.get((name, prompt_id), [])[:num_images])
            for name in board.order
            if name in images.sets
        ]
        wide = max((len(samples) for _, samples in chosen), default=0) > 4
        drawn = rows_picture(f"prompt-{index:02d}", images, chosen, width=TEXT_WIDTH if wide else _HALF)
        if drawn is None:
            continue
        text, category = images.prompts.get(prompt_id, ""), board.field.categories[prompt_id]
        note = f"{category}, prompt {prompt_id}" if category else f"prompt {prompt_id}"
        shots.append(
            (
                Picture(
                    name=f"prompt-{index:02d}",
                    svg=drawn[0],
                    width=drawn[1],
                    number=0,
                    caption="",
                    alt=f"Images of every set for the prompt: {text}",
                ),
                text or prompt_id,
                note,
            )
        )
    if not shots:
        note = "The images of these runs are no longer on disk, so there is nothing to show."
        return Section(title="Side by side", blocks=(Paragraph(text=note),))
    caption = (
        "Images of the same prompts: a row a set, the first images of each. Prompts are the first of each "
        "category, or evenly spaced in order of their ids: not a choice by eye."
    )
    return Section(
        title="Side by side", blocks=(Gallery(number=figures.next(), caption=caption, pictures=tuple(shots)),)
    )


def _costs(board: Leaderboard, images: Images, tables: _Numbers, figures: _Numbers) -> Section:
    if not board.costs:
        return Section(title="", blocks=())
    metric = board.costs[0].metric
    name = measure(metric).short
    blocks: list[Block] = []
    chosen = []
    for set_name in board.order:
        if set_name in images.sets:
            scores = board.contestant(set_name).scores.set_index("sample_id")[metric].dropna()
            worst = scores.sort_values(ascending=False, kind="stable").head(_NUM_COSTLY).index
            by_id = {sample.sample_id: sample for sample in images.sets[set_name].samples}
            chosen.append((set_name, [by_id[one] for one in worst if one in by_id]))
    drawn = rows_picture("costly", images, chosen, width=TEXT_WIDTH) if chosen else None
    if drawn is not None:
        blocks.append(
            Picture(
                name="costly",
                svg=drawn[0],
                width=drawn[1],
                number=figures.next(),
                caption=f"The images that add most to each set's {name}, the first the most. They are "
                "those least "
                "like the reference as the extractor sees them; such an image need not be a bad one.",
                alt=f"For every set the {_NUM_COSTLY} images that add most to its {name}.",
            )
        )
    blocks.append(
        DataTable(
            number=tables.next(),
            caption=f"The prompts whose images add most to each set's {name}: about what it would "
            "fall by without "
            "them.",
            table=costs_table(board, images.prompts),
        )
    )
    return Section(title=f"What cost {name} most", blocks=tuple(blocks))


def _published(board: Leaderboard, tables: _Numbers) -> Section:
    ours = (
        "The FID above is"
        if "fid" in board.field.metrics
        else "No FID was measured above, and what was measured is"
    )
    return Section(
        title="Published results, of another protocol",
        blocks=(
            Paragraph(
                text="FID-30K on MS-COCO at 256 x 256 as Table 1 of the Imagen paper "
                "(arXiv:2205.11487) prints it. "
                f"{ours} of other prompts, other numbers of images or another reference: the two "
                "tables must not "
                "be ranked together, also where a name stands in both.",
            ),
            DataTable(
                number=tables.next(),
                caption="Published, for orientation only. The rows themselves are not of one protocol.",
                table=published_table(),
            ),
        ),
    )


def _limits(board: Leaderboard) -> Section:
    distances = [name for name in board.field.metrics if name in DISTANCE]
    elsewhere = outside(board.field.metrics)
    items = [
        (
            "These images.",
            (
                "Intervals carry the drawing of prompts and of images. Another training run, other settings "
                "or another set of prompts would differ by more than they say."
            ),
            True,
        ),
        (
            "The Fréchet distance depends on n.",
            "It is larger with fewer images; compare it only at equal n and equal protocol, as here.",
            bool(distances),
        ),
        (
            "Scores made elsewhere.",
            f"{', '.join(elsewhere)} come from files; how they were made is not checked here.",
            bool(elsewhere),
        ),
        (
            "Who is not here.",
            (
                "No human has judged these images. drawbench-eval survey makes the pages for it, "
                "drawbench-eval ratings evaluates the answers."
            ),
            True,
        ),
    ]
    return Section(
        title="Limits",
        blocks=(Bullets(items=tuple((lead, text) for lead, text, applies in items if applies)),),
    )


def _provenance(board: Leaderboard) -> Section:
    sets = []
    for name in board.order:
        run = board.contestant(name).run
        counts = run.record.counts if run.record else {}
        lacking = [
            f"{counts[key]} {key}" for key in ("missing", "unreadable", "blank", "flagged") if counts.get(key)
        ]
        sets.append(
            (
                name,
                (
                    f"run {run.run_id}, {counts.get('requested', '?')} images asked for, "
                    f"{', '.join(lacking) if lacking else 'all scored'}, guidance kind "
                    f"{setting(run.factors.get('model.guidance_kind', 'cfg'))}"
                ),
            )
        )
    blocks: list[Block] = [Pairs(title="Sets", items=tuple(sets))]
    named = []
    for name in board.order:
        record = board.contestant(name).run.record
        for kind, ids in (record.named if record else {}).items():
            if ids:
                more = f" and {len(ids) - _NAMED} more" if len(ids) > _NAMED else ""
                named.append((f"{name}: {kind}", ", ".join(ids[:_NAMED]) + more))
    if named:
        blocks.append(Pairs(title="Images that were not scored, and truncated prompts", items=tuple(named)))
    protocols = {
        metric: {
            key: value
            for key, value in protocol_of(board.field.contestants[0].entry(metric))[1].items()
            if key not in ("guidance_kind", "metric")
        }
        for metric in board.field.metrics
    }
    first = next(iter(protocols.values()))
    missing = object()
    shared = [key for key in first if all(p.get(key, missing) == first[key] for p in protocols.values())]
    common = tuple((key, setting(first[key])) for key in sorted(shared))
    blocks.append(Pairs(title="Protocol that all metrics share", items=common))
    for metric, values in protocols.items():
        own = tuple((key, setting(value)) for key, value in sorted(values.items()) if key not in shared)
        if own:
            blocks.append(Pairs(title=f"Protocol of {metric}, beside it", items=own))
    notes = tuple(
        dict.fromkeys(
            f"{metric}: {note}"
            for metric in board.field.metrics
            for one in board.field.contestants
            for note in one.entry(metric).get("notes") or []
        )
    )
    if notes:
        blocks.insert(1, Bullets(items=tuple(("", note) for note in notes), muted=True))
    return Section(title="Provenance", blocks=tuple(blocks), new_page=True)
