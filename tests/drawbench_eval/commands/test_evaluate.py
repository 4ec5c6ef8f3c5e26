import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from command_line import Run

from drawbench_eval.runs import runner

Small = tuple[str, ...]


def _runs(folder: Path) -> list[dict[str, object]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("results/runs/*/run.json"))]


def test_one_run(run: Run, small: Small, tmp_path: Path) -> None:
    first = run("evaluate", *small)
    assert first.code == 0, first.err
    (record,) = _runs(tmp_path)
    assert record["status"] == "complete"
    assert record["config"]["model"]["generator"] == "double"  # type: ignore[index]
    assert record["factors"]["prompts.name"] == "prompts"  # type: ignore[index]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prompts.csv", "results"]
    again = run("evaluate", *small, "batch_size=1", "label=renamed")
    assert again.code == 0
    assert "complete already" in again.err
    assert len(_runs(tmp_path)) == 1


def test_settings_that_change_numbers_make_another_run(run: Run, small: Small, tmp_path: Path) -> None:
    for override in ("seed=0", "seed=1", "num_images_per_prompt=2", "prompts.limit=2"):
        assert run("evaluate", *small, override).code == 0
    assert len(_runs(tmp_path)) == 4
    for override in ("batch_size=3", "device=cpu", "label=x", "sweep=y", "model.path=elsewhere"):
        assert run("evaluate", *small, override).code == 0
    assert len(_runs(tmp_path)) == 4


def test_another_metric_makes_no_image_again(
    run: Run, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    images = [word for word in small if not word.startswith("metrics")]
    assert run("evaluate", *images, "metrics=[scenes_accuracy]").code == 0
    made = (tmp_path / "calls").read_text()
    assert made == "3 3\n"
    more = ("metrics=[scenes_accuracy,diversity]", "metrics.diversity.extractor=scenes", "samples.size=64")
    done = run("evaluate", *images, *more)
    assert done.code == 0, done.err
    assert len(_runs(tmp_path)) == 2
    assert (tmp_path / "calls").read_text() == made


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_failing_point_stops_no_other_where_points_run_side_by_side(small: Small, tmp_path: Path) -> None:
    """Each worker of joblib has a process of its own for its points."""
    (tmp_path / "prompts.csv").write_text("id,prompt,category\na,red,x\nb,two,y\n")
    (tmp_path / "mine.py").write_text(_BREAKS)
    model = ("model=python", "model.target=mine:sample", "model.path=.", "model.settings.kind=0,1,2,3")
    local = ("hydra/launcher=local", "hydra.launcher.n_jobs=2")
    done = subprocess.run(
        [sys.executable, "-m", "drawbench_eval.cli", "evaluate", *small[1:], "-m", *model, *local],
        cwd=tmp_path,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=800,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == "2 of 4 points complete, 2 failed"
    errors = {record["factors"]["model.settings.kind"]: record["error"] for record in _runs(tmp_path)}  # type: ignore[index]
    assert errors[0] is errors[3] is None
    assert "broken" in errors[1]
    assert errors[2].startswith("its process was killed by SIGKILL")


_BREAKS = """
import os, signal
import numpy as np

def sample(prompts, seeds, kind):
    if kind == 1:
        raise RuntimeError("broken")
    if kind == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return [np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8) for seed in seeds]
"""


def test_a_sweep_is_recorded_first_and_counted_last(run: Run, small: Small, tmp_path: Path) -> None:
    sweep = ("-m", "model.guidance_weight=1,2", "model.threshold=none,static", "sweep=mine")
    done = run("evaluate", *small, *sweep)
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "results" / "sweeps" / "mine.json").read_text())
    assert record["swept"] == {"model.guidance_weight": [1, 2], "model.threshold": ["none", "static"]}
    assert sorted(record["run_ids"]) == sorted(str(found["run_id"]) for found in _runs(tmp_path))
    lines = done.err.splitlines()
    assert lines[0].startswith("results/sweeps/mine.json: 4 points over model.guidance_weight (2), ")
    assert lines[1].startswith("4 points, 12 images; about ")
    assert [line[:14] for line in lines if line.endswith(" left") and " over, " in line] == [
        "1 of 4 points ",
        "2 of 4 points ",
        "3 of 4 points ",
    ]
    assert lines[-1] == "4 of 4 points complete"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prompts.csv", "results"]
    again = run("evaluate", *small, *sweep)
    assert again.code == 0
    assert again.err.count("complete already") == 4


def test_a_failing_point_does_not_stop_the_others(run: Run, small: Small, tmp_path: Path) -> None:
    done = run("evaluate", *small, "-m", "model.guidance_weight=1,13,2", "sweep=mine")
    assert done.code == 1
    assert done.err.splitlines()[-1] == "2 of 3 points complete, 1 failed"
    assert "point 2: failed: double-w13" in done.err
    by_weight = {r["factors"]["model.guidance_weight"]: r for r in _runs(tmp_path)}  # type: ignore[index]
    assert [by_weight[w]["status"] for w in (1.0, 13.0, 2.0)] == ["complete", "failed", "complete"]
    assert by_weight[13.0]["error"] == "RuntimeError: the generator stops here"


def test_a_point_killed_with_its_process_does_not_stop_the_others(
    run: Run, small: Small, tmp_path: Path
) -> None:
    done = run("evaluate", *small, "-m", "model.guidance_weight=14,2,14.0,3", "sweep=mine")
    assert done.code == 1
    assert done.err.splitlines()[-1] == "2 of 3 points complete, 1 failed"
    by_weight = {r["factors"]["model.guidance_weight"]: r for r in _runs(tmp_path)}  # type: ignore[index]
    assert [by_weight[w]["status"] for w in (14.0, 2.0, 3.0)] == ["failed", "complete", "complete"]
    assert by_weight[14.0]["error"] == (
        "its process was killed by SIGKILL (the kernel sends it when memory runs out)"
    )
    (said,) = [line for line in done.err.splitlines() if line.startswith("failed: results/runs/double-w14")]
    assert "(model.guidance_weight=14)" in said


def test_failed_points_are_reported_and_tried_again_when_asked(
    run: Run, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = ("evaluate", *small, "-m", "model.guidance_weight=13,2", "sweep=mine")
    assert run(*sweep).code == 1
    monkeypatch.setenv("HEALED", "1")
    again = run(*sweep)
    assert again.code == 1
    assert "point 1: failed before: results/runs/double-w13-" in again.err
    assert again.err.splitlines()[-2].startswith("retry_failed=true with the same command")
    retried = run(*sweep, "retry_failed=true")
    assert retried.code == 0, retried.err
    assert retried.err.count("complete already") == 1
    assert {record["status"] for record in _runs(tmp_path)} == {"complete"}


def test_a_finished_point_is_known_without_planning_it_again(
    run: Run, small: Small, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = ("evaluate", *small, "-m", "model.guidance_weight=13,2,3", "sweep=mine")
    assert run(*sweep).code == 1

    def not_again(values: object) -> None:
        raise AssertionError(values)

    monkeypatch.setattr("drawbench_eval.commands.evaluate.do_elsewhere", not_again)
    monkeypatch.setattr("drawbench_eval.commands.shared_points.do_elsewhere", not_again)
    again = run(*sweep)
    assert again.err.count("complete already") == 2
    assert again.err.count("failed before") == 1
    assert again.err.splitlines()[-1] == "2 of 3 points complete, 1 failed"


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_four_processes_share_a_sweep(small: Small, tmp_path: Path) -> None:
    (tmp_path / "prompts.csv").write_text("id,prompt,category\na,red,x\nb,two,y\nc,three,x\n")
    words = ["evaluate", *small, "-m", "model.guidance_weight=range(1,9)", "sweep=mine"]
    started = [
        subprocess.Popen(
            [sys.executable, "-c", _WITH_THE_DOUBLE, *words],
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(sys.path),
                "OMP_NUM_THREADS": "1",
                "CALLS": "calls",
            },
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        for _ in range(4)
    ]
    said = [process.communicate(timeout=800)[1] for process in started]
    assert [process.returncode for process in started] == [0] * 4, said[0][-2000:]
    assert all(text.splitlines()[-1] == "8 of 8 points complete" for text in said)
    records = _runs(tmp_path)
    assert len(records) == 8
    # A run asks once for its three images, a calibration twice: of a point of each kind, w = 1 and w = 2.
    calls = Counter((tmp_path / "calls").read_text().splitlines())
    assert set(calls) == {f"{w} 3" for w in range(1, 9)}
    assert [calls[f"{w} 3"] for w in range(3, 9)] == [1] * 6
    assert all(calls[f"{w} 3"] in (3, 5, 7, 9) for w in (1, 2))
    assert not list((tmp_path / "results").rglob(".tmp-*"))


_WITH_THE_DOUBLE = """
import sys
from drawbench_eval import cli
from drawbench_eval.commands import planning
planning.GENERATORS["double"] = ("DoubleSettings", "doubles")
sys.argv = ["drawbench-eval", *sys.argv[1:]]
sys.exit(cli.main())
"""


def test_a_failing_run_alone_shows_its_traceback(run: Run, small: Small) -> None:
    with pytest.raises(runner.RunFailed, match="the generator stops here"):
        run("evaluate", *small, "model.guidance_weight=13")


def test_a_forecast_prints_and_stops(run: Run, small: Small, tmp_path: Path) -> None:
    for extra in ((), ("-m", "model.guidance_weight=1,2")):
        shown = run("evaluate", *small, "forecast=true", *extra)
        assert shown.code == 0, shown.err
        assert shown.out.startswith("2 points, 6 images; about " if extra else "1 point, 3 images; about ")
    assert not _runs(tmp_path)
    assert not (tmp_path / "results" / "sweeps" / "mine.json").exists()


def test_an_experiment_names_its_sweep(run: Run, small: Small, tmp_path: Path) -> None:
    # The file sets Hydra's mode, so that -m can be left out.
    done = run("evaluate", *small, "experiment=demo", "prompts.limit=1", "sweep=null")
    assert done.code == 0, done.err
    record = json.loads((tmp_path / "results" / "sweeps" / "demo.json").read_text())
    assert len(record["run_ids"]) == len(set(record["run_ids"])) >= 12


def test_samples_alone(run: Run, small: Small, tmp_path: Path) -> None:
    wanted = [override for override in small if not override.startswith(("reference", "metrics"))]
    made = run("generate", *wanted)
    assert made.code == 0, made.err
    (manifest,) = tmp_path.glob("results/samples/*/manifest.csv")
    assert len(manifest.read_text().splitlines()) == 4
    assert "3 images, 3 made now" in made.err
    assert "3 images, 0 made now" in run("generate", *wanted).err
