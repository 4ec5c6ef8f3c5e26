import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from doubles import DoubleGenerator, run_plan, tree

from drawbench_eval.runs import runner
from drawbench_eval.runs.plan import GeneratedSamples
from drawbench_eval.runs.runner import RunPlan
from drawbench_eval.runs.target import half_width, is_reached, said
from drawbench_eval.stats.clustered import clustered_mean, share_interval


def _plan(results: Path, *, most: int, within: float, in_rounds: bool = True) -> RunPlan:
    """Brightness, whose interval is its value plus or minus 1."""
    plan = run_plan(results, DoubleGenerator())
    assert isinstance(plan.samples, GeneratedSamples)
    sampled = dataclasses.replace(plan.samples.plan, in_rounds=in_rounds, num_images_per_prompt=most)
    samples = dataclasses.replace(plan.samples, plan=sampled)
    return dataclasses.replace(plan, samples=samples, target={"brightness": within} if in_rounds else {})


def test_a_point_stops_when_it_is_known_well_enough(tmp_path: Path) -> None:
    plan = _plan(tmp_path, most=4, within=1)
    record = runner.evaluate(plan)
    assert record.counts["requested"] == record.counts["generated"] == 125
    assert record.metrics["brightness"]["n"] == 125
    assert record.metrics["brightness"]["notes"] == [
        "sampled until brightness within ± 1: 1 of at most 4 images a prompt"
    ]
    assert len(list((plan.folder / "samples").glob("*.png"))) == 125


def test_one_that_is_never_known_well_enough_takes_them_all(tmp_path: Path) -> None:
    record = runner.evaluate(_plan(tmp_path, most=3, within=0.5))
    assert record.counts["generated"] == record.metrics["brightness"]["n"] == 375
    assert record.timings["images_made"] == 375
    assert record.metrics["brightness"]["notes"] == [
        "sampled until brightness within ± 0.5: not reached with 3 images a prompt"
    ]
    whole = runner.evaluate(_plan(tmp_path / "whole", most=3, within=0, in_rounds=False))
    assert record.metrics["brightness"]["value"] == pytest.approx(
        whole.metrics["brightness"]["value"], rel=1e-12
    )


def test_more_rounds_begin_with_fewer(tmp_path: Path) -> None:
    images = []
    for most in (2, 3):
        plan = _plan(tmp_path / str(most), most=most, within=0.5)
        runner.evaluate(plan)
        found = tree(plan.folder / "samples")
        images.append({name: data for name, data in found.items() if name[0] == "p" or ".chunks" in name})
    assert len(images[1]) == len(images[0]) * 3 / 2
    assert images[0].items() <= images[1].items()


def test_words_and_widths() -> None:
    assert half_width({"ci95": [0.2, 0.6]}) == pytest.approx(0.2)
    assert half_width({"ci95": [None, None]}) == math.inf
    metrics = {"a": {"ci95": [0.0, 0.2]}, "b": {"ci95": [0.0, 1.0]}}
    assert is_reached(metrics, {"a": 0.1})
    assert not is_reached(metrics, {"a": 0.1, "b": 0.1})
    assert said({"a": 0.1, "b": 2}, 3, 8, reached=True) == (
        "sampled until a within ± 0.1, b within ± 2: 3 of at most 8 images a prompt"
    )


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("num_prompts", "concentration", "mean", "within"),
    [(200, 1.0, 0.5, 0.05), (200, 4.0, 0.2, 0.03), (50, 1.0, 0.8, 0.09), (50, 20.0, 0.5, 0.06)],
)
def test_stopping_by_width_costs_little_coverage(
    num_prompts: int, concentration: float, mean: float, within: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """The share of 2,000 draws whose interval holds the truth, where it stopped and with all 10 images.

    Each prompt's share of right images is drawn from a Beta distribution around `mean`; the interval is that
    of scenes_accuracy.
    """
    most, draws = 10, 2000
    rng = np.random.default_rng(20261130)
    held = np.zeros((2, draws))
    taken = np.zeros(draws)
    labels = np.arange(num_prompts)
    for draw in range(draws):
        shares = rng.beta(concentration * mean, concentration * (1 - mean), num_prompts)
        right = (rng.random((most, num_prompts)) < shares).astype(float)
        stopped = None
        for rounds in range(1, most + 1):
            estimate = clustered_mean(right[:rounds].ravel(), np.tile(labels, rounds))
            low, high = share_interval(estimate)
            if stopped is None and ((high - low) / 2 <= within or rounds == most):
                stopped, taken[draw] = low <= mean <= high, rounds
                held[0, draw] = stopped
        held[1, draw] = low <= mean <= high
    at_stop, with_all = held.mean(axis=1)
    with capsys.disabled():
        print(
            f"\n{num_prompts} prompts, share {mean:g}, Beta({concentration:g}), within ± {within:g}: "
            f"{taken.mean():.1f} of {most} images, holds the truth {at_stop:.1%} where it stopped, "
            f"{with_all:.1%} with all"
        )
    # Three errors of a simulated share of 95 % in 2,000 draws are 1.5 points.
    assert at_stop > 0.95 - 0.015 - 0.01
    assert abs(at_stop - with_all) < 0.02
