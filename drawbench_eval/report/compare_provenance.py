"""The last sections of a comparison: what it does not say, and where its numbers come from."""

from __future__ import annotations

from drawbench_eval.analysis.collect import outside, protocol_of
from drawbench_eval.analysis.leaderboard import Leaderboard
from drawbench_eval.analysis.measures import DISTANCE
from drawbench_eval.report.blocks import Block, Bullets, Pairs, Section
from drawbench_eval.report.numbers import setting

_NAMED = 20


def limits(board: Leaderboard, *, is_rated: bool) -> Section:
    """What these numbers do not say; `is_rated` where raters judged the sets."""
    distances = [name for name in board.field.metrics if name in DISTANCE]
    elsewhere = outside(board.field.metrics)
    items = [
        (
            "These images.",
            (
                "Intervals carry the drawing of prompts and of images. Another training run, other "
                "settings or another set of prompts would differ by more than they say."
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
                "drawbench-eval ratings evaluates the answers, compare.ratings puts them here."
            ),
            not is_rated,
        ),
        (
            "What raters saw.",
            (
                "Ratings name models and prompts. That raters were shown these very images, and not others "
                "of the same models, is not checked here."
            ),
            is_rated,
        ),
    ]
    return Section(
        title="Limits",
        blocks=(Bullets(items=tuple((lead, text) for lead, text, applies in items if applies)),),
    )


def provenance(board: Leaderboard) -> Section:
    """Runs, what was not scored and by name, and the protocol of every metric."""
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
