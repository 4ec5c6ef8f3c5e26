import dataclasses
import json
from pathlib import Path

import pytest
from doubles import DoubleGenerator, run_plan

from drawbench_eval.runs import runner
from drawbench_eval.runs.keeping import Keep
from drawbench_eval.runs.plan import GeneratedSamples
from drawbench_eval.runs.runner import RunPlan
from drawbench_eval.samples import SampleSet


def _plan(results: Path, keep: Keep) -> RunPlan:
    plan = run_plan(results, DoubleGenerator())
    assert isinstance(plan.samples, GeneratedSamples)
    return dataclasses.replace(plan, samples=dataclasses.replace(plan.samples, keep=keep))


@pytest.mark.parametrize(
    ("keep", "stays"),
    [
        ("all", 250),
        # Two categories, and of the first prompt of each two images.
        ("grid", 4),
        ("none", 0),
    ],
)
def test_what_is_kept_changes_no_number(tmp_path: Path, keep: Keep, stays: int) -> None:
    whole = runner.evaluate(_plan(tmp_path / "whole", "all"))
    plan = _plan(tmp_path / "kept", keep)
    record = runner.evaluate(plan)
    assert record.metrics == whole.metrics
    assert record.counts == whole.counts
    samples = plan.folder / "samples"
    assert len(list(samples.glob("*.png"))) == stays
    read = SampleSet.read(samples)
    assert len(read.samples) == 250
    assert sum(read.load(sample).status == "ok" for sample in read.samples) == stays
    assert json.loads((samples / "set.json").read_text()).get("keep_samples", "all") == keep
    # A finished run is finished, whatever it kept.
    assert runner.finished(plan) is not None


def test_grid_keeps_the_first_prompt_of_each_category(tmp_path: Path) -> None:
    plan = _plan(tmp_path, "grid")
    runner.evaluate(plan)
    names = sorted(path.stem for path in (plan.folder / "samples").glob("*.png"))
    assert names == ["p000-00", "p000-01", "p001-00", "p001-01"]
