"""`ranks`: the images of a run made by several processes of torchrun."""

import json
from pathlib import Path

import pytest
from command_line import Run
from doubles import tree


def _two_chunks(run: Run, small: tuple[str, ...], results: str, *more: str) -> str:
    words = (*small, "num_images_per_prompt=40", f"results={results}", *more)
    done = run("evaluate", *words)
    assert done.code == 0, done.err
    return done.err


@pytest.mark.timeout(600)
def test_two_ranks_share_the_chunks_and_change_no_image(
    run: Run, small: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _two_chunks(run, small, "alone")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    _two_chunks(run, small, "shared", "ranks=2")
    # A chunk each; what computes the metrics finds both.
    assert sorted((tmp_path / "calls").read_text().split("\n")) == ["", "3 100", "3 20"]
    (alone,), (shared,) = ((tmp_path / name / "runs").iterdir() for name in ("alone", "shared"))
    assert alone.name == shared.name
    assert tree(shared / "samples") == tree(alone / "samples")
    records = [json.loads((folder / "run.json").read_text()) for folder in (alone, shared)]
    assert records[0]["metrics"] == records[1]["metrics"]
    assert records[1]["timings"]["images_made"] == 120


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_a_rank_raises_is_the_run_s_error(run: Run, small: tuple[str, ...], tmp_path: Path) -> None:
    done = run("evaluate", *small, "-m", "model.guidance_weight=13", "ranks=2")
    assert done.code == 1
    (path,) = tmp_path.glob("results/runs/*/run.json")
    assert json.loads(path.read_text())["error"].startswith(
        "RanksFailed: rank 0: RuntimeError: the generator stops here"
    )
