import json
from pathlib import Path

import pytest
from doubles import DoubleGenerator, run_plan

from drawbench_eval.runs import runner
from drawbench_eval.runs.locks import holding
from drawbench_eval.runs.progress import Meter
from drawbench_eval.runs.record import RunFailed
from drawbench_eval.runs.sweep import SweepRecord
from drawbench_eval.runs.watch import PROGRESS_FILE, PointState, SweepState, beats, sweep_state

IMAGES = 250


def _record(*run_ids: str) -> SweepRecord:
    return SweepRecord(
        name="mine",
        created_from=[],
        swept={},
        run_ids=run_ids,
        labels=["double"] * len(run_ids),
        points=[f"point {place}" for place in range(len(run_ids))],
        images=[IMAGES] * len(run_ids),
    )


def _point(state: str, *, made: int = 0, **values: object) -> PointState:
    fixed = {"point": "p", "run_id": "a", "folder": None, "images": 100, "made": made}
    return PointState(state=state, **fixed, **values)  # type: ignore[arg-type]


def test_done_failed_dead_and_never_begun(tmp_path: Path) -> None:
    done = run_plan(tmp_path, DoubleGenerator())
    broken = run_plan(tmp_path, DoubleGenerator(weight=2, fail_after=120, error=RuntimeError))
    killed = run_plan(tmp_path, DoubleGenerator(weight=3, fail_after=220))
    runner.evaluate(done)
    with pytest.raises(RunFailed):
        runner.evaluate(broken)
    with pytest.raises(BaseException, match="stops here"):
        runner.evaluate(killed)
    ids = (done.run_id, broken.run_id, killed.run_id, "c123456789", done.run_id)
    state = sweep_state(tmp_path, _record(*ids))
    assert [point.run_id for point in state.points] == list(ids[:4])
    assert [point.state for point in state.points] == ["done", "failed", "waiting", "waiting"]
    # Whole chunks are kept of what was killed.
    assert [point.made for point in state.points] == [IMAGES, 100, 200, 0]
    assert state.points[1].detail == "RuntimeError: the generator stops here"
    assert state.points[1].folder == broken.folder
    assert state.points[0].timed_images == IMAGES
    assert not list(tmp_path.rglob(PROGRESS_FILE))


def test_a_point_at_work_says_how_far_it_is(tmp_path: Path) -> None:
    plan = run_plan(tmp_path, DoubleGenerator())
    now = 0.0
    meter = Meter(total=IMAGES, done=50, unit="images", clock=lambda: now)
    with holding(tmp_path, plan.run_id, wait=False):
        (starting,) = sweep_state(tmp_path, _record(plan.run_id)).points
        assert (starting.state, starting.made, starting.detail) == ("running", 0, "starting")
        beat = beats(plan.folder / PROGRESS_FILE, "generating", clock=lambda: now)
        now = 10.0
        meter.advance(40)
        beat(meter)
        state = sweep_state(tmp_path, _record(plan.run_id))
        assert (state.points[0].made, state.points[0].detail) == (90, "generating")
        assert state.images_per_s == 4
        assert state.seconds_left == (IMAGES - 90) / 4
        beats(plan.folder / PROGRESS_FILE, "scoring")(Meter(total=IMAGES, done=10, unit="images"))
        (scoring,) = sweep_state(tmp_path, _record(plan.run_id)).points
        assert (scoring.made, scoring.images_per_s, scoring.detail) == (IMAGES, None, "scoring")
    # The lock ends with its process; images that were written count, what it said last does not.
    (dead,) = sweep_state(tmp_path, _record(plan.run_id)).points
    assert (dead.state, dead.made) == ("waiting", 0)


def test_a_beat_is_written_at_once_and_then_once_a_second(tmp_path: Path) -> None:
    now, path = 0.0, tmp_path / "a" / PROGRESS_FILE
    meter = Meter(total=9, done=0, unit="images", clock=lambda: now)
    beat = beats(path, "generating", clock=lambda: now)
    seen = []
    for now in (0.0, 0.5, 0.9, 1.0, 1.9, 2.5):  # noqa: B007  (the clock reads it)
        meter.advance(1)
        beat(meter)
        seen.append(json.loads(path.read_text())["done"])
    assert seen == [1, 1, 1, 4, 4, 6]


def test_the_run_itself_says_how_far_it_is(tmp_path: Path) -> None:
    seen = []

    class Looking(DoubleGenerator):
        def generate(self, requests, *, batch_size, on_image):  # type: ignore[no-untyped-def]
            images = super().generate(requests, batch_size=batch_size, on_image=on_image)
            seen.append(sweep_state(tmp_path, _record(plan.run_id)).points[0])
            return images

    plan = run_plan(tmp_path, Looking())
    runner.evaluate(plan)
    assert [point.state for point in seen] == ["running"] * 3
    assert {point.detail for point in seen} == {"generating"}


def test_time_left_is_of_what_finished_points_cost_at_so_many_at_a_time() -> None:
    # 100 images in 50 s, scores included: 0.5 s an image; 160 images are left, two points at a time.
    points = [
        _point("done", made=100, seconds=50.0, timed_images=100),
        # What a failed point still lacks is not done without being asked for.
        _point("failed", made=10),
        _point("running", made=60, images_per_s=3.0),
        _point("running", made=80, images_per_s=None),
        _point("waiting"),
    ]
    state = SweepState(name="mine", points=points)
    assert state.seconds_left == 160 * 0.5 / 2
    assert state.images_per_s == 3
    assert state.said() == (
        "mine: 1 of 5 points done, 2 running, 1 failed, 1 left; 3.0 images/s, about 40 s left"
    )
    unknown = SweepState(name="mine", points=points[3:])
    assert unknown.seconds_left is None
    assert unknown.said() == "mine: 0 of 2 points done, 1 running, 0 failed, 1 left"
    assert SweepState(name="mine", points=points[:2]).seconds_left == 0
