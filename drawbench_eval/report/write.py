"""A report on disk: PDF, HTML, figures as SVG, PNG and CSV, tables as CSV and LaTeX, findings as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas as pd

from drawbench_eval.files import atomic_path
from drawbench_eval.report.ablation_sections import ablation_frame
from drawbench_eval.report.about import ABOUT, FINDINGS, about_json, findings_json
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.document import to_pdf
from drawbench_eval.report.exports import LISTING, exports, listed, listing
from drawbench_eval.report.heatmap import category_breakdown, chosen_settings, kind_breakdown
from drawbench_eval.report.html import to_html
from drawbench_eval.report.sections import build_report
from drawbench_eval.report.spots import as_csv
from drawbench_eval.report.tables import breakdown_frame, points_frame
from drawbench_eval.report.tiles import make_tiles


def write_report(data: ReportData, folder: Path) -> list[Path]:
    """Writes report.pdf, report.html, figures/*, tables/*, findings.json, about.json and files.json; the
    paths, in that order.

    Everything is made before the first file is written, and each file appears whole or not at all.
    files.json lists what was written, with hashes: what an earlier report in this folder lists and this one
    does not have is removed.
    """
    report = build_report(data)
    page = to_html(report, tiles=make_tiles(data))
    files = {"report.pdf": to_pdf(report), "report.html": page.encode("utf-8"), **exports(report)}
    for name, table in _tables(data).items():
        files[f"tables/{name}.csv"] = as_csv(table).encode("utf-8")
    files[FINDINGS] = _json(findings_json(data))
    files[ABOUT] = _json(about_json(data))
    old = [folder / name for name in listed(folder)]
    files[LISTING] = _json(listing(files))
    written = [folder / name for name in files]
    for path, content in zip(written, files.values(), strict=True):
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
    for path in old:
        if path not in written:
            path.unlink(missing_ok=True)
    return written


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode("utf-8")


def _tables(data: ReportData) -> dict[str, pd.DataFrame]:
    tables = {"points": points_frame(data)}
    if data.ablations:
        tables["ablation"] = pd.concat([ablation_frame(one) for one in data.ablations], ignore_index=True)
    data = data.shown()
    chosen = chosen_settings(data)
    categories, kinds = category_breakdown(data), kind_breakdown(data)
    if categories is not None:
        tables["categories"] = breakdown_frame(categories, chosen, "category")
    if kinds is not None:
        tables["kinds"] = breakdown_frame(kinds, chosen, "kind")
    return tables
