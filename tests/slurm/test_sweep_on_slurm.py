"""A real sweep on a real Slurm of one machine, beside the same sweep in one process (`make test-slurm`)."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from slurm_cluster import Cluster, missing_programs

pytestmark = pytest.mark.slurm

SWEEP = (
    "model.guidance_weight=1,3,6",
    "model.threshold=static,dynamic",
    "model.num_steps=4",
    "prompts.limit=6",
    "num_images_per_prompt=1",
    "metrics=[scenes_clip_score,scenes_accuracy]",
    "reference=none",
    "sweep=six",
)
SLURM = ("hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=2")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    lacking = missing_programs()
    assert not lacking, f"not installed: {', '.join(lacking)} (Debian: slurm-wlm, munge)"
    with Cluster(tmp_path_factory.mktemp("slurm") / "cluster") as cluster:
        yield cluster


# Two chunks of images a point, so that two ranks have one each.
IN_RANKS = (
    "model.guidance_weight=1,3",
    "model.num_steps=2",
    "model.sr64.num_steps=1",
    "prompts.limit=60",
    "num_images_per_prompt=2",
    "metrics=[scenes_accuracy]",
    "reference=none",
    "sweep=ranks",
)


def evaluate(
    results: Path, environment: Mapping[str, str], *overrides: str, sweep: Sequence[str] = SWEEP
) -> str:
    program = str(Path(sys.executable).with_name("drawbench-eval"))
    command = [program, "evaluate", "-m", *sweep, f"results={results}", *overrides]
    # One thread, as a job of one core has: how many there are rounds a scorer's sums.
    environment = {**environment, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=1700)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


def runs(results: Path) -> dict[str, Path]:
    return {folder.name: folder for folder in (results / "runs").iterdir()}


def test_six_points_on_slurm_are_the_six_of_one_process(cluster: Cluster, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    evaluate(here, cluster.environment)
    said = evaluate(there, cluster.environment, *SLURM)
    assert "6 of 6 points complete" in said
    # they really were jobs: submitit left a folder for each
    assert len(list((there / "sweeps").rglob("*_submitted.pkl"))) == 6
    assert len(runs(here)) == 6
    assert_same(here, there, images=6)


def test_two_jobs_of_two_ranks_make_what_one_process_does(cluster: Cluster, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    evaluate(here, cluster.environment, sweep=IN_RANKS)
    said = evaluate(there, cluster.environment, *SLURM, "ranks=2", sweep=IN_RANKS)
    assert "2 of 2 points complete" in said
    assert len(list((there / "sweeps").rglob("*_submitted.pkl"))) == 2
    assert_same(here, there, images=120)


def assert_same(here: Path, there: Path, *, images: int) -> None:
    """The same runs, images and numbers."""
    ours, theirs = runs(here), runs(there)
    assert ours.keys() == theirs.keys()
    for name, folder in ours.items():
        one, other = (json.loads((at / "run.json").read_text()) for at in (folder, theirs[name]))
        assert one["status"] == other["status"] == "complete"
        for metric, entry in one["metrics"].items():
            assert other["metrics"][metric]["value"] == pytest.approx(entry["value"], rel=1e-9)
        assert samples(folder) == samples(theirs[name])
        assert len(samples(folder)) == images


def samples(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in (folder / "samples").rglob("*.png")}
