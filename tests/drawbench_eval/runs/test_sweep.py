from pathlib import Path

import pytest
from doubles import DoubleGenerator, run_plan

from drawbench_eval.runs import runner
from drawbench_eval.runs.record import RunFailed
from drawbench_eval.runs.sweep import (
    SweepRecord,
    check_name,
    count,
    default_name,
    read_sweep,
    run_records,
    write_sweep,
)

RECORD = SweepRecord(
    name="mine",
    created_from=["model.guidance_weight=1,2"],
    swept={"model.guidance_weight": [1, 2]},
    run_ids=["0123456789", "9876543210"],
    labels=["a", "b"],
)


def test_round_trip(tmp_path: Path) -> None:
    path = write_sweep(tmp_path, RECORD)
    assert path == tmp_path / "sweeps" / "mine.json"
    assert read_sweep(tmp_path, "mine") == RECORD


def test_an_unknown_sweep_names_the_known_ones(tmp_path: Path) -> None:
    write_sweep(tmp_path, RECORD)
    with pytest.raises(ValueError, match=r"other\.json is not there; known sweeps: mine$"):
        read_sweep(tmp_path, "other")


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    write_sweep(tmp_path, RECORD).write_text("{")
    with pytest.raises(ValueError, match=r"mine\.json: not a sweep record"):
        read_sweep(tmp_path, "mine")


def test_the_default_name_is_the_experiment_or_the_command() -> None:
    assert default_name(["a=1"], "scenes/demo") == "scenes-demo"
    assert default_name(["a=1,2", "b=3"], None) == default_name(["b=3", "a=1,2"], None)
    assert default_name(["a=1,2"], None) != default_name(["a=1,3"], None)
    assert default_name(["a=1,2", "retry_failed=true"], None) == default_name(["a=1,2"], None)


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "x" * 101])
def test_a_name_that_is_no_file_name_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"^sweep: "):
        check_name(name)


def test_progress_counts_each_run_once(tmp_path: Path) -> None:
    good = run_plan(tmp_path, DoubleGenerator(), count=2)
    bad = run_plan(tmp_path, DoubleGenerator(weight=2, fail_after=0, error=RuntimeError), count=2)
    runner.evaluate(good)
    with pytest.raises(RunFailed):
        runner.evaluate(bad)
    counts = count(run_records(tmp_path, [good.run_id, bad.run_id, bad.run_id, "0123456789"]))
    assert counts == {"complete": 1, "failed": 1, "unfinished": 1}
