"""`drawbench-eval report` on runs whose images stayed where they were, and what it refuses."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import Run
from PIL import Image

PROMPTS = {"p0": "a", "p1": "b", "p2": "a", "p3": "b"}


@pytest.fixture
def evaluated(run: Run, tmp_path: Path) -> Path:
    """A run of images in a folder of somebody else; p1's are black, as where a filter struck."""
    table = pd.DataFrame({"id": list(PROMPTS), "prompt": list(PROMPTS), "category": list(PROMPTS.values())})
    table.to_csv(tmp_path / "prompts.csv", index=False)
    (tmp_path / "theirs").mkdir()
    rng = np.random.default_rng(0)
    for identity in PROMPTS:
        for sample in range(2):
            pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8) * (identity != "p1")
            Image.fromarray(pixels).save(tmp_path / "theirs" / f"{identity}_{sample}.png")
    done = run(
        "evaluate", "model=folder", "model.path=theirs", 'model.pattern="{prompt_id}_{sample}.png"',
        "prompts=file", "prompts.path=prompts.csv", "prompts.columns.id=id",
        "prompts.columns.category=category", "reference=none", "metrics=[diversity]",
        "metrics.diversity.extractor=scenes",
    )  # fmt: skip
    assert done.code == 0, done.err
    return tmp_path


def test_images_that_stayed_where_they_were_are_shown(run: Run, evaluated: Path) -> None:
    done = run("report", "output=page")
    assert done.code == 0, done.err
    # The first of category b is black: nothing of it is shown.
    shown = sorted(path.name for path in (evaluated / "page" / "figures").glob("samples-*.svg"))
    assert shown == ["samples-01.svg"]
    assert "so there is nothing to show" not in (evaluated / "page" / "report.html").read_text()
    for path in (evaluated / "theirs").iterdir():
        path.unlink()
    assert run("report", "output=without").code == 0
    assert "so there is nothing to show" in (evaluated / "without" / "report.html").read_text()


def test_ratings_that_cannot_be_read_are_one_line(run: Run, evaluated: Path) -> None:
    refused = run("report", "ratings.paths=nowhere.json")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "error: ratings.paths: nowhere.json: cannot be read" in refused.err
    # The name of a group of settings, which conf/ratings is too.
    refused = run("report", "ratings=nowhere.json")
    assert (refused.code, refused.err) == (
        2, "error: ratings: a group of settings; write one of ratings.paths=...\n",
    )  # fmt: skip
