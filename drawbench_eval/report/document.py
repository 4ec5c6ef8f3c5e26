"""The report as PDF: a typst template filled from JSON, with the figures as vector graphics."""

import dataclasses
import json
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typst

from drawbench_eval.report.blocks import Block, DataTable, Gallery, Report

# Nothing of the document shows it; a fixed one makes the same report the same bytes.
_TIMESTAMP = 0


def to_pdf(report: Report) -> bytes:
    """The PDF, the same bytes for the same report: no clock, and no fonts but those that typst brings."""
    with TemporaryDirectory(prefix="drawbench-eval-report-") as name:
        folder = Path(name)
        template = files("drawbench_eval.report") / "templates" / "report.typ"
        (folder / "report.typ").write_text(template.read_text(encoding="utf-8"), encoding="utf-8")
        (folder / "report.json").write_text(json.dumps(as_json(report)), encoding="utf-8")
        (folder / "figures").mkdir()
        for picture in report.pictures():
            (folder / "figures" / f"{picture.name}.svg").write_text(picture.svg, encoding="utf-8")
        pdf = typst.compile(
            folder / "report.typ",
            root=folder,
            format="pdf",
            sys_inputs={"data": "report.json"},
            ignore_system_fonts=True,
            timestamp=_TIMESTAMP,
        )
    assert isinstance(pdf, bytes)
    return pdf


def as_json(report: Report) -> dict[str, Any]:
    """The report as plain values for a template, without the figures themselves."""
    return {
        "title": report.title,
        "subtitle": report.subtitle,
        "footer": report.title,
        "answer": list(report.answer),
        "sections": [
            {
                "title": section.title,
                "new_page": section.new_page,
                "blocks": [_block_json(block) for block in section.blocks],
            }
            for section in report.sections
        ],
    }


def _block_json(block: Block) -> dict[str, Any]:
    if isinstance(block, DataTable) and block.printed is not None:
        block = dataclasses.replace(block, table=block.printed, printed=None)
    values = dataclasses.asdict(block)
    pictures = [picture for picture, _, _ in values["pictures"]] if isinstance(block, Gallery) else [values]
    for picture in pictures:
        for key in ("svg", "data", "spots"):
            picture.pop(key, None)
    return {"kind": block.kind, **values}
