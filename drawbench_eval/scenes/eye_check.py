"""The oracle against an eye on generated samples: montages to judge, and the agreement printed.

    python -m drawbench_eval.scenes.eye_check montage results demo FOLDER
    python -m drawbench_eval.scenes.eye_check agreement docs/eye_check.csv

The first draws 200 samples from all points of a sweep, writes pages that show image and caption and nothing
of what the oracle said, and a CSV with an empty column `eye`. Filled in with `right` or `wrong` (whether
every fact of the caption is seen to hold), the second holds it against the oracle's answers in that CSV.
"""

from __future__ import annotations

import csv
import json
import sys
import textwrap
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image, ImageDraw

from drawbench_eval.samples import MANIFEST

NUM_SAMPLES = 200
COLUMNS = ("number", "run", "sample_id", "prompt", "oracle", "eye")
_ACROSS, _DOWN = 5, 5
_CELL_WIDTH, _CELL_HEIGHT, _SIDE = 210, 200, 144


def draw(results: Path, sweep: str, *, seed: int = 0) -> pd.DataFrame:
    """The samples to judge, spread evenly over the sweep's runs, with the oracle's answers.

    Columns COLUMNS, and `path`, the image. Raises ValueError where the sweep has no complete run.
    """
    runs = json.loads((results / "sweeps" / f"{sweep}.json").read_text())["run_ids"]
    folders = [found for run in runs for found in (results / "runs").glob(f"*-{run}")]
    tables = [_answers(folder) for folder in folders if (folder / "scores.parquet").is_file()]
    if not tables:
        raise ValueError(f"sweep {sweep}: it has no complete run under {results}")
    rng = np.random.default_rng(seed)
    shares = np.diff(np.linspace(0, NUM_SAMPLES, len(tables) + 1).astype(int))
    drawn = pd.concat(
        [table.iloc[rng.permutation(len(table))[:n]] for table, n in zip(tables, shares, strict=True)]
    )
    drawn = drawn.iloc[rng.permutation(len(drawn))].reset_index(drop=True)
    return drawn.assign(number=range(1, len(drawn) + 1), eye="")


def _answers(folder: Path) -> pd.DataFrame:
    scores = pd.read_parquet(folder / "scores.parquet").set_index("sample_id")
    manifest = pd.read_csv(folder / "samples" / MANIFEST, keep_default_na=False).set_index("sample_id")
    unreadable = scores["scenes_accuracy.unreadable"] > 0
    oracle = np.where(unreadable, "unreadable", np.where(scores["scenes_accuracy"] > 0, "right", "wrong"))
    paths = [folder / "samples" / path for path in manifest.loc[scores.index, "path"]]
    return pd.DataFrame(
        {
            "run": folder.name,
            "sample_id": scores.index,
            "prompt": list(manifest.loc[scores.index, "prompt"]),
            "oracle": oracle,
            "path": paths,
        }
    )


def write_pages(drawn: pd.DataFrame, folder: Path) -> None:
    """Numbered images with their captions, 25 a page, and the CSV to fill in."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn[list(COLUMNS)].to_csv(folder / "eye_check.csv", index=False)
    per_page = _ACROSS * _DOWN
    for page in range(0, len(drawn), per_page):
        sheet = Image.new("RGB", (_ACROSS * _CELL_WIDTH, _DOWN * _CELL_HEIGHT), "white")
        pen = ImageDraw.Draw(sheet)
        for place, row in enumerate(drawn.iloc[page : page + per_page].itertuples()):
            x, y = place % _ACROSS * _CELL_WIDTH, place // _ACROSS * _CELL_HEIGHT
            picture = Image.open(str(row.path)).resize((_SIDE, _SIDE), Image.Resampling.NEAREST)
            sheet.paste(picture, (x + 30, y + 2))
            pen.text((x + 2, y + 2), str(row.number), fill="black")
            caption = "\n".join(textwrap.wrap(str(row.prompt), 34))
            pen.text((x + 4, y + _SIDE + 4), caption, fill="black")
        sheet.save(folder / f"page-{page // per_page + 1:02d}.png")


def agreement(rows: Sequence[dict[str, str]]) -> list[str]:
    """Lines of a Markdown table: eye against oracle, and the share on which they agree.

    `unreadable` counts as wrong, as the metric counts it. Raises ValueError for a row that was not judged.
    """
    for row in rows:
        if row["eye"] not in ("right", "wrong"):
            raise ValueError(f"row {row['number']}: eye is {row['eye']!r}; it must be right or wrong")
    counts = Counter((row["eye"], row["oracle"]) for row in rows)
    answers = ("right", "wrong", "unreadable")
    lines = [
        f"| {len(rows)} samples | " + " | ".join(f"oracle: {answer}" for answer in answers) + " |",
        "|---" * (len(answers) + 1) + "|",
        *(
            f"| eye: {eye} | " + " | ".join(str(counts[eye, answer]) for answer in answers) + " |"
            for eye in ("right", "wrong")
        ),
    ]
    same = counts["right", "right"] + counts["wrong", "wrong"] + counts["wrong", "unreadable"]
    read = [row for row in rows if row["oracle"] != "unreadable"]
    among = sum(row["eye"] == row["oracle"] for row in read)
    lines += ["", f"Agreement: {same} of {len(rows)} ({100 * same / len(rows):.1f} %)"]
    if read:
        lines[-1] += f"; of what the oracle read, {among} of {len(read)} ({100 * among / len(read):.1f} %)"
    return lines


def main(argv: Sequence[str]) -> int:
    """`montage RESULTS SWEEP FOLDER` or `agreement CSV`."""
    if len(argv) == 4 and argv[0] == "montage":
        write_pages(draw(Path(argv[1]), argv[2]), Path(argv[3]))
        return 0
    if len(argv) == 2 and argv[0] == "agreement":
        with Path(argv[1]).open(newline="", encoding="utf-8") as file:
            print("\n".join(agreement(list(csv.DictReader(file)))))
        return 0
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
