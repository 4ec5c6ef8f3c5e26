"""A report on disk: PDF, HTML, every figure as SVG, tables as CSV, findings as JSON."""

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd

from drawbench_eval.files import atomic_path, write_json, write_text
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.document import to_pdf
from drawbench_eval.report.heatmap import category_breakdown, chosen_settings, kind_breakdown
from drawbench_eval.report.html import to_html
from drawbench_eval.report.sections import build_report
from drawbench_eval.report.tables import breakdown_frame, points_frame

_OURS = ("figures/pareto.svg", "figures/weights.svg", "figures/categories.svg", "figures/kinds.svg")


def write_report(data: ReportData, folder: Path) -> list[Path]:
    """Writes report.pdf, report.html, figures/*.svg, tables/*.csv and findings.json; the paths, in that
    order.

    Everything is made before the first file is written, and each file appears whole or not at all.
    Figures that an earlier report left in the folder and this one does not have are removed.
    """
    report = build_report(data)
    pdf, page = to_pdf(report), to_html(report)
    tables = _tables(data)
    written = [folder / "report.pdf", folder / "report.html"]
    with atomic_path(written[0]) as temporary:
        temporary.write_bytes(pdf)
    write_text(written[1], page)
    for picture in report.pictures():
        written.append(folder / "figures" / f"{picture.name}.svg")
        write_text(written[-1], picture.svg)
    for name, table in tables.items():
        written.append(folder / "tables" / f"{name}.csv")
        write_text(written[-1], table.to_csv(index=False, lineterminator="\n"))
    written.append(folder / "findings.json")
    write_json(written[-1], findings_json(data))
    for old in (*(folder / name for name in _OURS), *(folder / "figures").glob("samples-[0-9][0-9].svg")):
        if old not in written:
            old.unlink(missing_ok=True)
    return written


def findings_json(data: ReportData) -> list[dict[str, Any]]:
    """The findings as plain values."""
    return [
        {**dataclasses.asdict(finding), "same_samples": finding.same_samples} for finding in data.findings
    ]


def _tables(data: ReportData) -> dict[str, pd.DataFrame]:
    tables = {"points": points_frame(data)}
    chosen = chosen_settings(data)
    categories, kinds = category_breakdown(data), kind_breakdown(data)
    if categories is not None:
        tables["categories"] = breakdown_frame(categories, chosen, "category")
    if kinds is not None:
        tables["kinds"] = breakdown_frame(kinds, chosen, "kind")
    return tables
