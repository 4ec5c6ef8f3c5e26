"""Ratings are joined with runs only where raters saw these very images; where nobody knows, it is said."""

import json
from pathlib import Path
from typing import Any

import pytest
from command_line import Run
from filled_pages import answers_of

NOT_KNOWN = "whether raters saw these very images is not known"
RATE = ("num_draws=100", "figures=false", "output=rated")


@pytest.fixture
def runs(run: Run, small: tuple[str, ...], tmp_path: Path) -> dict[str, str]:
    """Two finished runs of unlike seeds, and ratings of their images in study/ratings."""
    for seed in (1, 2, 3):
        done = run(
            "evaluate",
            *small,
            "metrics=[scenes_clip_score]",
            "samples.size=64",
            "samples.crop=center",
            "num_images_per_prompt=2",
            f"seed={seed}",
            f"label=seed{seed}",
        )
        assert done.code == 0, done.err
    found = {path.name.split("-")[0]: str(path) for path in sorted(Path("results/runs").iterdir())}
    sets = f"sets={{ours: {found['seed1']}, theirs: {found['seed2']}}}"
    fitting = ("questions=[fidelity]", "images_per_set=2", "controls_per_batch=0", "crowd.pictures=null")
    assert run("survey", sets, *fitting, "output=study").code == 0
    answers_of(Path("study/key.json"), tmp_path / "answers")
    assert run("survey", "key=study/key.json", "answers=[answers]").code == 0
    return found


def rate(run: Run, *more: str) -> Any:
    return run("ratings", "paths=[study/ratings/pairwise.csv]", *RATE, *more)


def rated() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path("rated/ratings.json").read_text())
    return found


def test_scores_are_held_against_ratings_of_the_same_images(run: Run, runs: dict[str, str]) -> None:
    asked = f"runs={{ours: {runs['seed1']}, theirs: {runs['seed2']}}}"
    done = rate(run, asked)
    assert done.code == 0, done.err
    assert "ours: 6 of the 6 images that raters saw are the run's, by their hashes" in done.out
    assert NOT_KNOWN not in done.out
    same = {"shown": 6, "same": 6, "absent": 0}
    assert rated()["images"] == {"num": 12, "num_without_hash": 0, "runs": {"ours": same, "theirs": same}}
    # The canonical rows beside ratings.json know the images too.
    assert run("ratings", "paths=[rated/ratings.parquet]", *RATE[:2], "output=again", asked).code == 0
    assert Path("again/images.json").read_bytes() == Path("rated/images.json").read_bytes()


def test_a_run_with_other_images_is_refused(run: Run, runs: dict[str, str]) -> None:
    refused = rate(run, f"runs={{ours: {runs['seed3']}}}")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert refused.err.startswith(f"error: runs.ours: {runs['seed3']}: sample 'a-00' is not the image that")
    assert not Path("rated").exists()
    Path("study/ratings/images.json").unlink()
    done = rate(run, f"runs={{ours: {runs['seed3']}, theirs: {runs['seed2']}}}")
    assert done.code == 0, done.err
    assert NOT_KNOWN in done.out
    assert rated()["images"] is None


def test_images_can_be_named_and_must_be_readable(run: Run, runs: dict[str, str]) -> None:
    Path("study/ratings/images.json").rename("elsewhere.json")
    refused = rate(run, f"runs={{ours: {runs['seed3']}}}", "images=[elsewhere.json]")
    assert "is not the image that raters saw" in refused.err
    refused = rate(run, "images=[nowhere.json]")
    assert refused.err.startswith("error: nowhere.json: cannot be read")


def test_a_comparison_says_how_many_images_are_the_same(run: Run, runs: dict[str, str]) -> None:
    assert rate(run).code == 0
    sets = f"compare.sets={{ours: {runs['seed1']}, theirs: {runs['seed2']}}}"
    done = run("compare", sets, "compare.ratings=rated", "output=page")
    assert done.code == 0, done.err
    assert "by their hashes: ours: 6 of 6; theirs: 6 of 6." in Path("page/report.html").read_text()
    (entry,) = json.loads(Path("page/leaderboard.json").read_text())["ratings"]
    assert entry["images"]["ours"] == {"ours": {"shown": 6, "same": 6, "absent": 0}}
    other = f"compare.sets={{ours: {runs['seed3']}, theirs: {runs['seed2']}}}"
    refused = run("compare", other, "compare.ratings=rated", "output=other")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert f"compare.ratings: rated/ratings.json: ours: {runs['seed3']}: sample 'a-00' is not" in refused.err
    Path("rated/images.json").unlink()
    assert run("compare", other, "compare.ratings=rated", "output=other").code == 0
    assert "raters saw the very images that are measured here is not" in Path("other/report.html").read_text()


def test_a_report_names_the_runs_that_have_the_images(run: Run, runs: dict[str, str]) -> None:
    assert rate(run).code == 0
    assert run("report", "ratings.paths=rated", "output=page").code == 0
    page = Path("page/report.html").read_text()
    first, second = (Path(runs[name]).name.replace("-", " (") + ")" for name in ("seed1", "seed2"))
    assert f"by their hashes: ours: 6 of 6 in {first}; theirs: 6 of 6 in {second}." in page
    for name in ("seed1", "seed2"):
        (Path(runs[name]) / "run.json").unlink()
    assert run("report", "ratings.paths=rated", "output=none").code == 0
    assert (
        "ours: none of the runs here has the images that raters saw" in Path("none/report.html").read_text()
    )
