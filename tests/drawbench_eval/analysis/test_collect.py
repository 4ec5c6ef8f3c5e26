import json
import shutil

import numpy as np
import pytest

from drawbench_eval.analysis.collect import (
    collect,
    common,
    metric_infos,
    read_runs,
    require_one_protocol,
    varying,
)
from drawbench_eval.runs.sweep import read_sweep


@pytest.fixture
def copied(results, tmp_path):
    """A copy without images, to be damaged."""
    shutil.copytree(results, tmp_path / "results", ignore=shutil.ignore_patterns("samples"))
    return tmp_path / "results"


def edit(path, change):
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def test_one_row_a_run_with_settings_values_intervals_and_n(results, synthetic):
    frame = collect(results)
    complete = frame[frame["status"] == "complete"]
    assert len(complete) == 15
    row = complete[
        (complete["model.threshold"] == "dynamic") & (complete["model.guidance_weight"] == 4)
    ].iloc[0]
    assert row["fd_scenes"] == pytest.approx(synthetic.World().distance("dynamic", 4))
    assert row["scenes_clip_score.lo"] < row["scenes_clip_score"] < row["scenes_clip_score.hi"]
    assert row["scenes_accuracy.n"] == 66
    assert row["label"] == "dynamic-w4"
    assert len(row["run_id"]) == 10


def test_planned_runs_keep_their_place_whatever_became_of_them(results):
    sweep = read_sweep(results, "guidance_x_threshold")
    runs = read_runs(results, sweep.run_ids, labels=sweep.labels)
    assert [run.run_id for run in runs] == sweep.run_ids
    assert [run.status for run in runs][-3:] == ["failed", "unfinished", "not started"]
    assert [run.label for run in runs][-3:] == ["none-w20", "static-w20", "dynamic-w20"]
    assert runs[-3].reason == "RuntimeError: the image holds a NaN"
    frame = collect(results, sweep.run_ids)
    assert np.isnan(frame["fd_scenes"].iloc[-1])
    assert frame["fd_scenes.n"].iloc[-1] == 0


def test_varying_and_common(results):
    runs = read_runs(results)
    assert varying(runs) == ("model.guidance_weight", "model.percentile", "model.threshold")
    shared = common(runs)
    assert shared["model.sampler"] == "ddim"
    assert "model.threshold" not in shared


def test_1_and_1_0_are_one_value(copied):
    for index, path in enumerate(sorted(copied.glob("runs/*/run.json"))):
        value = 16.0 if index % 2 else 16
        edit(path, lambda record, value=value: record["factors"].update({"model.num_steps": value}))
    assert "model.num_steps" not in varying(read_runs(copied))


def test_unlike_protocols_are_refused_and_the_keys_named(copied):
    path = next(copied.glob("runs/dynamic-w4-*/run.json"))

    def other(record):
        record["metrics"]["fd_scenes"]["protocol"]["id"] = "ffffffffff"
        record["metrics"]["fd_scenes"]["protocol"]["values"]["n_requested"] = 99

    edit(path, other)
    with pytest.raises(ValueError, match=r"fd_scenes.*ffffffffff.*n_requested: (66 and 99|99 and 66)"):
        collect(copied)
    assert len(collect(copied, allow_mixed=True)) == 17
    infos = metric_infos(read_runs(copied))
    del infos["fd_scenes"]
    require_one_protocol(infos)


@pytest.mark.parametrize("part", ["protocol", "value", "n", "higher_is_better"])
def test_a_metric_that_lacks_a_part_is_named_with_its_file(copied, part):
    path = next(copied.glob("runs/dynamic-w4-*/run.json"))
    edit(path, lambda record: record["metrics"]["fd_scenes"].pop(part))
    with pytest.raises(ValueError, match=rf"dynamic-w4-.*run\.json: metrics\.fd_scenes has no {part}"):
        collect(copied)


def test_unlike_units_are_refused(copied):
    path = next(copied.glob("runs/dynamic-w4-*/run.json"))
    edit(path, lambda record: record["metrics"]["fd_scenes"].update(unit="metres"))
    with pytest.raises(ValueError, match=r"fd_scenes has unit 'metres'|other runs 'metres'"):
        collect(copied)


def test_an_undefined_interval_is_nan(copied):
    path = next(copied.glob("runs/dynamic-w4-*/run.json"))
    edit(path, lambda record: record["metrics"]["fd_scenes"].update(ci95=[None, None]))
    frame = collect(copied).set_index("label")
    assert np.isnan(frame.loc["dynamic-w4", "fd_scenes.lo"])
    assert frame.loc["dynamic-w4", "fd_scenes"] > 0


def test_broken_record_and_missing_folder_are_named(copied, tmp_path):
    path = next(copied.glob("runs/dynamic-w4-*/run.json"))
    path.write_text("{")
    with pytest.raises(ValueError, match=r"dynamic-w4-.*run\.json"):
        collect(copied)
    with pytest.raises(ValueError, match="no such folder"):
        collect(tmp_path / "nowhere")
