"""How often the intervals of curve differences hold the truth, and how often p finds what is not there."""

import numpy as np
import pytest

from drawbench_eval.analysis.curve_pairs import compare_curves
from drawbench_eval.analysis.curves import make_curves
from drawbench_eval.analysis.fronts import find_front

NUM_RUNS = 400
NUM_PROMPTS, PER_PROMPT = 100, 2
ALIGNMENT, DISTANCE = np.array([0.0, 1.0, 2.0]), np.array([10.0, 11.0, 13.0])


def draw(made, rng, shift):
    """Two curves `shift` apart in distance: prompts, seeds and runs add their noise to both metrics."""
    n = NUM_PROMPTS * PER_PROMPT
    prompt = np.repeat(rng.normal(size=(2, NUM_PROMPTS)), PER_PROMPT, axis=1)
    seed = rng.normal(size=(2, n))
    runs, scores = [], {}
    for name, by in (("a", shift), ("b", 0.0)):
        for w, alignment, distance in zip((1, 2, 4), ALIGNMENT, DISTANCE, strict=True):
            noise = 0.7 * prompt + 0.5 * seed + 0.3 * rng.normal(size=(2, n))
            run, frame = made.make_run(
                f"{name}{w}",
                columns={"score": alignment + noise[0], "fd_scenes": noise[1] - noise[1].mean()},
                distance=distance + by + noise[1].mean(),
                per_prompt=PER_PROMPT,
                model__text_encoder=name,
                model__guidance_weight=w,
            )
            runs.append(run)
            scores[run.run_id] = frame
    return make_curves(runs), scores


@pytest.mark.slow
def test_intervals_of_curve_differences_hold_the_truth_about_95_times_in_100(made):
    rng = np.random.default_rng(7)
    infos = made.infos("score", "fd_scenes")
    held = {"matched": [], "front": []}
    false, ratios = [], []
    for index in range(NUM_RUNS):
        shift = 0.2 * (index % 2)
        curves, scores = draw(made, rng, shift)
        (pair,) = compare_curves(
            curves, scores, alignment=infos["score"], distance=infos["fd_scenes"], num_draws=500
        )
        for name, gap in (("matched", pair.matched), ("front", pair.front)):
            low, high = gap.estimate.ci95
            held[name].append(low <= shift <= high)
        if shift == 0:
            false.append([pair.matched.p < 0.05, pair.front.p < 0.05])
        low, high = pair.front.estimate.ci95
        ratios.append(2 * pair.front.unpaired / (high - low))
    shares = {name: float(np.mean(values)) for name, values in held.items()}
    print(shares, "false", np.mean(false, axis=0), "unpaired / paired", np.median(ratios))
    assert all(0.91 <= share <= 0.98 for share in shares.values())
    assert np.all(np.mean(false, axis=0) <= 0.10)
    assert np.median(ratios) > 1.5


@pytest.mark.slow
def test_shares_on_the_front_mean_what_they_say(made):
    """Few points of the true front are called dominated, and few dominated ones are called on it."""
    rng = np.random.default_rng(8)
    infos = made.infos("score", "fd_scenes")
    wrong = {True: [], False: []}
    for _ in range(NUM_RUNS):
        curves, scores = draw(made, rng, 0.2)
        front = find_front(curves, scores, x=infos["fd_scenes"], y=infos["score"], num_draws=500)
        for point in front.points:
            # The curve b lies below everywhere at equal alignment: it is the front, and a is dominated.
            truly = point.run.run_id.startswith("b")
            wrong[truly].append(point.standing == ("dominated" if truly else "on the front"))
    print({"front called dominated": np.mean(wrong[True]), "dominated called front": np.mean(wrong[False])})
    assert np.mean(wrong[True]) <= 0.05
    assert np.mean(wrong[False]) <= 0.05
