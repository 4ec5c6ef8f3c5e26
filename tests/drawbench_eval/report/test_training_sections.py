"""A report on two trainings' checkpoints draws how each training went."""

import io
import json

import pandas as pd
import pytest

from drawbench_eval.analysis.training import training_series
from drawbench_eval.report import load_sweep
from drawbench_eval.report.blocks import Paragraph, Picture
from drawbench_eval.report.sections import build_report
from drawbench_eval.report.training_sections import training_section

STEPS = {1: 1000, 1.5: 2000, 2.5: 5000, 4: 10000, 8: 12000}


@pytest.fixture(scope="module")
def folder(synthetic, tmp_path_factory):
    """Runs over weights turned into runs over checkpoints: of "large" (dynamic) and "small" (static)."""
    folder = synthetic.write_results(tmp_path_factory.mktemp("results"), modes=("static", "dynamic"))
    for path in folder.glob("runs/*/run.json"):
        record = json.loads(path.read_text())
        factors, mode = record["factors"], record["factors"]["model.threshold"]
        step = STEPS.get(factors["model.guidance_weight"])
        if step is None:
            continue
        series, flops = ("large", 9e9) if mode == "dynamic" else ("small", 3e9)
        factors |= {
            "model.guidance_weight": 3.0,
            "model.threshold": "dynamic",
            "model.percentile": 0.995,
            "model.text_encoder": f"t5_{series}",
            "model.weights.base": f"{step:05d}{series}",
        }
        images = 256 * step
        record["inputs"]["training"] = {
            "stage": "base",
            "series": series,
            "step": step,
            "images": images,
            "flops": int(images * flops),
            "seconds": step / 2,
        }
        path.write_text(json.dumps(record))
    return folder


@pytest.fixture(scope="module")
def data(folder):
    return load_sweep(folder)


def test_a_series_is_named_after_its_training_and_in_order(data) -> None:
    large, small = training_series(data.complete)
    assert (large.curve.name, small.curve.name) == ("large", "small")
    assert large.values("step") == (1000, 2000, 5000, 10000, 12000)
    assert large.values("seconds") == (500, 1000, 2500, 5000, 6000)
    assert small.curve.weights == tuple(256 * step for step in STEPS.values())


def test_the_figure_has_its_numbers_beside_it(data) -> None:
    section = training_section(data)
    (picture,) = (block for block in section.blocks if isinstance(block, Picture))
    table = pd.read_csv(io.StringIO(picture.data))
    assert len(table) == 2 * 5 * 3
    row = table.query("series == 'small' and step == 5000 and metric == 'scenes_accuracy'").iloc[0]
    (run,) = (run for run in data.complete if run.run_id == row["run_id"])
    assert row["flops"] == 256 * 5000 * 3e9
    assert (row["value"], row["lo"], row["hi"]) == pytest.approx(
        (run.metrics["scenes_accuracy"]["value"], *run.metrics["scenes_accuracy"]["ci95"])
    )
    # Three metrics, each against images, operations and time.
    assert len(picture.spots) == 3 * 3 * 10
    assert all(0 < spot.x < 1 and 0 < spot.y < 1 for spot in picture.spots)
    assert "estimated" in picture.caption
    said = [block.text for block in section.blocks if isinstance(block, Paragraph)]
    assert said[0].startswith("large: scenes CLIP score is ")
    assert "after 256,000 images" in said[0]
    assert "after 3,072,000 images" in said[0]


def test_the_report_says_training_and_names_checkpoints_by_their_step(data) -> None:
    report = build_report(data)
    assert report.title.startswith("Training")
    assert [section.title for section in report.sections].count("Training") == 1
    assert {curve.name for curve in data.curves} >= {
        "text_encoder t5_large, large step 1000",
        "text_encoder t5_small, small step 12000",
    }


def test_runs_without_checkpoints_have_no_such_section(synthetic, results) -> None:
    data = load_sweep(results, "guidance_x_threshold")
    assert training_series(data.complete) == ()
    assert training_section(data).blocks == ()


def test_one_checkpoint_is_no_series(data) -> None:
    assert training_series(data.complete[:1]) == ()
