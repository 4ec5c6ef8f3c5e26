import csv
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from drawbench_eval.samples import Sample, SampleSet
from drawbench_eval.scenes.eye_check import NUM_SAMPLES, agreement, draw, main


def _results(folder: Path, runs: int, count: int) -> Path:
    for run in range(runs):
        samples = folder / "runs" / f"scenes-{run:010d}" / "samples"
        samples.mkdir(parents=True)
        rows = [
            Sample(
                sample_id=f"p{k}",
                prompt_id=f"p{k}",
                prompt=f"thing {k}",
                category="",
                seed=k,
                path=f"{k}.png",
                sha256="0" * 64,
            )
            for k in range(count)
        ]
        for sample in rows:
            Image.new("RGB", (8, 8), (run, 0, 0)).save(samples / sample.path)
        SampleSet.write(samples, rows, {})
        # 0 unreadable, 1 wrong, 2 right, and so on.
        kinds = np.arange(count) % 3
        table = {"scenes_accuracy": (kinds == 2) * 1.0, "scenes_accuracy.unreadable": (kinds == 0) * 1.0}
        pd.DataFrame({"sample_id": [s.sample_id for s in rows], **table}).to_parquet(
            samples.parent / "scores.parquet"
        )
    (folder / "sweeps").mkdir(parents=True)
    record = {"run_ids": [f"{run:010d}" for run in range(runs)]}
    (folder / "sweeps" / "demo.json").write_text(json.dumps(record))
    return folder


def test_samples_are_spread_over_the_runs_without_the_oracle_in_the_pictures(tmp_path: Path) -> None:
    results = _results(tmp_path / "results", runs=3, count=80)
    drawn = draw(results, "demo")
    assert len(drawn) == NUM_SAMPLES
    assert sorted(drawn["run"].value_counts()) == [66, 67, 67]
    assert not drawn.duplicated(["run", "sample_id"]).any()
    answers = {row.sample_id: row.oracle for row in drawn.itertuples()}
    assert {answers[f"p{k}"] for k in range(80) if f"p{k}" in answers and k % 3 == 2} == {"right"}
    pd.testing.assert_frame_equal(drawn, draw(results, "demo"))
    assert main(["montage", str(results), "demo", str(tmp_path / "pages")]) == 0
    assert len(list((tmp_path / "pages").glob("page-*.png"))) == 8
    with (tmp_path / "pages" / "eye_check.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["number"]) for row in rows] == list(range(1, NUM_SAMPLES + 1))
    assert {row["eye"] for row in rows} == {""}


def test_the_agreement_counts_unreadable_as_wrong(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    pairs = (
        [("right", "right")] * 3
        + [("wrong", "unreadable")] * 2
        + [("right", "unreadable"), ("wrong", "right")]
    )
    rows = [{"number": str(k), "eye": eye, "oracle": oracle} for k, (eye, oracle) in enumerate(pairs)]
    lines = agreement(rows)
    assert "| eye: right | 3 | 0 | 1 |" in lines
    assert "| eye: wrong | 1 | 0 | 2 |" in lines
    assert lines[-1] == "Agreement: 5 of 7 (71.4 %); of what the oracle read, 3 of 4 (75.0 %)"
    with pytest.raises(ValueError, match="row 9: eye is ''; it must be right or wrong"):
        agreement([{"number": "9", "eye": "", "oracle": "right"}])
    pd.DataFrame(rows).to_csv(tmp_path / "judged.csv", index=False)
    assert main(["agreement", str(tmp_path / "judged.csv")]) == 0
    assert "71.4 %" in capsys.readouterr().out
    assert main([]) == 2


def test_a_sweep_without_runs_is_named(tmp_path: Path) -> None:
    results = _results(tmp_path / "results", runs=0, count=0)
    with pytest.raises(ValueError, match="sweep demo: it has no complete run"):
        draw(results, "demo")


def test_the_printed_agreement_is_that_of_the_committed_answers() -> None:
    docs = Path(__file__).parents[3] / "docs"
    with (docs / "eye_check.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == NUM_SAMPLES
    *table, _, figures = agreement(rows)
    printed = (docs / "oracle.md").read_text(encoding="utf-8")
    assert "\n".join(table) in printed
    for figure in figures.removeprefix("Agreement: ").split("; of what the oracle read, "):
        assert figure in " ".join(printed.split())
