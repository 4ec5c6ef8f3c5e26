"""The sections of a comparison that show images: side by side, and what cost a distance most."""

from __future__ import annotations

from drawbench_eval.analysis.leaderboard import Leaderboard
from drawbench_eval.analysis.measures import measure
from drawbench_eval.report.blocks import Block, DataTable, Paragraph, Picture, Section
from drawbench_eval.report.compare_tables import costs_table
from drawbench_eval.report.image_rows import Images, rows_gallery, rows_picture
from drawbench_eval.report.style import TEXT_WIDTH

_NUM_COSTLY = 8


def side_by_side(board: Leaderboard, images: Images, *, num_prompts: int, num_images: int) -> Section:
    """Images of the same prompts, a row a set; a sentence where none are on disk."""
    categories = board.field.categories
    gallery = rows_gallery(
        "prompt", images, categories, what="set", num_prompts=num_prompts, num_images=num_images
    )
    if gallery is None:
        note = "The images of these runs are no longer on disk, so there is nothing to show."
        return Section(title="Side by side", blocks=(Paragraph(text=note),))
    return Section(title="Side by side", blocks=(gallery,))


def costs(board: Leaderboard, images: Images) -> Section:
    """The images and the prompts that add most to each set's first distance; empty without one."""
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
                svg=drawn.svg,
                width=drawn.width,
                data=drawn.data,
                caption=f"The images that add most to each set's {name}, the first the most. They are "
                "those least like the reference as the extractor sees them; such an image need not be a "
                "bad one.",
                alt=f"For every set the {_NUM_COSTLY} images that add most to its {name}.",
            )
        )
    blocks.append(
        DataTable(
            caption=f"The prompts whose images add most to each set's {name}: about what it would fall by "
            "without them.",
            table=costs_table(board, images.prompts),
        )
    )
    return Section(title=f"What cost {name} most", blocks=tuple(blocks))
