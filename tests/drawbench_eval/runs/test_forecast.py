import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from doubles import DoubleGenerator, run_plan, sample_plan

from drawbench_eval.generators import Request
from drawbench_eval.runs import forecast as module
from drawbench_eval.runs import runner
from drawbench_eval.runs.forecast import Forecast, forecast
from drawbench_eval.runs.plan import GeneratedSamples, Trial
from drawbench_eval.runs.runner import RunPlan
from drawbench_eval.store import Arrays, Store


class Clocked(DoubleGenerator):
    """Takes 0.1 s an image of the test's own clock, 0.2 s when guided, and 3 s to load."""

    now = 0.0
    loaded = False

    def generate(
        self, requests: Sequence[Request], *, batch_size: int, on_image: Callable[[int], None]
    ) -> list[Any]:
        Clocked.now += (0.1 if self.weight == 1 else 0.2) * len(requests)
        if not self.loaded:
            Clocked.now += 3.0
            self.loaded = True
        return super().generate(requests, batch_size=batch_size, on_image=on_image)


def test_each_kind_of_point_is_timed_once_and_finished_ones_are_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: Clocked.now)
    weights = [1.0, 2.0, 4.0, 7.0]
    runner.evaluate(run_plan(tmp_path, DoubleGenerator(weight=7.0)))
    generators = [Clocked(weight=weight) for weight in weights]
    expected = forecast([run_plan(tmp_path, generator) for generator in generators])
    assert [generator.made for generator in generators] == [84, 84, 0, 0]
    assert (expected.images, expected.finished_points) == (1000, 1)
    assert expected.pending == (250, 250, 250, 0)
    assert expected.seconds == pytest.approx(250 * 0.1 + 2 * 250 * 0.2 + 3 * 3.0)
    assert expected.disk_bytes > 750 * 50


class InStages(DoubleGenerator):
    """A base of 0.2 s an image for each weight, and a super-resolution of 0.1 s; the text takes 0.01 s."""

    level = 0.0
    one_at_a_time = False

    @property
    def stage_settings(self) -> Mapping[str, Mapping[str, Any]]:
        return {"base": {"weight": self.weight}, "sr64": {"level": self.level}}

    @property
    def stage_keys(self) -> Mapping[str, Mapping[str, Any]]:
        return {name: {**values, "encoder": {}} for name, values in self.stage_settings.items()}

    def text_key(self, stage: str) -> Mapping[str, Any]:
        return {}

    def encode(self, stage: str, requests: Sequence[Request]) -> Arrays:
        Clocked.now += 0.01 * len(requests)
        return {"states": np.zeros(len(requests), np.float32)}

    def run_stage(
        self, stage: str, text: Arrays, requests: Sequence[Request], rows: slice, low_res: Any
    ) -> Any:
        assert len(text["states"]) == len(requests)
        assert (low_res is None) == (stage == "base")
        Clocked.now += (0.2 if stage == "base" else 0.1) * (rows.stop - rows.start)
        return np.tile(np.arange(48, dtype=np.uint8).reshape(4, 4, 3), (rows.stop - rows.start, 1, 1, 1))


def _in_stages(results: Path, *, weight: float, level: float) -> RunPlan:
    generator = InStages(weight=weight)
    generator.level = level
    plan = run_plan(results, generator)
    samples = GeneratedSamples(plan=replace(sample_plan(generator), store=Store(results / "store")))
    return replace(plan, samples=samples, factors={**plan.factors, "level": level})


def test_what_points_share_is_counted_once_and_kept_nowhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: Clocked.now)
    points = [_in_stages(tmp_path, weight=w, level=level) for w in (2.0, 3.0) for level in (0.0, 0.1, 0.2)]
    expected = forecast(points)
    assert expected.seconds == pytest.approx(250 * (0.01 + 2 * 0.2 + 6 * 0.1))
    assert not list(tmp_path.rglob("*"))
    runner.evaluate(points[0])
    left = forecast(points)
    assert left.seconds == pytest.approx(250 * (0.2 + 5 * 0.1))
    # A row of text states of 4 bytes, images of 48.
    assert expected.disk_bytes - left.disk_bytes == pytest.approx(
        250 * (4 + 48 + 48 + module.ROW_BYTES + 75) + module.RUN_BYTES, abs=250 * 10
    )


def test_images_of_an_unfinished_point_are_not_counted_again(tmp_path: Path) -> None:
    with pytest.raises(runner.RunFailed):
        runner.evaluate(run_plan(tmp_path, DoubleGenerator(fail_after=130, error=RuntimeError)))
    assert forecast([run_plan(tmp_path, DoubleGenerator())]).pending == (150,)


def test_calibration_leaves_no_trace_in_the_metrics(tmp_path: Path) -> None:
    plan = run_plan(tmp_path, DoubleGenerator())
    forecast([plan])
    plain = runner.evaluate(run_plan(tmp_path / "other", DoubleGenerator()))
    assert runner.evaluate(plan).metrics == plain.metrics
    assert not list(tmp_path.glob("*.png"))


def test_what_is_said() -> None:
    fresh = Forecast(finished_points=0, images=600, pending=(200,) * 3, seconds=310, disk_bytes=2.2e7)
    assert fresh.said() == "3 points, 600 images; about 5 min 10 s and 22 MB for what is left"
    done = Forecast(finished_points=3, images=600, pending=(0,) * 3, seconds=0, disk_bytes=0)
    assert done.said() == "3 points, 600 images (3 points complete, 600 images there already)"


@pytest.mark.parametrize(("quick", "asked"), [(True, [4, 16, 64]), (False, [4, 16])])
def test_only_a_quick_generator_is_timed_with_many_images(
    quick: bool, asked: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """16 images of 0.31 s each take longer than `QUICK_SECONDS`."""
    monkeypatch.setattr(time, "monotonic", lambda: 0.0 if quick else Clocked.now)
    counts = []
    try_out = GeneratedSamples.try_out

    def counted(self: GeneratedSamples, count: int) -> Trial:
        counts.append(count)
        return try_out(self, count)

    monkeypatch.setattr(GeneratedSamples, "try_out", counted)
    module.calibrate(_in_stages(tmp_path, weight=2.0, level=0.0))
    assert counts == asked
