"""The tables of a comparison, as rows of text and as plain values for leaderboard.json and .csv."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from drawbench_eval.analysis.collect import interval, protocol_of
from drawbench_eval.analysis.compare_words import category_leaders, effect
from drawbench_eval.analysis.leaderboard import Difference, Leaderboard
from drawbench_eval.analysis.measures import measure
from drawbench_eval.analysis.published_results import published_fid30k
from drawbench_eval.report.numbers import column_decimals, fixed
from drawbench_eval.report.tables import Cell, Table

SCHEMA_VERSION = 1
_UNDEFINED = -1e308


def capital(text: str) -> str:
    """The text with a large first letter."""
    return text[:1].upper() + text[1:]


def leaderboard_table(board: Leaderboard) -> Table:
    """A row a set, the best of the ordering metric first; every metric with its own 95 % interval."""
    names = list(board.field.metrics)
    digits = {
        name: column_decimals(interval(one.entry(name)) for one in board.field.contestants) for name in names
    }
    rows = []
    for place, set_name in enumerate(board.order):
        one = board.contestant(set_name)
        cells = [Cell(text=set_name, key=place)]
        for name in names:
            entry = one.entry(name)
            if entry["value"] is None:
                cells.append(Cell(text="–", key=_UNDEFINED))
                continue
            low, high = interval(entry)
            value = float(entry["value"])
            detail = "" if math.isnan(low) else f"{fixed(low, digits[name])} to {fixed(high, digits[name])}"
            cells.append(Cell(text=fixed(value, digits[name]), detail=detail, key=value))
        scored = [int(one.entry(name)["n"]) for name in names]
        cells.append(Cell(text=str(len(one.scores)), key=len(one.scores)))
        cells.append(Cell(text=str(min(scored)), key=min(scored)))
        rows.append(tuple(cells))
    titles = [capital(measure(name).short) for name in names]
    ways = [
        "↑ higher is better" if board.field.metrics[n].higher_is_better else "↓ lower is better"
        for n in names
    ]
    return Table(
        columns=("Set", *titles, "Images", "Scored"),
        notes=("", *ways, "", "by all" if len(names) > 1 else ""),
        rows=tuple(rows),
    )


def differences_table(board: Leaderboard) -> Table:
    """A row a metric and pair: difference, interval, p by Holm, verdict, and what could have been found."""
    rows = []
    for one in board.differences:
        digits = column_decimals([one.ci95])
        low, high = one.ci95
        rows.append(
            (
                Cell(text=capital(measure(one.metric).short), key=one.metric),
                Cell(text=f"{one.a} − {one.b}", key=f"{one.a} {one.b}"),
                Cell(
                    text=_signed(one.value, digits),
                    detail="on every prompt"
                    if effect(one).is_constant
                    else f"{_signed(low, digits)} to {_signed(high, digits)}",
                    key=_key(one.value),
                ),
                Cell(text=_p(one.p_holm), key=1.0 if math.isnan(one.p_holm) else one.p_holm),
                Cell(text=verdict(one), key=verdict(one)),
                Cell(text=fixed(one.detectable, digits), key=_key(one.detectable)),
                Cell(text=str(one.paired.difference.num_clusters), key=one.paired.difference.num_clusters),
            )
        )
    columns = ("Metric", "Pair", "Difference", "p", "Verdict", "Detectable", "Prompts")
    notes = ("", "", "95 % interval", "Holm", "", "at this n", "")
    return Table(columns=columns, notes=notes, rows=tuple(rows), grouped=True)


def verdict(one: Difference) -> str:
    """'A better', 'not resolved', with equivalence where asked for; 'equal' where no prompt differs."""
    if effect(one).is_constant:
        return "equal" if effect(one).is_zero else "no spread to test"
    said = f"{one.better} better" if one.better else "not resolved"
    if one.equivalent is None:
        return said
    return f"{said}; {'equivalent' if one.equivalent else 'not shown equivalent'} within {one.margin:g}"


def categories_table(board: Leaderboard, metric: str) -> Table:
    """A row a category: prompts, each set's mean with its shrunken estimate, and who leads."""
    cells = [cell for cell in board.categories if cell.metric == metric]
    leaders = category_leaders(board, metric)
    by = {(cell.found.category, cell.name): cell for cell in cells}
    digits = column_decimals(cell.found.interval for cell in cells)
    rows = []
    for category, leading in leaders.items():
        best = leading[0] if len(leading) == 1 else f"{len(leading)} equal"
        own = [by.get((category, name)) for name in board.order]
        count = max(cell.found.num_prompts for cell in own if cell is not None)
        rows.append(
            (
                Cell(text=category, key=category),
                Cell(text=str(count), key=count),
                *(
                    Cell(text="–", key=_UNDEFINED)
                    if cell is None
                    else Cell(
                        text=fixed(cell.found.mean, digits),
                        detail=fixed(cell.found.shrunken, digits),
                        key=_key(cell.found.mean),
                    )
                    for cell in own
                ),
                Cell(text=best, key=best),
            )
        )
    notes = ("", "", *("mean, shrunken" for _ in board.order), "")
    return Table(columns=("Category", "Prompts", *board.order, "Best mean"), notes=notes, rows=tuple(rows))


def costs_table(board: Leaderboard, prompts: dict[str, str]) -> Table:
    """The prompts that add most to each set's distance."""
    digits = column_decimals([(-abs(cost.added), abs(cost.added)) for cost in board.costs]) + 1
    rows = tuple(
        (
            Cell(text=cost.name, key=board.order.index(cost.name)),
            Cell(text=_short(prompts.get(cost.prompt_id) or cost.prompt_id), key=cost.prompt_id),
            Cell(text=_signed(cost.added, digits), key=_key(cost.added)),
        )
        for cost in sorted(board.costs, key=lambda cost: board.order.index(cost.name))
    )
    return Table(columns=("Set", "Prompt", "Adds"), notes=("", "", "about"), rows=rows, grouped=True)


def published_table() -> Table:
    """Table 1 of the paper."""
    rows = tuple(
        (
            Cell(text=one.model, key=one.model),
            Cell(text=one.trained_on, key=one.trained_on),
            Cell(text=f"{one.fid_30k:.2f}", key=one.fid_30k),
            Cell(text=one.note or "–", key=one.note),
        )
        for one in published_fid30k()
    )
    return Table(columns=("Model", "Trained", "FID-30K", "Remark"), notes=("", "", "↓", ""), rows=rows)


def leaderboard_json(board: Leaderboard) -> dict[str, Any]:
    """What leaderboard.json holds; null for what is undefined."""
    choices = board.choices
    return {
        "schema_version": SCHEMA_VERSION,
        "sets": [
            {
                "name": name,
                "run_id": one.run.run_id,
                "label": one.run.label,
                "num_samples": len(one.scores),
                "guidance_kind": one.run.factors.get("model.guidance_kind"),
                "counts": dict(one.run.record.counts) if one.run.record else {},
                "named": dict(one.run.record.named) if one.run.record else {},
            }
            for name in board.order
            for one in [board.contestant(name)]
        ],
        "order_by": board.order_by,
        "choices": {
            "baseline": choices.baseline,
            "families": {name: list(metrics) for name, metrics in choices.families.items()},
            "equivalence": dict(choices.equivalence),
            "alpha": choices.alpha,
            "power": choices.power,
        },
        "results": leaderboard_rows(board),
        "differences": [_difference_json(one) for one in board.differences],
        "categories": [
            {
                "metric": c.metric,
                "category": c.found.category,
                "set": c.name,
                "num_prompts": c.found.num_prompts,
                "mean": _number(c.found.mean),
                "shrunken": _number(c.found.shrunken),
                "ci95_shrunken": _pair(c.found.interval),
            }
            for c in board.categories
        ],
        "fronts": [
            {"distance": distance, "alignment": alignment, "sets": list(names)}
            for (distance, alignment), names in board.fronts.items()
        ],
        "costs": [
            {"metric": c.metric, "set": c.name, "prompt_id": c.prompt_id, "added": _number(c.added)}
            for c in board.costs
        ],
        "left_out": {name: list(absent) for name, absent in board.field.left_out.items()},
        "published": [
            {
                "model": one.model,
                "trained_on": one.trained_on,
                "metric": "FID-30K",
                "value": one.fid_30k,
                "source": one.source,
                "note": one.note,
                "protocol": "another; not comparable",
            }
            for one in published_fid30k()
        ],
    }


def leaderboard_rows(board: Leaderboard) -> list[dict[str, Any]]:
    """A row a set and metric: what leaderboard.csv holds."""
    rows = []
    for name in board.order:
        one = board.contestant(name)
        for metric, info in board.field.metrics.items():
            entry = one.entry(metric)
            low, high = interval(entry)
            rows.append(
                {
                    "set": name,
                    "run_id": one.run.run_id,
                    "metric": metric,
                    "value": entry["value"],
                    "ci95": _pair((low, high)),
                    "n": int(entry["n"]),
                    "num_unscored": int(entry.get("num_unscored") or 0),
                    "higher_is_better": info.higher_is_better,
                    "unit": info.unit,
                    "protocol": protocol_of(entry)[0],
                    "notes": list(entry.get("notes") or []),
                }
            )
    return rows


def leaderboard_frame(board: Leaderboard) -> pd.DataFrame:
    """The rows as a table, with the interval in two columns."""
    rows = [
        {
            **row,
            "ci95": None,
            "ci95_low": row["ci95"][0],
            "ci95_high": row["ci95"][1],
            "notes": "; ".join(row["notes"]),
        }
        for row in leaderboard_rows(board)
    ]
    return pd.DataFrame(rows).drop(columns="ci95")


def _difference_json(one: Difference) -> dict[str, Any]:
    estimate = one.paired.difference
    return {
        "metric": one.metric,
        "a": one.a,
        "b": one.b,
        "value": _number(one.value),
        "ci95": _pair(one.ci95),
        "standard_error": _number(estimate.standard_error),
        "num_prompts": estimate.num_clusters,
        "kind": one.kind,
        "family": one.family,
        "family_size": one.family_size,
        "p": _number(one.p_value),
        "p_holm": _number(one.p_holm),
        "better": one.better,
        "detectable": _number(one.detectable),
        "margin": one.margin,
        "equivalent": one.equivalent,
        "num_prompts_only_a": one.paired.num_only_a,
        "num_prompts_only_b": one.paired.num_only_b,
    }


def _key(value: float) -> float:
    return value if math.isfinite(value) else _UNDEFINED


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _pair(interval_: tuple[float, float]) -> list[float | None]:
    return [_number(bound) for bound in interval_]


def _signed(value: float, digits: int) -> str:
    return ("+" if value > 0 else "") + fixed(value, digits)


def _p(p: float) -> str:
    if math.isnan(p):
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _short(text: str) -> str:
    return text if len(text) <= 70 else text[:69] + "…"
