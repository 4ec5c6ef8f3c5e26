import dataclasses
import json
from pathlib import Path

from doubles import DoubleGenerator, run_plan, tree

from drawbench_eval.runs import runner
from drawbench_eval.runs.garbage import collect
from drawbench_eval.runs.plan import GeneratedSamples
from drawbench_eval.runs.runner import RunPlan
from drawbench_eval.runs.same_chunks import INDEX


def _plan(results: Path, generator: DoubleGenerator, *, metric: str = "") -> RunPlan:
    """The same images under another identity: that of a run with one more metric."""
    plan = run_plan(results, generator)
    assert isinstance(plan.samples, GeneratedSamples)
    samples = dataclasses.replace(
        plan.samples, plan=dataclasses.replace(plan.samples.plan, index=results / INDEX)
    )
    return dataclasses.replace(plan, samples=samples, factors={**plan.factors, "metrics": metric})


def test_another_metric_makes_no_image_again(tmp_path: Path) -> None:
    first = _plan(tmp_path, DoubleGenerator())
    runner.evaluate(first)
    again = DoubleGenerator()
    second = _plan(tmp_path, again, metric="other")
    runner.evaluate(second)
    assert again.made == 0
    assert first.folder != second.folder
    images = [
        {name: data for name, data in tree(plan.folder / "samples").items() if name.endswith(".png")}
        for plan in (first, second)
    ]
    assert len(images[0]) == 250
    assert images[0] == images[1]
    # One file under two names, where the file system has such.
    assert (first.folder / "samples" / "p000-00.png").stat().st_nlink == 2


def test_other_settings_and_damaged_images_are_made(tmp_path: Path) -> None:
    first = _plan(tmp_path, DoubleGenerator())
    runner.evaluate(first)
    other = DoubleGenerator(weight=2)
    runner.evaluate(_plan(tmp_path, other))
    assert other.made == 250
    (first.folder / "samples" / "p000-00.png").write_bytes(b"damaged")
    again = DoubleGenerator()
    runner.evaluate(_plan(tmp_path, again, metric="other"))
    # The chunk with the damaged one.
    assert again.made == 100


def test_what_points_to_runs_that_are_gone_is_collected(tmp_path: Path) -> None:
    plan = _plan(tmp_path, DoubleGenerator())
    runner.evaluate(plan)
    assert len(list((tmp_path / INDEX).iterdir())) == 3
    collect(tmp_path)
    assert len(list((tmp_path / INDEX).iterdir())) == 3
    for path in (plan.folder / "samples" / ".chunks").iterdir():
        path.unlink()
    collect(tmp_path)
    assert not list((tmp_path / INDEX).iterdir())


def test_images_of_unlike_devices_are_said_with_every_number(tmp_path: Path) -> None:
    plan = _plan(tmp_path, DoubleGenerator())
    runner.evaluate(plan)
    record = plan.folder / "samples" / ".chunks" / "00001.json"
    assert json.loads(record.read_text())["made_on"] == ["cpu"]
    record.write_text(record.read_text().replace('"cpu"', '"cuda, compiled"'))
    (plan.folder / "run.json").unlink()
    mixed = runner.evaluate(_plan(tmp_path, DoubleGenerator()))
    assert mixed.metrics["brightness"]["notes"] == [
        "images were made on unlike devices: cpu and cuda, compiled"
    ]
