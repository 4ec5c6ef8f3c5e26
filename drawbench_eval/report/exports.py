"""What lies beside a report for other documents: figures as SVG, PNG and CSV, tables as LaTeX."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import typst

from drawbench_eval.files import sha256_bytes
from drawbench_eval.report.blocks import DataTable, Picture, Report
from drawbench_eval.report.latex import to_latex

PNG_DOTS_PER_INCH = 200
LISTING = "files.json"
_SIZE = re.compile(r'width="(?P<width>[\d.]+)pt" height="(?P<height>[\d.]+)pt" viewBox=(?P<box>")')


def exports(report: Report) -> dict[str, bytes]:
    """Path within the report's folder -> content: `figures/<name>.{svg,png,csv}`, `tables/<name>.tex`."""
    files: dict[str, bytes] = {}
    pictures = report.pictures()
    for picture, png in zip(pictures, to_pngs(pictures), strict=True):
        files[f"figures/{picture.name}.svg"] = picture.svg.encode("utf-8")
        files[f"figures/{picture.name}.png"] = png
        if picture.data:
            files[f"figures/{picture.name}.csv"] = picture.data.encode("utf-8")
    for block in (block for section in report.sections for block in section.blocks):
        if isinstance(block, DataTable) and block.name:
            files[f"tables/{block.name}.tex"] = to_latex(block.table, block.caption).encode("utf-8")
    return files


def to_pngs(pictures: tuple[Picture, ...]) -> list[bytes]:
    """The pictures as PNG at 200 dots per inch, drawn from the very SVG that is printed."""
    if not pictures:
        return []
    with TemporaryDirectory(prefix="drawbench-eval-png-") as name:
        folder = Path(name)
        pages = []
        for index, picture in enumerate(pictures):
            svg, width, height = _whole_pixels(picture)
            (folder / f"{index}.svg").write_text(svg, encoding="utf-8")
            pages.append(f'#image("{index}.svg", width: {width}in, height: {height}in, fit: "stretch")')
        source = "#set page(width: auto, height: auto, margin: 0pt, fill: white)\n" + "#pagebreak()\n".join(
            pages
        )
        (folder / "pages.typ").write_text(source, encoding="utf-8")
        made: Any = typst.compile(
            folder / "pages.typ", root=folder, format="png", ppi=PNG_DOTS_PER_INCH, ignore_system_fonts=True
        )
    # Of one page typst gives the bytes themselves.
    return made if isinstance(made, list) else [made]


def _whole_pixels(picture: Picture) -> tuple[str, float, float]:
    """The SVG, its width and its height in inches, all a hair under whole pixels.

    typst draws an SVG at the next larger whole size and takes the nearest pixels of that: of a height of 718
    and a rounding error it would drop one of 719 rows, in the middle of letters.
    """
    size = _SIZE.search(picture.svg)
    assert size is not None, f"{picture.name}: matplotlib's SVG opens with its size"
    ratio = float(size["height"]) / float(size["width"])
    width, height = (
        max(round(side * PNG_DOTS_PER_INCH), 1) - 0.01 for side in (picture.width, picture.width * ratio)
    )
    sized = f'width="{width}" height="{height}" preserveAspectRatio="none" viewBox='
    svg = f"{picture.svg[: size.start()]}{sized}{picture.svg[size.start('box') :]}"
    return svg, width / PNG_DOTS_PER_INCH, height / PNG_DOTS_PER_INCH


def listing(files: Mapping[str, bytes]) -> dict[str, str]:
    """Path -> SHA-256, in order of path."""
    return {name: sha256_bytes(files[name]) for name in sorted(files)}


def listed(folder: Path) -> tuple[str, ...]:
    """The files that an earlier report in this folder wrote, by its listing; none where there is none.

    A name that leads out of the folder is not ours and is left alone.
    """
    path = folder / LISTING
    if not path.exists():
        return ()
    try:
        names = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not the listing of a report ({error}); delete it") from error
    return tuple(name for name in names if not Path(name).is_absolute() and ".." not in Path(name).parts)
