import math

import numpy as np
import pytest
from scipy.stats import norm

from drawbench_eval.analysis.curves import make_curves
from drawbench_eval.analysis.fronts import find_front


def of(made, points, n=400, noise=1.0):
    """Runs a, b, ... at (score, distance), each with its own noise in score and none in the distance."""
    rng = np.random.default_rng(3)
    runs, scores = [], {}
    for name, (score, distance) in zip("abcdef", points, strict=False):
        drawn = rng.normal(size=n)
        column = score + noise * (drawn - drawn.mean()) / drawn.std()
        run, frame = made.make_run(
            name,
            columns={"score": column, "fd_scenes": np.zeros(n)},
            distance=distance,
            model__guidance_weight=1 + len(runs),
        )
        runs.append(run)
        scores[name] = frame
    return make_curves(runs), scores, made.infos("score", "fd_scenes")


def test_the_probability_is_that_of_the_normal_law(made):
    """Of equal distances the one with the higher drawn mean is on the front: P = Phi(d / SE)."""
    curves, scores, infos = of(made, [(0.0, 5.0), (0.08, 5.0)])
    front = find_front(curves, scores, x=infos["fd_scenes"], y=infos["score"], num_draws=8000)
    spread = scores["b"]["score"] - scores["a"]["score"]
    expected = norm.cdf(0.08 / (spread.std(ddof=0) / math.sqrt(400)))
    a, b = front.points
    assert (a.on_front, b.on_front) == (False, True)
    assert b.probability == pytest.approx(expected, abs=0.02)
    assert a.probability + b.probability == pytest.approx(1.0, abs=1e-9)
    assert a.dominated_by == "b"
    assert b.dominated_by is None
    assert (a.standing, b.standing) == ("not resolved", "not resolved")


def test_sure_members_and_sure_dominated(made):
    curves, scores, infos = of(made, [(0.0, 1.0), (1.0, 2.0), (0.5, 3.0)])
    front = find_front(curves, scores, x=infos["fd_scenes"], y=infos["score"])
    assert [point.standing for point in front.points] == ["on the front", "on the front", "dominated"]
    assert [point.run.run_id for point in front.members] == ["a", "b"]
    assert front.points[2].dominated_by == "b"
    assert (front.n, front.num_prompts) == (400, 400)


def test_either_metric_may_have_either_direction(made):
    curves, scores, infos = of(made, [(0.0, 1.0), (1.0, 2.0), (0.5, 3.0)])
    swapped = find_front(curves, scores, x=infos["score"], y=infos["fd_scenes"])
    assert [point.on_front for point in swapped.points] == [True, True, False]
    assert [point.run.run_id for point in swapped.members] == ["b", "a"]


def test_runs_without_a_shared_sample_have_the_front_of_the_recorded_values(made):
    curves, scores, infos = of(made, [(0.0, 1.0), (1.0, 2.0), (0.5, 3.0)])
    scores["b"] = scores["b"].assign(sample_id=[f"t{index}" for index in range(400)])
    front = find_front(curves, scores, x=infos["fd_scenes"], y=infos["score"])
    assert [point.on_front for point in front.points] == [True, True, False]
    assert [point.y for point in front.points] == pytest.approx([0.0, 1.0, 0.5])
    assert all(math.isnan(point.probability) for point in front.points)
    assert (front.n, front.num_draws) == (0, 0)


def test_a_metric_without_a_column_has_a_front_without_probabilities(made):
    curves, scores, infos = of(made, [(0.0, 1.0), (1.0, 2.0), (0.5, 3.0)])
    scores["a"] = scores["a"].drop(columns="fd_scenes")
    front = find_front(curves, scores, x=infos["fd_scenes"], y=infos["score"])
    assert [point.on_front for point in front.points] == [True, True, False]
    assert all(math.isnan(point.probability) for point in front.points)
    assert front.num_draws == 0
    assert find_front(curves, scores, x=infos["fd_scenes"], y=made.infos("kid")["kid"]) is None
