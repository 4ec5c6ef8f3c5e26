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


@pytest.fixture
def two_sets(run: Run, tmp_path: Path) -> Path:
    """Runs of two folders on the same prompts; the numbers of their images are not the same."""
    table = pd.DataFrame({"id": list(PROMPTS), "prompt": list(PROMPTS), "category": list(PROMPTS.values())})
    table.to_csv(tmp_path / "prompts.csv", index=False)
    rng = np.random.default_rng(0)
    (tmp_path / "photographs").mkdir()
    for name, numbers in (("ours", (0, 1)), ("theirs", (1, 2)), ("others", (7, 8))):
        (tmp_path / name).mkdir()
        rows = []
        for identity in PROMPTS:
            for number in numbers:
                pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / name / f"{identity}_{number}.png")
                Image.fromarray(pixels[::-1]).save(tmp_path / "photographs" / f"{name}{identity}{number}.png")
                rows.append({"sample_id": f"{identity}-{number}", "judge": rng.random()})
        pd.DataFrame(rows).to_csv(tmp_path / f"{name}.csv", index=False)
    return tmp_path


def evaluate_sets(run: Run, *names: str) -> None:
    for name in names:
        done = run(
            "evaluate", "model=folder", f"model.path={name}", 'model.pattern="{prompt_id}_{sample}.png"',
            "prompts=file", "prompts.path=prompts.csv", "prompts.columns.id=id",
            "prompts.columns.category=category", "reference=folder", "reference.path=photographs",
            "metrics=[fd_scenes]", f"scores={name}.csv",
        )  # fmt: skip
        assert done.code == 0, done.err


def test_sets_of_others_go_by_their_names_and_are_said_to_be_measured_blindly(
    run: Run, two_sets: Path
) -> None:
    evaluate_sets(run, "ours", "theirs")
    done = run("report", "output=page")
    assert done.code == 0, done.err
    page = (two_sets / "page" / "report.html").read_text()
    assert "samples_sha256" not in page.split("Provenance</h2>")[0]
    assert "w = 1" not in page
    assert "have never seen a photograph" in page
    assert "This is the scenes world" not in page
    assert "4 sample ids stand in all runs, so runs are compared pair by pair" in page
    assert "impossible" not in page
    shown = sorted(path.name for path in (two_sets / "page" / "figures").glob("samples-*.svg"))
    assert shown == ["samples-01.svg", "samples-02.svg"]
    tex = (two_sets / "page" / "tables" / "points.tex").read_text()
    assert [line.split(" &")[0] for line in tex.splitlines() if "&" in line][2:] == ["ours", "theirs"]


def test_sets_without_a_shared_sample_are_reported_unpaired(run: Run, two_sets: Path) -> None:
    evaluate_sets(run, "ours", "others")
    done = run("report", "output=page")
    assert done.code == 0, done.err
    page = (two_sets / "page" / "report.html").read_text()
    assert "No sample id stands in all 2 runs, so paired comparison is impossible" in page
    assert "of 0 resamplings" not in page
    assert (two_sets / "page" / "figures" / "pareto.svg").exists()
    assert (two_sets / "page" / "report.pdf").read_bytes().startswith(b"%PDF")


def test_ratings_that_cannot_be_read_are_one_line(run: Run, evaluated: Path) -> None:
    refused = run("report", "ratings.paths=nowhere.json")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "error: ratings.paths: nowhere.json: cannot be read" in refused.err
    # The name of a group of settings, which conf/ratings is too.
    refused = run("report", "ratings=nowhere.json")
    assert (refused.code, refused.err) == (
        2, "error: ratings: a group of settings; write one of ratings.paths=...\n",
    )  # fmt: skip
