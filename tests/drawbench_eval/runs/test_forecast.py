import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from doubles import DoubleGenerator, run_plan

from drawbench_eval.generators import Request
from drawbench_eval.runs import forecast as module
from drawbench_eval.runs import runner
from drawbench_eval.runs.forecast import Forecast, forecast


class Clocked(DoubleGenerator):
    """Takes 0.1 s an image of the test's own clock, 0.2 s when guided, and 3 s to load."""

    now = 0.0
    loaded = False

    def generate(
        self, requests: Sequence[Request], *, batch_size: int, on_image: Callable[[int], None]
    ) -> list[Any]:
        Clocked.now += (0.1 if self.weight == 1 else 0.2) * len(requests)
        if not self.loaded:
            Clocked.now += 3.0 - (0.1 if self.weight == 1 else 0.2) * len(requests)
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
    assert [generator.made for generator in generators] == [14, 14, 0, 0]
    assert (expected.images, expected.finished_points) == (1000, 1)
    assert expected.pending == (250, 250, 250, 0)
    assert expected.seconds == pytest.approx(250 * 0.1 + 2 * 250 * 0.2 + 3 * 3.0)
    assert expected.disk_bytes > 750 * 50


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


def test_the_calibration_batch_is_small() -> None:
    assert module.CALIBRATION_IMAGES <= 16
