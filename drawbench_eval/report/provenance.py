"""The page from which the runs can be repeated and checked: commands, settings, protocols, inputs,
versions, counts.
"""

import shlex
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from drawbench_eval.analysis.collect import Run, common, comparable, protocol_of, varying
from drawbench_eval.analysis.paired import num_shared
from drawbench_eval.report.blocks import Block, Commands, DataTable, Pairs, Paragraph, Section
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.numbers import duration, setting
from drawbench_eval.report.tables import Cell, Table
from drawbench_eval.runs.identity import flatten

_MAX_NAMED = 20


def provenance_section(data: ReportData) -> Section:
    """Everything that was recorded, common values once and differing ones marked."""
    records = [run.record for run in data.complete if run.record is not None]
    said = [_counts(data), _pairing(data)]
    blocks: list[Block] = [Paragraph(text=text) for text in said if text]
    if data.incomplete:
        blocks.append(_incomplete(data.incomplete))
    if data.sweep is not None:
        overrides = [shlex.quote(override) for override in data.sweep.created_from]
        place = [override for override in overrides if override.startswith("results=")]
        evaluate = ["drawbench-eval evaluate -m", *overrides]
        report = ["drawbench-eval report", *place, f"sweep={shlex.quote(data.sweep.name)}"]
        blocks.append(Commands(lines=(" ".join(evaluate), " ".join(report))))
    varied = varying(data.runs)
    blocks += [
        Pairs(
            title="Settings that vary",
            items=tuple((key, _distinct(run.factors.get(key) for run in data.complete)) for key in varied),
        ),
        Pairs(
            title="Settings that all runs share",
            items=tuple((key, setting(value)) for key, value in common(data.runs).items()),
        ),
    ]
    blocks += [Pairs(title=f"Protocol of {name}", items=_protocols(data, name)) for name in data.metrics]
    blocks += [
        Pairs(title="Inputs", items=_joined(flatten(record.inputs) for record in records)),
        Pairs(title="Environment", items=_joined(flatten(record.environment) for record in records)),
    ]
    named = _named(data)
    if named:
        blocks.append(Pairs(title="Images that were not scored, and truncated prompts", items=named))
    kept = tuple(block for block in blocks if not isinstance(block, Pairs) or block.items)
    return Section(title="Provenance", blocks=kept, new_page=True)


def _counts(data: ReportData) -> str:
    statuses = Counter(run.status for run in data.runs)
    parts = [f"{count} {status}" for status, count in statuses.items()]
    records = [run.record for run in data.complete if run.record is not None]
    totals: Counter[str] = Counter()
    for record in records:
        totals.update(record.counts)
    seconds = sum(
        float(record.timings.get(key) or 0) for record in records for key in ("generate_s", "score_s")
    )
    came = "found" if data.made_elsewhere else "made"
    text = (
        f"Of {len(data.runs)} planned runs: {', '.join(parts)}. The complete ones asked for "
        f"{totals['requested']} images and {came} {totals['generated']}; "
        f"{totals['missing']} are missing, {totals['unreadable']} unreadable, and "
        f"{totals['truncated_prompts']} times a prompt was longer than the model reads."
    )
    return f"{text} Generating and scoring took {duration(seconds)} in all." if seconds else text


def _pairing(data: ReportData) -> str:
    """Whether every sample id stands for one prompt and seed in all runs; "" for one run."""
    if data.unpaired or len(data.complete) < 2:
        return data.unpaired
    if data.made_elsewhere:
        return (
            f"{num_shared(data.scores)} sample ids stand in all runs, so runs are compared pair by pair. "
            "Images that were made elsewhere need not share seeds: pairs share the prompt alone."
        )
    seeds: dict[str, tuple[str, int]] = {}
    for scores in data.scores.values():
        rows = zip(scores["sample_id"], scores["prompt_id"], scores["seed"], strict=True)
        for sample, prompt, seed in rows:
            if seeds.setdefault(sample, (prompt, seed)) != (prompt, seed):
                return f"Sample {sample} has another prompt or seed in some runs: pairs share no noise."
    return "Every sample id has the same prompt and seed in all runs, so runs are compared pair by pair."


def _incomplete(runs: Iterable[Run]) -> DataTable:
    rows = tuple(
        tuple(Cell(text=text, key=text) for text in (run.label, run.run_id, run.status, run.reason))
        for run in runs
    )
    columns = ("Label", "Run", "Status", "Reason")
    table = Table(columns=columns, notes=("",) * 4, rows=rows)
    return DataTable(name="incomplete", caption="Planned runs that are not in the figures.", table=table)


def _distinct(values: Iterable[Any]) -> str:
    seen = {comparable(value): value for value in values}
    return ", ".join(setting(value) for value in seen.values())


def _protocols(data: ReportData, name: str) -> tuple[tuple[str, str], ...]:
    found: dict[str, Mapping[str, Any]] = {}
    for run in data.complete:
        if name in run.metrics:
            protocol_id, values = protocol_of(run.metrics[name])
            found[protocol_id] = values
    items = []
    for protocol_id, values in found.items():
        items.append(("id", protocol_id))
        items += [(key, setting(value)) for key, value in sorted(values.items())]
    return tuple(items)


def _joined(tables: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """Keys with their one value, or with each value and how many runs have it."""
    values: dict[str, Counter[str]] = {}
    for table in tables:
        for key, value in table.items():
            values.setdefault(key, Counter())[setting(value)] += 1
    return tuple(
        (key, next(iter(seen)) if len(seen) == 1 else "; ".join(f"{v} ({n} runs)" for v, n in seen.items()))
        for key, seen in values.items()
    )


def _named(data: ReportData) -> tuple[tuple[str, str], ...]:
    items = []
    for run in data.complete:
        for kind, names in (run.record.named if run.record else {}).items():
            if names:
                more = f" and {len(names) - _MAX_NAMED} more" if len(names) > _MAX_NAMED else ""
                items.append((f"{run.label}: {kind}", ", ".join(names[:_MAX_NAMED]) + more))
    return tuple(items)
