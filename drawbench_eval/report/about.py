"""about.json: what a report rests on, and what that took; findings.json read back."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drawbench_eval.analysis.findings import Finding
from drawbench_eval.analysis.summary import ReportedFindings
from drawbench_eval.report.data import ReportData

ABOUT, FINDINGS = "about.json", "findings.json"


@dataclass(frozen=True, kw_only=True)
class About:
    """sweep: its name, "" for all runs of a folder. seconds: of generating and scoring, by run id, as each
    run recorded them. devices: where images were made.
    """

    sweep: str
    num_planned: int
    num_images: int
    seconds: Mapping[str, float]
    devices: Sequence[str]


def about(data: ReportData) -> About:
    """Of the complete runs, as they recorded it."""
    records = {run.run_id: run.record for run in data.complete if run.record is not None}
    return About(
        sweep=data.sweep.name if data.sweep else "",
        num_planned=len(data.runs),
        num_images=sum(int(record.counts.get("generated") or 0) for record in records.values()),
        seconds={
            run_id: round(sum(float(record.timings.get(key) or 0) for key in ("generate_s", "score_s")), 3)
            for run_id, record in records.items()
        },
        devices=sorted({str(record.environment.get("device", "unknown")) for record in records.values()}),
    )


def about_json(data: ReportData) -> dict[str, Any]:
    """The same as plain values."""
    return dataclasses.asdict(about(data))


def findings_json(data: ReportData) -> list[dict[str, Any]]:
    """The findings as plain values."""
    return [
        {**dataclasses.asdict(finding), "same_samples": finding.same_samples} for finding in data.findings
    ]


def read_about(folder: Path) -> About:
    """What the report in `folder` rests on. Raises ValueError for a file that is none of this version."""
    path = folder / ABOUT
    try:
        return About(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, TypeError) as error:
        raise _unreadable(path, error) from error


def read_findings(folder: Path) -> ReportedFindings:
    """What the report in `folder` found. Raises ValueError for a file that is none of this version."""
    path, sweep = folder / FINDINGS, read_about(folder).sweep
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))
        findings = tuple(_finding(row) for row in rows)
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, TypeError, AttributeError) as error:
        raise _unreadable(path, error) from error
    return ReportedFindings(name=folder.name, sweep=sweep, findings=findings)


def _finding(row: Mapping[str, Any]) -> Finding:
    values = {key: value for key, value in row.items() if key != "same_samples"}
    ci95 = values.get("ci95")
    return Finding(**{**values, "ci95": None if ci95 is None else (float(ci95[0]), float(ci95[1]))})


def _unreadable(path: Path, error: Exception) -> ValueError:
    return ValueError(f"{path}: not as drawbench-eval report writes it now ({error}); make that report again")
