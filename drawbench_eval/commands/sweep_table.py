"""The table at the end of a sweep: a line a point and metric, on stdout."""

import sys

from drawbench_eval.runs.sweep import Records, SweepRecord


def print_table(record: SweepRecord, records: Records) -> None:
    """What each point varies, every metric with its interval, and the protocol's id; `*` marks the best."""
    from rich.console import Console
    from rich.table import Table

    table = Table("point", "metric", "value", "95 % interval", "n", "protocol")
    best = _best(records)
    for point, run_id in zip(record.points, record.run_ids, strict=True):
        run = records[run_id]
        if run is None or run.status != "complete":
            table.add_row(point, "", "failed" if run else "not over", "", "", "")
            continue
        for name, entry in run.metrics.items():
            low, high = (("" if bound is None else f"{bound:.4g}") for bound in entry["ci95"])
            value = "undefined" if entry["value"] is None else f"{entry['value']:.6g}"
            mark = " *" if best.get(name) == run_id else ""
            protocol = entry["protocol"]["id"]
            table.add_row(point, name, value + mark, f"{low} to {high}", str(entry["n"]), protocol)
    # Into a file or a pipe nothing is wrapped.
    Console(width=None if sys.stdout.isatty() else 240).print(table)
    if best:
        print(
            "* the best of these points, picked on these same samples and so too good; with seed=0,1 in the"
        )
        print("  sweep, `report selection=split` measures what one seed chose on the other")


def _best(records: Records) -> dict[str, str]:
    """Metric -> the run that is best in it; nothing where there is no choice."""
    found: dict[str, list[tuple[float, str]]] = {}
    for run_id, run in records.items():
        for name, entry in run.metrics.items() if run is not None and run.status == "complete" else ():
            if entry["value"] is not None:
                sign = -1.0 if entry["higher_is_better"] else 1.0
                found.setdefault(name, []).append((sign * entry["value"], run_id))
    return {name: min(values)[1] for name, values in found.items() if len(values) > 1}
