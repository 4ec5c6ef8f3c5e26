"""The section of `selection=split`: the weight that one seed chose, and what another seed gives there."""

from __future__ import annotations

from drawbench_eval.analysis.collect import interval
from drawbench_eval.analysis.measures import measure
from drawbench_eval.analysis.selection import SEED
from drawbench_eval.report.blocks import DataTable, Section
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.numbers import column_decimals, fixed
from drawbench_eval.report.tables import Cell, Table


def selection_section(data: ReportData) -> Section:
    """A table of the choices; empty where none were asked for."""
    title = "Chosen on other samples"
    if not data.choices:
        return Section(title=title, blocks=())
    first = data.choices[0]
    seeds = (first.chosen_on.factors[SEED], first.reported.factors[SEED])
    caption = (
        f"The guidance weight of each curve, chosen by each metric on the runs of seed {seeds[0]} and "
        f"measured on those of seed {seeds[1]}, whose samples had no say: what the best setting gives, with "
        "no bonus for having been picked. The protocol's id says selection=split."
    )
    digits = {
        choice.metric: column_decimals(
            interval(one.reported.metrics[one.metric]) for one in data.choices if one.metric == choice.metric
        )
        for choice in data.choices
    }
    rows = []
    for order, choice in enumerate(data.choices):
        ours, theirs = (
            fixed(float(run.metrics[choice.metric]["value"]), digits[choice.metric])
            for run in (choice.chosen_on, choice.reported)
        )
        low, high = interval(choice.reported.metrics[choice.metric])
        places = digits[choice.metric]
        rows.append(
            (
                Cell(text=choice.curve, key=order),
                Cell(text=measure(choice.metric).short, key=choice.metric),
                Cell(text=f"{choice.weight:g}", key=choice.weight),
                Cell(text=ours, key=float(choice.chosen_on.metrics[choice.metric]["value"])),
                Cell(
                    text=theirs,
                    detail=f"{fixed(low, places)} to {fixed(high, places)}",
                    key=float(choice.reported.metrics[choice.metric]["value"]),
                ),
                Cell(text=choice.protocol_id, key=choice.protocol_id),
            )
        )
    columns = ("Curve", "Metric", "w", f"seed {seeds[0]}", f"seed {seeds[1]}", "Protocol")
    table = Table(columns=columns, notes=("", "", "chosen", "chose", "measured", ""), rows=tuple(rows))
    return Section(
        title=title,
        blocks=(DataTable(name="selection", caption=caption, table=table, printed=None),),
    )
