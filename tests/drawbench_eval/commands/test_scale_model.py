"""The command line on a real cascade, with random weights."""

import json
from pathlib import Path

import pytest
from command_line import Run
from tiny_cascade import make_cascade

RUN = (
    "prompts=file",
    "prompts.path=prompts.csv",
    "reference=none",
    "metrics=[scenes_accuracy]",
    "model.path=cascade",
    "model.num_steps=2",
    "model.sr64.num_steps=1",
)


@pytest.fixture
def cascade(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = make_cascade(tmp_path / "cascade")
    capsys.readouterr()
    return folder


def test_a_sweep_over_weight_and_threshold(run: Run, cascade: Path, tmp_path: Path) -> None:
    done = run("evaluate", *RUN, "-m", "model.guidance_weight=1,3", "model.threshold=static,dynamic")
    assert done.code == 0, done.err
    records = [json.loads(path.read_text()) for path in tmp_path.glob("results/runs/*/run.json")]
    assert sorted(
        (r["factors"]["model.guidance_weight"], r["factors"]["model.threshold"]) for r in records
    ) == [
        (1.0, "dynamic"),
        (1.0, "static"),
        (3.0, "dynamic"),
        (3.0, "static"),
    ]
    # One of the three prompts is empty, which is legal.
    assert {r["counts"]["generated"] for r in records} == {3}
    manifests = [
        path.read_text().splitlines()[1:] for path in tmp_path.glob("results/runs/*/samples/manifest.csv")
    ]
    seeds = {tuple(line.split(",")[-3] for line in lines) for lines in manifests}
    assert len(seeds) == 1, "points of a sweep share their seeds"
    images = {path.read_bytes() for path in tmp_path.glob("results/runs/*/samples/*.png")}
    assert len(images) > 3, "points of a sweep differ in their images"


@pytest.mark.parametrize("override", ["model.text_encoder=t5_large", "model.path=elsewhere"])
def test_what_is_not_there(run: Run, cascade: Path, tmp_path: Path, override: str) -> None:
    result = run("evaluate", *RUN, override)
    key, _, value = override.partition("=")
    assert result.code == 2
    assert result.err.startswith(f"error: {key}: {value} ")
    assert result.err.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_a_truncated_checkpoint(run: Run, cascade: Path, tmp_path: Path) -> None:
    path = cascade / "base.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    for multirun in ((), ("-m",)):
        result = run("evaluate", *RUN, *multirun)
        assert result.code == 2
        assert result.err.startswith("error: model.path: cascade/base.safetensors is damaged or cut short")
        assert result.err.count("\n") == 1
        assert not (tmp_path / "results").exists()
