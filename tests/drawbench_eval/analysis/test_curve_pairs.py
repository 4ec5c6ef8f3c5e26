import numpy as np
import pytest

from drawbench_eval.analysis.curve_pairs import compare_curves
from drawbench_eval.analysis.paired import percentile_interval, prompt_draws
from drawbench_eval.analysis.resampled import BOOTSTRAP_SEED, NUM_DRAWS

RISING = [(1, 0.0, 10.0), (2, 1.0, 11.0), (4, 2.0, 12.0)]


def shifted(points, by):
    return [(w, score, distance + by) for w, score, distance in points]


def compared(made, levels, **options):
    _, scores, curves = made.make_sweep(levels, **options)
    infos = made.infos("score", "fd_scenes")
    return compare_curves(curves, scores, alignment=infos["score"], distance=infos["fd_scenes"])


def test_parallel_curves_are_their_distance_apart_at_equal_alignment_and_along_the_front(made):
    (pair,) = compared(made, {"a": RISING, "b": shifted(RISING, 2.0)}, noise=0.01)
    assert (pair.first, pair.second) == ("a", "b")
    assert pair.matched.estimate.value == pytest.approx(-2.0, abs=0.02)
    assert pair.front.estimate.value == pytest.approx(-2.0, abs=0.02)
    assert pair.differences == pytest.approx(np.full(21, -2.0), abs=0.03)
    assert np.all((pair.low <= pair.differences) & (pair.differences <= pair.high))
    assert pair.matched.p_holm == pytest.approx(2 * pair.matched.p)
    assert "significantly better" in pair.sentence


def test_pairing_is_tighter_than_the_curves_own_intervals(made):
    (pair,) = compared(made, {"a": RISING, "b": shifted(RISING, 2.0)}, noise=0.05)
    low, high = pair.matched.estimate.ci95
    assert (high - low) / 2 < 0.2 * pair.matched.unpaired


def test_equal_curves_are_not_resolved(made):
    (pair,) = compared(made, {"a": RISING, "b": RISING}, noise=0.3)
    assert pair.matched.p_holm > 0.05
    assert "not resolved at this n" in pair.sentence


def test_curves_that_differ_in_no_resampling_are_equal_and_not_unresolved(made):
    (pair,) = compared(made, {"a": RISING, "b": RISING}, noise=0.0)
    assert pair.matched.estimate.is_zero
    assert np.isnan([pair.matched.p, pair.front.p_holm]).all()
    said = "equals that of b in every resampling"
    assert pair.sentence == f"At matched score the Fréchet distance of a {said}; along the front it {said}."
    # What rounding leaves of a difference that is the same in all of them is no spread to test with.
    (pair,) = compared(made, {"a": RISING, "b": shifted(RISING, 0.1)}, noise=0.0)
    assert pair.front.estimate.value == pytest.approx(-0.1)
    assert np.isnan(pair.front.p)
    assert "differs from that of b by \u22120.1 throughout, which cannot be tested" in pair.sentence


def test_the_front_of_a_curve_that_turns_back_is_what_it_reaches_at_that_level_or_above(made):
    """a reaches score 2 at distance 5, and was at 9 on the way: along the front 5 counts everywhere."""
    turning = [(1, 0.0, 9.0), (2, 1.0, 9.0), (4, 2.0, 5.0)]
    (pair,) = compared(made, {"a": turning, "b": [(1, 0.0, 9.0), (4, 2.0, 9.0)]}, noise=0.001)
    assert pair.front.estimate.value == pytest.approx(-4.0, abs=0.01)
    assert pair.matched.estimate.value == pytest.approx(-1.0, abs=0.05)


def test_a_lower_alignment_and_a_higher_distance_may_be_better(made):
    """The axes the other way round: at equal distance, whose score is higher."""
    levels = {"a": RISING, "b": [(w, score - 0.5, distance) for w, score, distance in RISING]}
    _, scores, curves = made.make_sweep(levels, noise=0.01)
    infos = made.infos("score", "fd_scenes")
    (pair,) = compare_curves(curves, scores, alignment=infos["fd_scenes"], distance=infos["score"])
    assert pair.matched.estimate.value == pytest.approx(0.5, abs=0.02)
    assert np.all(np.diff(pair.levels) > 0)
    assert "significantly better" in pair.sentence


def test_curves_apart_are_not_compared_and_unlike_guidance_is_no_hindrance(made):
    far = [(w, score + 50, distance) for w, score, distance in RISING]
    assert compared(made, {"a": RISING, "b": far}) == ()
    kinds = {"b": "distilled"}
    assert len(compared(made, {"a": RISING, "b": shifted(RISING, 1.0)}, kinds=kinds)) == 1


def test_many_curves_are_each_compared_with_the_first(made):
    levels = {name: shifted(RISING, index) for index, name in enumerate("abcdef")}
    pairs = compared(made, levels)
    assert [(pair.first, pair.second) for pair in pairs] == [(name, "a") for name in "bcdef"]


def test_with_few_prompts_there_is_a_rough_interval_and_no_p(made):
    (pair,) = compared(made, {"a": RISING, "b": shifted(RISING, 2.0)}, noise=0.05, n=9)
    low, high = pair.front.estimate.ci95
    assert low < pair.front.estimate.value < high < 0
    assert np.isnan([pair.matched.p, pair.front.p, pair.front.p_holm]).all()
    assert "rough: only 9 prompts): too few prompts to test" in pair.sentence


def test_intervals_are_widened_for_the_number_of_prompts(made):
    """Where alignment has no noise the difference is a mean by prompt, and its draws are known."""
    ends = RISING[::2]
    _, scores, curves = made.make_sweep({"a": ends, "b": shifted(ends, 2.0)}, n=12, noise=0.3)
    for key, frame in scores.items():
        frame["score"] = {"1": 0.0, "4": 2.0}[key[2:]]
    infos = made.infos("score", "fd_scenes")
    (pair,) = compare_curves(curves, scores, alignment=infos["score"], distance=infos["fd_scenes"])
    sides = [sum(scores[f"{name}-{w:g}"]["fd_scenes"] for w, _, _ in ends) / 2 for name in "ab"]
    drawn = prompt_draws(12, NUM_DRAWS, seed=BOOTSTRAP_SEED) @ (sides[0] - sides[1]).to_numpy() / 12
    expected = -2.0 + np.sqrt(12 / 11) * np.array(percentile_interval(drawn))
    assert pair.matched.estimate.ci95 == pytest.approx(expected)
    assert pair.front.estimate.ci95 == pytest.approx(expected)
    apart = 1.96 * np.sqrt(12 / 11 * sum(np.square(side).mean() / 12 for side in sides))
    assert pair.matched.unpaired == pytest.approx(apart, rel=0.1)
    # Halfway the band is about the same number.
    assert (pair.low[10], pair.high[10]) == pytest.approx(expected)
