"""Images that somebody else made, through the command line, with Inception on random weights."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from command_line import Run
from PIL import Image
from random_inception import random_inception, textures

NUM, NUM_REFERENCE = 14, 12


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return random_inception(tmp_path_factory.mktemp("weights") / "random.pth", images=8)


@pytest.fixture
def folders(tmp_path: Path, weights: Path) -> tuple[str, ...]:
    """Overrides of `evaluate`: mixed sizes, PNG and JPEG, one image truncated and one black."""
    for name, count, seed in (("images", NUM, 1), ("photographs", NUM_REFERENCE, 2)):
        (tmp_path / name).mkdir()
        for index, image in enumerate(textures(count, sides=(64, 96, 80), seed=seed)):
            Image.fromarray(image).save(tmp_path / name / f"{index:02d}.{'JPG' if index % 2 else 'png'}")
    whole = (tmp_path / "images" / "03.JPG").read_bytes()
    (tmp_path / "images" / "03.JPG").write_bytes(whole[: len(whole) // 2])
    Image.new("RGB", (64, 64)).save(tmp_path / "images" / "04.png")
    return (
        "model=folder",
        "model.path=images",
        "reference=folder",
        "reference.path=photographs",
        f"weights.inception={weights}",
    )


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("results/runs/*/run.json"))]


def test_unverified_weights_are_refused_unless_asked_for(run: Run, folders: tuple[str, ...]) -> None:
    refused = run("evaluate", *folders, "metrics=[fid]")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "weights.inception: " in refused.err
    assert "weights.allow_unverified=true uses it, and every protocol then says so" in refused.err


def test_one_folder_under_two_protocols_is_one_table(
    run: Run, folders: tuple[str, ...], tmp_path: Path
) -> None:
    asked = (*folders, "weights.allow_unverified=true", "-m", "protocol=clean-fid,pytorch-fid", "sweep=both")
    done = run("evaluate", *asked)
    assert done.code == 0, done.err
    found = records(tmp_path)
    by_resize = {r["metrics"]["fid"]["protocol"]["values"]["extractor.resize"]: r for r in found}
    assert sorted(by_resize) == ["clean", "torch"]
    for record in found:
        fid = record["metrics"]["fid"]
        assert fid["value"] > 1
        assert (fid["n"], fid["num_unscored"]) == (NUM - 2, 2)
        assert fid["protocol"]["values"]["extractor.weights"] == "unverified"
        assert any("fewer than 2048 dimensions" in note for note in fid["notes"])
        assert record["named"]["unreadable"] == ["03.JPG"]
        assert record["named"]["blank"] == ["04.png"]
    for protocol in ("clean-fid", "pytorch-fid"):
        assert protocol in done.out
    assert by_resize["clean"]["metrics"]["fid"]["value"] != by_resize["torch"]["metrics"]["fid"]["value"]
    # Unlike protocols are refused side by side, and the keys in which they differ are named.
    refused = run("report", "sweep=both")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "extractor.resize: 'clean' and 'torch'" in refused.err
    ids = [record["run_id"] for record in found]
    compared = run("protocol", f"compare=[{ids[0]},{ids[1]}]")
    assert compared.out.startswith("fid: 1 keys differ\n  extractor.resize: ")


def test_another_metric_of_the_same_extractor_computes_no_features(
    run: Run, folders: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = (*folders, "weights.allow_unverified=true")
    assert run("evaluate", *asked, "metrics=[fid]").code == 0

    def refuse(*_: object) -> None:
        raise AssertionError("features are there already")

    monkeypatch.setattr("drawbench_eval.features.inception.Inception.extract", refuse)
    more = run("evaluate", *asked, "metrics=[fid,kid,precision,recall,density,coverage]")
    assert more.code == 0, more.err
    both = sorted(records(tmp_path), key=lambda record: len(record["metrics"]))
    assert both[0]["metrics"]["fid"]["value"] == pytest.approx(both[1]["metrics"]["fid"]["value"], rel=1e-9)
    (table,) = (
        path for path in tmp_path.glob("results/runs/*/scores.parquet") if "kid" in pd.read_parquet(path)
    )
    scores = pd.read_parquet(table)
    # What each image costs: influences add up to nothing over the scored ones.
    assert abs(scores["fid"].sum()) < 1e-6 * scores["fid"].abs().sum()
    assert scores["fid"].isna().sum() == 2


def test_metrics_of_text_need_prompts(run: Run, folders: tuple[str, ...]) -> None:
    refused = run("evaluate", *folders, "metrics=[scenes_clip_score]")
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "metrics: scenes_clip_score reads prompts and there are none" in refused.err
