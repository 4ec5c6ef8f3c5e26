"""A comparison on disk: leaderboard and differences as JSON and CSV, the page as PDF and HTML, figures."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from drawbench_eval.analysis.leaderboard import Leaderboard
from drawbench_eval.analysis.ratings_document import RatingsDocument
from drawbench_eval.files import atomic_path, write_json, write_text
from drawbench_eval.report.compare_sections import build_comparison
from drawbench_eval.report.compare_tables import leaderboard_frame, leaderboard_json
from drawbench_eval.report.document import to_pdf
from drawbench_eval.report.html import to_html
from drawbench_eval.report.ratings_tables import rated_values
from drawbench_eval.report.spots import as_csv


def write_comparison(
    board: Leaderboard,
    folder: Path,
    *,
    title: str | None = None,
    num_prompts: int = 8,
    num_images: int = 4,
    published: bool = True,
    ratings: Sequence[RatingsDocument] = (),
) -> list[Path]:
    """Writes the comparison into `folder` and gives the paths; each file appears whole or not at all.

    Everything is made before the first file is written. Figures of an earlier page are removed.
    """
    report = build_comparison(
        board,
        title=title,
        num_prompts=num_prompts,
        num_images=num_images,
        published=published,
        ratings=ratings,
    )
    pdf, page = to_pdf(report), to_html(report)
    values = {**leaderboard_json(board), "ratings": [rated_values(document) for document in ratings]}
    written = [folder / name for name in ("report.pdf", "report.html", "leaderboard.json")]
    with atomic_path(written[0]) as temporary:
        temporary.write_bytes(pdf)
    write_text(written[1], page)
    write_json(written[2], values)
    tables = {
        "leaderboard": leaderboard_frame(board),
        "differences": pd.json_normalize(values["differences"]),
    }
    for name, table in tables.items():
        written.append(folder / f"{name}.csv")
        write_text(written[-1], as_csv(table))
    for picture in report.pictures():
        written.append(folder / "figures" / f"{picture.name}.svg")
        write_text(written[-1], picture.svg)
    for old in (folder / "figures").glob("*.svg"):
        if old not in written:
            old.unlink()
    return written
