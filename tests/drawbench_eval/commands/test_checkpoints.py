"""`evaluate -m model.checkpoint=[...]`: a series of a training's checkpoints, each a point of one sweep."""

import json
from pathlib import Path

import captioned_images as made
import pandas as pd
import pytest
from command_line import Run
from tiny_cascade import make_cascade

from drawbench_eval.commands.evaluate import each_checkpoint
from imagen_ref.stage import read_stage_config
from imagen_ref.training.flops import flops_per_image

RUN = (
    "prompts.limit=3",
    "reference=none",
    "metrics=[scenes_accuracy]",
    "model.path=cascade",
    "model.num_steps=2",
    "model.sr64.num_steps=1",
)
TRAIN = (
    "kind=stage",
    "name=mine",
    "text_encoder=cascade/t5_middle",
    "max_length=6",
    "device=cpu",
    "data.kind=folder",
    "data.path=photos",
    "data.side=16",
    "training.num_steps=4",
    "training.batch_size=2",
    "training.learning_rate=1e-2",
    "training.series_every=2",
    "stage.name=base",
    "stage.network.kind=unet",
    "stage.network.side=16",
    "stage.network.channels=8",
    "stage.network.channel_mult=[1,2]",
    "stage.network.num_res_blocks=1",
    "stage.network.attention_sides=[8]",
    "stage.network.head_dim=8",
    "stage.network.text_dim=32",
    "stage.network.text_width=16",
)
SERIES = [f"results/train/mine/base-{step}.safetensors" for step in (2, 4)]


@pytest.fixture
def cascade(run: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = make_cascade(tmp_path / "cascade")
    capsys.readouterr()
    return folder


def test_a_series_is_scored_with_common_seeds_and_reported(run: Run, cascade: Path, tmp_path: Path) -> None:
    made.write_folder(tmp_path / "photos")
    trained = run("train", *TRAIN)
    assert trained.code == 0, trained.err
    done = run("evaluate", *RUN, "sweep=mine", "-m", f"model.checkpoint=[{','.join(SERIES)}]")
    assert done.code == 0, done.err
    records = [json.loads(path.read_text()) for path in tmp_path.glob("results/runs/*/run.json")]
    records.sort(key=lambda record: int(record["inputs"]["training"]["step"]))
    config = read_stage_config(tmp_path / SERIES[0])
    flops = flops_per_image(config.make_network(), config, tokens=6)
    for record, step in zip(records, (2, 4), strict=True):
        told = record["inputs"]["training"]
        assert told.pop("seconds") > 0
        assert told == {
            "stage": "base",
            "series": "mine",
            "step": step,
            "images": 2 * step,
            "flops": 2 * step * flops,
        }
        assert record["label"] == f"cascade-w3-dynamic-base-{step}"
    first, second = (record["factors"] for record in records)
    differing = {key for key in first if first[key] != second[key]}
    assert differing == {"model.weights.base"}
    manifests = [path.read_text() for path in sorted(tmp_path.glob("results/runs/*/samples/manifest.csv"))]
    seeds = {tuple(line.split(",")[-3] for line in text.splitlines()[1:]) for text in manifests}
    assert len(seeds) == 1, "checkpoints are sampled from common seeds"
    assert len(set(manifests)) == 2, "and make images of their own"

    reported = run("report", "sweep=mine", "output=out", "bundle=true")
    assert reported.code == 0, reported.err
    again = run("report", "results=out/evidence.zip", "output=again")
    assert again.code == 0, again.err
    for suffix in ("svg", "png", "csv"):
        assert (tmp_path / f"out/figures/training.{suffix}").stat().st_size > 0
    table = pd.read_csv(tmp_path / "out/figures/training.csv")
    assert table["series"].tolist() == ["mine", "mine"]
    assert table["step"].tolist() == [2, 4]
    assert table["flops"].tolist() == [4 * flops, 8 * flops]
    assert "mine step 2 &" in (tmp_path / "out/tables/points.tex").read_text()


def test_without_the_list_nothing_of_a_run_changes(run: Run, cascade: Path, tmp_path: Path) -> None:
    assert run("evaluate", *RUN).code == 0
    assert run("evaluate", *RUN, "model.checkpoint=cascade/base.safetensors").err.count("already") == 1
    (path,) = tmp_path.glob("results/runs/*/run.json")
    assert "training" not in json.loads(path.read_text())["inputs"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["model.checkpoint=[a.safetensors,b.safetensors]"],
            "model.checkpoint: a list is a sweep, with a point for each; write evaluate -m",
        ),
        (["model.checkpoint=nowhere.safetensors"], "model.checkpoint: checkpoint nowhere.safetensors: there"),
        (
            ["model.checkpoint=cascade/t5_middle/model.safetensors"],
            "model.checkpoint: checkpoint cascade/t5_middle/model.safetensors: format 'pt' is not",
        ),
        (
            ["model.checkpoint=cascade/sr64.safetensors", "model.last=base"],
            "model.checkpoint: cascade/sr64.safetensors comes after model.last=base",
        ),
        (
            ["-m", "model.checkpoint=[small.safetensors,cascade/base.safetensors]"],
            "model.checkpoint: small.safetensors is of 8 -> 16 pixels; the stages are base (16), sr64",
        ),
    ],
)
def test_a_mistake_is_one_line(
    words: list[str], message: str, run: Run, cascade: Path, tmp_path: Path
) -> None:
    from dataclasses import replace

    from imagen_ref.stage import save_stage

    sr64 = read_stage_config(cascade / "sr64.safetensors")
    small = replace(sr64, low_res_side=8, network=replace(sr64.network, side=16))
    save_stage(tmp_path / "small.safetensors", small, small.make_network().state_dict())
    result = run("evaluate", *RUN, *words)
    assert result.code == 2
    assert result.err.startswith(f"error: {message}"), result.err
    assert result.err.count("\n") == 1
    assert not (tmp_path / "results").exists()


def test_the_list_becomes_hydra_s_choice() -> None:
    assert each_checkpoint(["-m", "model.checkpoint=[a-1.st,'b c.st']", "seed=[1]"]) == [
        "-m",
        "model.checkpoint=a-1.st,'b c.st'",
        "seed=[1]",
    ]
    assert each_checkpoint(["model.checkpoint=a.st"]) == ["model.checkpoint=a.st"]
