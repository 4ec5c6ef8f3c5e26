"""experiment=drawbench_compare end to end: two tiny sets of images, a CLIP of random weights, raters."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from command_line import Run
from drawbench_copy import write_drawbench
from PIL import Image
from tiny_clip import make_clip

from drawbench_eval.prompts import DRAWBENCH

pytestmark = pytest.mark.filterwarnings("ignore:QuickGELU mismatch:UserWarning")

NUM_PROMPTS, PER_PROMPT = 22, 8
SUITE = ("prompts=drawbench", "prompts.path=drawbench.csv", f"prompts.limit={NUM_PROMPTS}")


@pytest.fixture
def prompts(run: Run, tmp_path: Path) -> pd.DataFrame:
    """Ids and categories of the prompts; images of them under `ours` and `theirs`."""
    write_drawbench(tmp_path / "drawbench.csv")
    assert run("prompts", *SUITE, "output=listed.csv").code == 0
    listed = pd.read_csv(tmp_path / "listed.csv", dtype=str)
    assert len(listed) == NUM_PROMPTS
    rng = np.random.default_rng(0)
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        for identity in listed["id"]:
            for sample in range(PER_PROMPT):
                pixels = rng.integers(0, 256, (24, 24, 3), dtype=np.uint8)
                Image.fromarray(pixels).save(tmp_path / name / f"{identity}_{sample}.png")
    return listed


@pytest.fixture
def asked(tmp_path: Path) -> tuple[str, ...]:
    return (
        "compare",
        "experiment=drawbench_compare",
        "compare.sets={ours: ours, theirs: theirs}",
        'model.pattern="{prompt_id}_{sample}.png"',
        *SUITE,
        *make_clip(tmp_path / "clip"),
    )


def rate(prompts: pd.DataFrame, path: Path, *, models: tuple[str, str] = ("ours", "theirs")) -> pd.DataFrame:
    """Canonical ratings in which raters mostly prefer the first model."""
    rng = np.random.default_rng(1)
    rows = [
        {
            "prompt_id": prompt.id, "category": prompt.category, "question": question,
            "model_a": models[0], "model_b": models[1], "rater_id": f"r{rater}",
            "choice": rng.choice(["a", "indifferent", "b"], p=[0.6, 0.2, 0.2]),
        }
        for question in ("fidelity", "alignment")
        for prompt in prompts.itertuples()
        for rater in range(5)
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    table.to_csv(path, index=False)
    return table


def board(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("results/compare/drawbench-*/leaderboard.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def test_images_and_ratings_stand_on_one_page(
    run: Run, prompts: pd.DataFrame, asked: tuple[str, ...], tmp_path: Path
) -> None:
    table = rate(prompts, tmp_path / "pairwise.csv")
    rated = run("ratings", "paths=[pairwise.csv]", "num_draws=100", "figures=false", "label=raters")
    assert rated.code == 0, rated.err
    (folder,) = tmp_path.glob("results/ratings/raters-*")
    done = run(*asked, f"compare.ratings={folder}")
    assert done.code == 0, done.err
    found = board(tmp_path)
    assert {one["name"]: one["num_samples"] for one in found["sets"]} == dict.fromkeys(
        ("ours", "theirs"), NUM_PROMPTS * PER_PROMPT
    )
    (difference,) = found["differences"]
    assert (difference["metric"], difference["family"]) == ("clip_score", "alignment")
    assert difference["num_prompts"] == NUM_PROMPTS
    assert {cell["category"] for cell in found["categories"]} == set(DRAWBENCH.counts)
    (ratings,) = found["ratings"]
    rates = {
        row["question"]: row
        for row in ratings["results"]
        if row["convention"] == "split" and row["category"] is None and row["average"] == "micro"
    }
    for question, row in rates.items():
        chosen = table.loc[table["question"] == question, "choice"]
        assert row["value"] == pytest.approx(chosen.map({"a": 1, "indifferent": 0.5, "b": 0}).mean())
        assert row["ci95_clustered"][0] < row["value"] < row["ci95_clustered"][1]
    assert rates.keys() == {"fidelity", "alignment"}
    page = next(tmp_path.glob("results/compare/*/report.html")).read_text()
    headings = [part.split("</h2>")[0] for part in page.split("<h2>")[1:]]
    assert headings[:2] == ["Leaderboard", "Human ratings"]
    shown = f"{100 * rates['fidelity']['value']:.1f} % of judgements"
    assert f"Asked about fidelity, raters preferred ours to theirs in {shown}" in page
    assert "No human has judged these images" not in page
    assert next(tmp_path.glob("results/compare/*/report.pdf")).read_bytes().startswith(b"%PDF")
    figures = {path.name for path in tmp_path.glob("results/compare/*/figures/*.svg")}
    # A prompt of each category side by side, 8 images of each set.
    assert {"ratings-preference-01.svg", "ratings-forest-01.svg", "prompt-11.svg"} <= figures
    assert "prompt-12.svg" not in figures
    rate(prompts.assign(id=[f"q{index}" for index in range(len(prompts))]), tmp_path / "others.csv")
    quick = ("num_draws=100", "figures=false", "output=others")
    assert run("ratings", "paths=[others.csv]", *quick).code == 0
    refused = run(*asked, "compare.ratings=others")
    assert refused.code == 2
    assert "none of the 22 rated prompts, such as 'q0', is one of the 22 compared" in refused.err


def test_ratings_of_something_else_are_refused_before_anything_is_evaluated(run: Run, tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
    rated = pd.DataFrame({"id": ["a", "b"], "category": ["x", "y"]})
    rate(rated, tmp_path / "models.csv", models=("ours-v2", "theirs-v2"))
    quick = ("num_draws=100", "figures=false", "output=models")
    assert run("ratings", "paths=[models.csv]", *quick).code == 0
    (tmp_path / "cut.json").write_text((tmp_path / "models" / "ratings.json").read_text()[:900])
    (tmp_path / "set.json").write_text("{}")
    for ratings, said in (
        ("models/ratings.json", "is about ours-v2, theirs-v2; none of them is one of the sets ours, theirs"),
        ("cut.json", "compare.ratings: cut.json: not JSON"),
        ("set.json", "compare.ratings: set.json: not a ratings.json of drawbench-eval ratings; it has no"),
        ("nowhere.json", "compare.ratings: nowhere.json: cannot be read (No such file or directory)"),
        ("[models,models/ratings.json]", "are the same ratings; name them once"),
        ("3", "compare.ratings: 3 is not a path"),
    ):
        refused = run("compare", "compare.sets={ours: ours, theirs: theirs}", f"compare.ratings={ratings}")
        assert (refused.code, refused.err.count("\n")) == (2, 1), refused.err
        assert said in refused.err
    assert not (tmp_path / "results" / "runs").exists()
