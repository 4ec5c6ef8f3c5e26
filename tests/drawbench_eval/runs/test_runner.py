import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from doubles import Brightness, DoubleGenerator, Killed, run_plan, tree
from PIL import Image

from drawbench_eval.files import sha256_file
from drawbench_eval.prompt import Prompt
from drawbench_eval.runs import generation, runner
from drawbench_eval.runs.plan import GeneratedSamples
from drawbench_eval.runs.record import RunFailed, read_record


def _stable(folder: Path) -> tuple[dict[str, bytes], dict[str, Any]]:
    """Files of a run, and its record without the timings."""
    files = tree(folder)
    record = json.loads(files.pop("run.json"))
    record.pop("timings")
    return files, record


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    plan = run_plan(tmp_path_factory.mktemp("straight"), DoubleGenerator())
    runner.evaluate(plan)
    return plan.folder


def test_a_run_has_what_the_contract_says(straight: Path) -> None:
    record = json.loads((straight / "run.json").read_text())
    assert straight.name == f"mine-{record['run_id']}"
    assert record["status"] == "complete"
    assert record["counts"] == {
        "requested": 250,
        "generated": 250,
        "missing": 0,
        "unreadable": 0,
        "blank": 0,
        "flagged": 0,
        "truncated_prompts": 0,
    }
    metric = record["metrics"]["brightness"]
    assert set(metric) == {
        "value",
        "ci95",
        "n",
        "num_unscored",
        "higher_is_better",
        "unit",
        "protocol",
        "notes",
    }
    assert metric["n"] == 250
    assert metric["protocol"]["values"]["n_requested"] == 250
    assert set(record["environment"]) == {"versions", "device", "precision", "git"}
    table = pd.read_parquet(straight / "scores.parquet")
    assert list(table) == ["sample_id", "prompt_id", "category", "seed", "brightness"]
    assert len(table) == 250
    assert table["brightness"].mean() == pytest.approx(metric["value"], rel=1e-12)
    manifest = pd.read_csv(straight / "samples" / "manifest.csv")
    assert list(manifest["sample_id"]) == list(table["sample_id"])
    assert list(manifest["seed"]) == list(table["seed"])


def test_a_finished_run_is_not_redone(tmp_path: Path) -> None:
    first = runner.evaluate(run_plan(tmp_path, DoubleGenerator()))
    before = tree(tmp_path)
    generator = DoubleGenerator()
    assert runner.evaluate(run_plan(tmp_path, generator, label="renamed")) == first
    assert generator.made == 0
    assert tree(tmp_path) == before


@pytest.mark.parametrize("where", ["generating", "scoring", "recording"])
def test_killed_anywhere_and_started_again_is_the_same_run(
    tmp_path: Path, straight: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def dies(*_arguments: object, **_keywords: object) -> None:
        raise Killed

    generator = DoubleGenerator(fail_after=120 if where == "generating" else None)
    if where == "scoring":
        monkeypatch.setattr(Brightness, "compute", dies)
    if where == "recording":
        monkeypatch.setattr(runner, "write_record", dies)
    with pytest.raises(Killed):
        runner.evaluate(run_plan(tmp_path, generator))
    monkeypatch.undo()
    plan = run_plan(tmp_path, DoubleGenerator())
    assert read_record(plan.folder) is None
    runner.evaluate(plan)
    assert _stable(plan.folder) == _stable(straight)


def test_a_failure_is_recorded_and_tried_again(tmp_path: Path) -> None:
    plan = run_plan(tmp_path, DoubleGenerator(fail_after=120, error=RuntimeError))
    with pytest.raises(RunFailed, match="RuntimeError: the generator stops here") as failed:
        runner.evaluate(plan)
    assert isinstance(failed.value.__cause__, RuntimeError)
    record = read_record(plan.folder)
    assert record is not None
    assert (record.status, record.error) == ("failed", "RuntimeError: the generator stops here")
    assert record.counts["generated"] == 100
    assert record.metrics == {}
    assert runner.evaluate(run_plan(tmp_path, DoubleGenerator())).status == "complete"


def test_images_without_pixels_to_score_are_counted_named_and_unscored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = generation.write_set

    def loses(*arguments: Any, **keywords: Any) -> Any:
        samples = make(*arguments, **keywords)
        (samples.folder / "p003-01.png").unlink()
        (samples.folder / "p004-00.png").write_bytes(b"not a picture")
        black = samples.folder / "p005-00.png"
        Image.new("RGB", (8, 8)).save(black)
        return dataclasses.replace(
            samples,
            samples=tuple(
                dataclasses.replace(sample, sha256=sha256_file(black))
                if sample.path == black.name
                else sample
                for sample in samples.samples
            ),
            flagged=frozenset({"p006-00"}),
        )

    monkeypatch.setattr(generation, "write_set", loses)
    plan = run_plan(tmp_path, DoubleGenerator())
    record = runner.evaluate(plan)
    statuses = ("missing", "unreadable", "blank", "flagged")
    assert [record.counts[status] for status in statuses] == [1, 1, 1, 1]
    assert record.counts["generated"] == 249
    assert record.named["missing"] == ["p003-01"]
    assert record.named["unreadable"] == ["p004-00"]
    assert record.named["blank"] == ["p005-00"]
    assert record.named["flagged"] == ["p006-00"]
    assert (record.metrics["brightness"]["n"], record.metrics["brightness"]["num_unscored"]) == (246, 4)
    table = pd.read_parquet(plan.folder / "scores.parquet").set_index("sample_id")
    assert np.isnan(table.loc["p003-01", "brightness"])  # type: ignore[arg-type]
    assert np.isfinite(table["brightness"]).sum() == 246


def test_an_empty_prompt_is_legal(tmp_path: Path) -> None:
    plan = run_plan(tmp_path, DoubleGenerator(), count=1)
    empty = dataclasses.replace(plan.samples.prompts, prompts=(Prompt(id="empty", text=""),))
    plan = dataclasses.replace(
        plan, samples=GeneratedSamples(plan=dataclasses.replace(plan.samples.plan, prompts=empty))
    )
    assert runner.evaluate(plan).counts["generated"] == 2
