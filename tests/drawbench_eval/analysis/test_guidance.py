import numpy as np
import pandas as pd
import pytest

from drawbench_eval.analysis.collect import Run
from drawbench_eval.analysis.curves import Curve
from drawbench_eval.analysis.guidance import (
    difference_of_falls,
    distance_difference_at,
    extremes,
    fall_from_best,
    matched,
    rise_to_best,
)
from drawbench_eval.runs.record import RunRecord


def make_curve(name, weights, alignment, distances=None):
    """A curve and its scores; alignment is [points, samples], one sample a prompt, influences are noise."""
    rng = np.random.default_rng(len(name))
    runs, scores = [], {}
    distances = np.zeros(len(weights)) if distances is None else distances
    for index, w in enumerate(weights):
        key = f"{name}{w:g}"
        metrics = {
            "fd_scenes": {"value": float(distances[index])},
            "score": {"value": float(np.mean(alignment[index]))},
        }
        record = RunRecord(
            run_id=key,
            label=key,
            status="complete",
            factors={},
            metrics=metrics,
            counts={},
            named={},
            inputs={},
            environment={},
            timings={},
            config={},
        )
        runs.append(Run(run_id=key, label=key, status="complete", folder=None, record=record))
        n = alignment.shape[1]
        ids = [f"p{i:04d}" for i in range(n)]
        influence = rng.normal(size=n)
        scores[key] = pd.DataFrame(
            {
                "sample_id": ids,
                "prompt_id": ids,
                "seed": 0,
                "score": alignment[index],
                "fd_scenes": influence - influence.mean(),
            }
        )
    curve = Curve(name=name, mode=name, context="", runs=tuple(runs), weights=tuple(map(float, weights)))
    return curve, scores


def test_rise_and_fall_of_exact_curves():
    base = np.random.default_rng(0).normal(size=100)
    levels = np.array([0.0, 2.0, 5.0, 4.0])
    curve, scores = make_curve("a", (1, 2, 4, 8), levels[:, None] + base)
    rise, fall = rise_to_best(curve, scores, "score"), fall_from_best(curve, scores, "score")
    assert rise.estimate.value == pytest.approx(5.0)
    assert rise.estimate.ci95 == pytest.approx((5.0, 5.0))
    assert rise.chosen == (4.0, 4.0)
    assert fall.estimate.value == pytest.approx(1.0)
    # A curve that still rises has a negative fall.
    curve, scores = make_curve("b", (1, 2, 4), levels[:3, None] + base)
    assert fall_from_best(curve, scores, "score").estimate.value == pytest.approx(-3.0)


def test_choosing_on_one_half_and_measuring_on_the_other_does_not_flatter():
    rng = np.random.default_rng(5)
    estimates, flattered = [], []
    for _ in range(40):
        noise = rng.normal(size=(13, 60))
        curve, scores = make_curve("c", np.arange(1, 14), noise)
        estimates.append(rise_to_best(curve, scores, "score").estimate.value)
        flattered.append(noise[1:].mean(axis=1).max() - noise[0].mean())
    spread = np.std(estimates) / np.sqrt(40)
    assert abs(np.mean(estimates)) < 3 * spread
    assert np.mean(flattered) > 5 * spread


def test_difference_of_falls():
    base = np.random.default_rng(0).normal(size=50)
    static, a = make_curve("static", (1, 2, 4), np.array([0.0, 3.0, 1.0])[:, None] + base)
    dynamic, b = make_curve("dynamic", (1, 2, 4), np.array([0.0, 3.0, 2.5])[:, None] + base)
    effect, first, second = difference_of_falls(static, dynamic, (1.0, 2.0, 4.0), {**a, **b}, "score")
    assert (effect.value, first, second) == pytest.approx((1.5, 2.0, 0.5))


def test_distance_difference_is_that_of_the_records_and_its_interval_that_of_influences():
    a, scores_a = make_curve("a", (1,), np.zeros((1, 400)), [10.0])
    b, scores_b = make_curve("bb", (1,), np.zeros((1, 400)), [7.0])
    scores = {**scores_a, **scores_b}
    effect = distance_difference_at(a.runs[0], b.runs[0], scores, "fd_scenes")
    assert effect.value == pytest.approx(3.0)
    difference = scores["a1"]["fd_scenes"] - scores["bb1"]["fd_scenes"]
    half = (effect.ci95[1] - effect.ci95[0]) / 2
    assert half == pytest.approx(1.966 * difference.std(ddof=1) / 20, rel=0.01)
    assert sum(effect.ci95) / 2 == pytest.approx(3.0)


def test_extremes_and_their_interval():
    base = np.random.default_rng(0).normal(size=200)
    levels = np.array([0.0, 1.0, 2.0, 5.0])
    curve, scores = make_curve("a", (1, 2, 4, 8), levels[:, None] + base, [9.0, 5.0, 20.0, 40.0])
    found = extremes(curve, scores, "score", "fd_scenes")
    assert (found.best_alignment, found.lowest_distance) == (8.0, 2.0)
    assert found.estimate.value == 6.0
    assert found.estimate.ci95 == (6.0, 6.0)
    # With distances that the noise can turn over, the interval says so.
    curve, scores = make_curve("a", (1, 2, 4, 8), levels[:, None] + base, [5.02, 5.0, 20.0, 40.0])
    assert extremes(curve, scores, "score", "fd_scenes").estimate.ci95 == (6.0, 7.0)


def test_matched_of_parallel_curves():
    base = np.random.default_rng(0).normal(size=300)
    levels = np.array([0.0, 1.0, 2.0])[:, None] + base
    a, scores_a = make_curve("a", (1, 2, 4), levels, [10.0, 11.0, 12.0])
    b, scores_b = make_curve("bb", (1, 2, 4), levels, [12.0, 13.0, 14.0])
    found = matched(a, b, {**scores_a, **scores_b}, "score", "fd_scenes")
    assert found.estimate.value == pytest.approx(-2.0)
    assert found.estimate.ci95[0] < -2.0 < found.estimate.ci95[1] < 0
    assert (found.num_below, found.num_levels) == (21, 21)
    assert found.shared == pytest.approx((base.mean(), 2 + base.mean()))


def test_matched_without_overlap_is_none():
    a, scores_a = make_curve("a", (1, 2), np.array([[0.0], [1.0]]).repeat(20, 1), [1.0, 2.0])
    b, scores_b = make_curve("bb", (1, 2), np.array([[3.0], [4.0]]).repeat(20, 1), [1.0, 2.0])
    assert matched(a, b, {**scores_a, **scores_b}, "score", "fd_scenes") is None
