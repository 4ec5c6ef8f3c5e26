"""From a comparison to the sections of its page: the answer first, then figures, tables, images, limits."""

from __future__ import annotations

from collections.abc import Sequence

from drawbench_eval.analysis.compare_words import sentences
from drawbench_eval.analysis.findings import in_series
from drawbench_eval.analysis.leaderboard import Leaderboard
from drawbench_eval.analysis.measures import measure
from drawbench_eval.analysis.ratings_document import RatingsDocument
from drawbench_eval.report.blocks import (
    Block,
    Bullets,
    DataTable,
    Paragraph,
    Picture,
    Report,
    Section,
)
from drawbench_eval.report.compare_pictures import values_figure
from drawbench_eval.report.compare_provenance import limits, provenance
from drawbench_eval.report.compare_samples import costs, side_by_side
from drawbench_eval.report.compare_tables import (
    capital,
    categories_table,
    differences_table,
    leaderboard_table,
    published_table,
)
from drawbench_eval.report.evidence import tied
from drawbench_eval.report.image_rows import Images
from drawbench_eval.report.limits import blind_metrics, said_of_blind
from drawbench_eval.report.numbering import numbered
from drawbench_eval.report.ratings_section import ratings_section, ratings_sentences
from drawbench_eval.report.style import TEXT_WIDTH


def build_comparison(
    board: Leaderboard,
    *,
    title: str | None,
    num_prompts: int,
    num_images: int,
    published: bool,
    ratings: Sequence[RatingsDocument] = (),
) -> Report:
    """All sections that the comparison has something for, with figures and tables numbered in order."""
    images = Images(
        {
            name: run.folder / "samples"
            for name in board.order
            if (run := board.contestant(name).run).folder is not None
        }
    )
    sections = [
        _leaderboard(board),
        ratings_section(ratings),
        _differences(board),
        _categories(board),
        side_by_side(board, images, num_prompts=num_prompts, num_images=num_images),
        costs(board, images),
        _published(board) if published else Section(title="", blocks=()),
        limits(board, is_rated=bool(ratings)),
        provenance(board),
    ]
    return Report(
        title=title or f"{in_series(board.order)} compared",
        subtitle=_subtitle(board),
        answer=tuple(
            tied(text) for text in (*_warnings(board), *ratings_sentences(ratings), *sentences(board))
        ),
        sections=numbered(sections),
    )


def _subtitle(board: Leaderboard) -> str:
    counts = sorted({len(one.scores) for one in board.field.contestants})
    images = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    return (
        f"{len(board.order)} sets of {images} images each, of the same {len(board.field.categories)} "
        "prompts, measured in the same way."
    )


def _warnings(board: Leaderboard) -> tuple[str, ...]:
    blind = blind_metrics([one.run for one in board.field.contestants], board.field.metrics)
    said = [said_of_blind(blind)] if blind else []
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


def _leaderboard(board: Leaderboard) -> Section:
    order = measure(board.order_by).short
    blocks: list[Block] = [
        DataTable(
            caption=f"Every set, ordered by {order}. In small print each value's own 95 % interval, "
            "clustered by prompt. Whether two sets differ is not read off overlapping intervals but off "
            "the next table.",
            table=leaderboard_table(board),
        ),
        Bullets(
            items=tuple(
                (f"{capital(measure(name).short)}:", measure(name).meaning)
                for name in board.field.metrics
                if measure(name).meaning
            ),
            muted=True,
        ),
        Picture(
            name="values",
            svg=values_figure(board),
            width=TEXT_WIDTH,
            caption="The same values with their 95 % intervals.",
            alt="Every metric of every set; the leaderboard has the numbers.",
        ),
    ]
    for (distance, alignment), names in board.fronts.items():
        blocks.append(
            Paragraph(
                text=f"By {measure(distance).short} and {measure(alignment).short} together, no other set "
                f"is at least as good in both and better in one than: {', '.join(names)}.",
            )
        )
    if board.field.left_out:
        said = "; ".join(
            f"{name} (not there for {', '.join(who)})" for name, who in board.field.left_out.items()
        )
        blocks.append(Paragraph(text=f"Left out, because not all sets have it: {said}.", muted=True))
    return Section(title="Leaderboard", blocks=tuple(blocks))


def _differences(board: Leaderboard) -> Section:
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
            caption="Differences on the same prompts, first set minus second. Verdict: better when p, "
            f"corrected by Holm within its family, is at most {choices.alpha:g}; otherwise not resolved, "
            "which is not the same as equal. Detectable: the smallest true difference that would be found "
            f"in {100 * choices.power:g} % of such comparisons, at the family's strictest level.",
            table=differences_table(board),
        ),
        Paragraph(
            text=f"Families fixed beforehand: {said}. The pair is the prompt: each prompt's mean over its "
            "images under one model minus that under the other. For distances of whole sets it is what "
            "each prompt's images add to either value, with the reference taken as given.",
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


def _categories(board: Leaderboard) -> Section:
    blocks = [
        DataTable(
            caption=f"{capital(measure(metric).title)} by category: each set's mean over the category's "
            "prompts and, in small print, the estimate that is drawn towards all categories by how few "
            "prompts it rests on. These describe; they are not tests.",
            table=categories_table(board, metric),
        )
        for metric in dict.fromkeys(cell.metric for cell in board.categories)
    ]
    return Section(title="By category", blocks=tuple(blocks))


def _published(board: Leaderboard) -> Section:
    ours = (
        "The FID above is"
        if "fid" in board.field.metrics
        else "No FID was measured above, and what was measured is"
    )
    return Section(
        title="Published results, of another protocol",
        blocks=(
            Paragraph(
                text="FID-30K on MS-COCO at 256 x 256 as Table 1 of the Imagen paper (arXiv:2205.11487) "
                f"prints it. {ours} of other prompts, other numbers of images or another reference: the "
                "two tables must not be ranked together, also where a name stands in both. Of Latent "
                "Diffusion and VQ-GAN+CLIP, which Imagen was compared with too, the paper prints no FID.",
            ),
            DataTable(
                caption="Published, for orientation only. The rows themselves are not of one protocol.",
                table=published_table(),
            ),
        ),
    )
