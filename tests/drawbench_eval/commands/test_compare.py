"""Several sets on the same prompts through the command line; the three real models of ../shared/data."""

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import Run

VISOR = Path(__file__).parents[4] / "shared" / "data" / "images" / "visor"
SETS = ("stable-diffusion", "glide", "dallev2")


def board(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("results/compare/*/leaderboard.json")
    found: dict[str, Any] = json.loads(path.read_text())
    return found


@pytest.fixture
def two(run: Run, small: tuple[str, ...], tmp_path: Path) -> list[str]:
    """The ids of two finished runs of unlike seeds."""
    for seed in (1, 2):
        done = run("evaluate", *small, "reference=none", "metrics=[diversity]", f"seed={seed}",
                   "metrics.diversity.extractor=scenes", "num_images_per_prompt=2", "samples.size=64",
                   "samples.crop=center")  # fmt: skip
        assert done.code == 0, done.err
    return [
        json.loads(path.read_text())["run_id"] for path in sorted(tmp_path.glob("results/runs/*/run.json"))
    ]


def test_two_runs_are_a_leaderboard(run: Run, two: list[str], tmp_path: Path) -> None:
    done = run(
        "compare", f"compare.sets={{one: {two[0]}, other: {two[1]}}}", "compare.equivalence={diversity: 9}"
    )
    assert done.code == 0, done.err
    found = board(tmp_path)
    assert {one["name"]: one["run_id"] for one in found["sets"]} == dict(
        zip(("one", "other"), two, strict=True)
    )
    (difference,) = found["differences"]
    values = {row["set"]: row["value"] for row in found["results"]}
    assert difference["value"] == pytest.approx(values["one"] - values["other"])
    assert difference["num_prompts"] == 3
    assert difference["margin"] == 9
    page = next(tmp_path.glob("results/compare/*/report.html")).read_text()
    assert "one" in page
    # Figures name the namespaces of SVG, which nothing fetches.
    assert "http://" not in re.sub(r'"data:image/svg[^"]*"', "", page)
    assert next(tmp_path.glob("results/compare/*/report.pdf")).read_bytes().startswith(b"%PDF")
    table = pd.read_csv(next(tmp_path.glob("results/compare/*/leaderboard.csv")))
    assert list(table["set"].unique()) == [one["name"] for one in found["sets"]]


@pytest.mark.parametrize(
    ("sets", "said"),
    [
        ("{one: RUN}", "compare.sets: two or more are needed"),
        ("{one: RUN, two: RUN}", "compare.sets: one and two are the same run"),
        ("{one: RUN, two: nowhere}", "compare.sets.two: nowhere is neither a run of results nor a path"),
        ("{one: RUN, two: {path: ., colour: red}}", "compare.sets.two.colour: no such setting"),
    ],
)
def test_what_cannot_be_compared_is_one_line(run: Run, two: list[str], sets: str, said: str) -> None:
    refused = run("compare", f"compare.sets={sets.replace('RUN', two[0])}")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert said in refused.err


def test_unlike_prompts_and_unlike_protocols_are_refused_by_name(
    run: Run, small: tuple[str, ...], two: list[str], tmp_path: Path
) -> None:
    asked = (*small, "metrics=[diversity]", "metrics.diversity.extractor=scenes", "samples.size=64",
             "samples.crop=center", "num_images_per_prompt=2")  # fmt: skip
    before = set(tmp_path.glob("results/runs/*"))

    def other(*more: str) -> str:
        assert run("evaluate", *asked, *more).code == 0
        (new,) = set(tmp_path.glob("results/runs/*")) - before
        before.add(new)
        return str(new)

    fewer = other("prompts.limit=2")
    refused = run("compare", f"compare.sets={{one: {two[0]}, two: {fewer}}}")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "one and two are of unlike prompts: 1 only in one (c)" in refused.err
    reduced = other("samples.crop=none", "seed=5")
    refused = run("compare", f"compare.sets={{one: {two[0]}, two: {reduced}}}")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "samples.crop: 'center' and 'none'" in refused.err


@pytest.fixture
def visor(tmp_path: Path) -> Path:
    """Copies of the real sets, of 12 prompts."""
    if not VISOR.is_dir():
        pytest.skip("../shared/data is not there")
    folder = tmp_path / "images" / "visor"
    folder.mkdir(parents=True)
    prompts = pd.read_csv(VISOR / "prompts.csv", dtype=str).head(12)
    prompts.to_csv(folder / "prompts.csv", index=False)
    for name in SETS:
        (folder / name).mkdir()
        for prompt_id in prompts["id"]:
            for path in (VISOR / name).glob(f"{prompt_id}_*.png"):
                shutil.copy(path, folder / name)
    photographs = folder.parent / "coco_val2017_sample"
    photographs.mkdir()
    for path in sorted((VISOR.parent / "coco_val2017_sample").rglob("*.jpg"))[:40]:
        shutil.copy(path, photographs)
    return folder


@pytest.mark.shared_data
def test_three_real_models(run: Run, tmp_path: Path) -> None:
    if not VISOR.is_dir():
        pytest.skip("../shared/data is not there")
    done = run("compare", "experiment=visor_compare", f"folder={VISOR}", "compare.grid.prompts=2")
    assert done.code == 0, done.err
    found = board(tmp_path)
    assert {one["name"]: one["num_samples"] for one in found["sets"]} == dict.fromkeys(
        ("Stable Diffusion", "GLIDE", "DALL-E 2"), 400
    )
    assert {one["num_prompts"] for one in found["differences"]} == {100}
    assert {one["num_prompts_only_a"] + one["num_prompts_only_b"] for one in found["differences"]} == {0}
    # Two of GLIDE's images are black.
    named = {one["name"]: one["named"]["blank"] for one in found["sets"]}
    assert named == {"Stable Diffusion": [], "GLIDE": ["5257-3", "22927-3"], "DALL-E 2": []}
    assert {one["family"] for one in found["differences"]} == {"sets", "prompts"}
    page = next(tmp_path.glob("results/compare/*/report.html")).read_text()
    assert "have never seen a photograph" in page
    # Whoever has never met a metric is told what it means.
    for name in ("Fréchet distance", "Precision", "Recall", "Diversity"):
        assert f"<strong>{name}:</strong>" in page


@pytest.mark.shared_data
def test_damage_to_a_real_set_is_reported_by_name(run: Run, visor: Path, tmp_path: Path) -> None:
    asked = ("compare", "experiment=visor_compare", f"folder={visor}", "compare.grid.prompts=2")
    ids = list(pd.read_csv(visor / "prompts.csv", dtype=str)["id"])
    glide = visor / "glide"
    (glide / f"{ids[0]}_0.png").unlink()
    cut = glide / f"{ids[1]}_1.png"
    cut.write_bytes(cut.read_bytes()[:2000])
    shutil.copy(glide / f"{ids[2]}_2.png", glide / f"{ids[2]}_3.png")
    (glide / f"{ids[3]}_0.png").rename(glide / "999999_0.png")
    report = run(*asked, "check_only=true")
    assert (report.code, report.err.count("\n")) == (2, 1)
    assert "compare.sets.GLIDE: " in report.err
    told = report.out.partition("GLIDE:\n")[2].partition("DALL-E 2:\n")[0]
    lines = dict(line.split(": ", 1) for line in told.splitlines() if ": " in line)
    assert f"{ids[0]}-0" in lines["images that only other prompts have"]
    assert f"{ids[3]}-0" in lines["images that only other prompts have"]
    assert f"{ids[1]}_1.png" in lines["unreadable images"] or f"{ids[1]}-1" in lines["unreadable images"]
    assert f"{ids[2]}_2.png = {ids[2]}_3.png" in lines["groups of identical images"]
    assert "999999_0.png" in lines["images without prompt"]
    refused = run(*asked)
    assert refused.code == 2
    assert "error: compare.sets.GLIDE: model.pattern: '999999_0.png' names" in refused.err
    done = run(*asked, "allow_incomplete=true")
    assert done.code == 0, done.err
    found = board(tmp_path)
    glide_set = next(one for one in found["sets"] if one["name"] == "GLIDE")
    assert sorted(glide_set["named"]["missing"]) == sorted([f"{ids[0]}-0", f"{ids[3]}-0"])
    assert glide_set["named"]["unreadable"] == [f"{ids[1]}-1"]


def test_scores_made_elsewhere_are_compared_in_pairs(run: Run, tmp_path: Path) -> None:
    from image_sets import image_set

    prompts = {"p1": "a dog", "p2": "a cat", "p3": "a cow", "p4": "a bee"}
    sets = {name: image_set(tmp_path / name, prompts, num_images=2) for name in ("one", "two")}
    for shift, (name, found) in enumerate(sets.items()):
        table = pd.DataFrame({"sample_id": [one.sample_id for one in found.samples]})
        table["judge"] = [
            0.1 * int(one.prompt_id[1]) + 0.5 * shift + 0.01 * n for n, one in enumerate(found.samples)
        ]
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    asked = ", ".join(f"{name}: {{path: {name}, scores: {name}.csv}}" for name in sets)
    settings = (
        "metrics=[diversity]",
        "metrics.diversity.extractor=scenes",
        "samples.size=64",
        "samples.crop=center",
    )
    done = run("compare", f"compare.sets={{{asked}}}", *settings)
    assert done.code == 0, done.err
    (judged,) = (one for one in board(tmp_path)["differences"] if one["metric"] == "judge")
    assert judged["value"] == pytest.approx(-0.5)
    assert judged["num_prompts"] == 4
    records = [json.loads(path.read_text()) for path in tmp_path.glob("results/runs/*/run.json")]
    assert {Path(record["inputs"]["scores"]["file"]).name for record in records} == {"one.csv", "two.csv"}
    assert all(len(record["inputs"]["scores"]["sha256"]) == 64 for record in records)
