"""What two trainings gain from their first checkpoint to their last, on runs that were made to."""

import re

import numpy as np
import pytest

from drawbench_eval.analysis.claims import CLAIMS
from drawbench_eval.analysis.control_claims import CLOSING
from drawbench_eval.analysis.series_findings import find_over_training

NUM_PROMPTS = 80


def sweep(made, gains, *, images=(100, 200, 400), others=(100, 200, 400)):
    """Each training's checkpoints; the score rises by its gain from the first to the last."""
    rng = np.random.default_rng(0)
    common = rng.normal(size=NUM_PROMPTS)
    runs, scores = [], {}
    for (name, gain), steps in zip(gains.items(), (images, others), strict=True):
        for place, count in enumerate(steps):
            score = common + gain * place / (len(steps) - 1) + 0.05 * rng.normal(size=NUM_PROMPTS)
            run, frame = made.make_run(
                f"{name}-{count}",
                columns={"score": score},
                training={"stage": "sr64", "series": name, "step": count, "images": count},
                **{"model.guidance_weight": 3.0, "model.weights.sr64": f"{name}{count}"},
            )
            runs.append(run)
            scores[run.run_id] = frame
    return runs, scores


def found(runs, scores):
    return find_over_training(runs, scores, alignments=["score"])


def test_the_gain_of_one_minus_that_of_the_other(made):
    runs, scores = sweep(made, {CLOSING.series: 0.5, CLOSING.other: 0.2})
    (finding,) = found(runs, scores)
    assert finding.estimate == pytest.approx(0.3, abs=0.03)
    assert (finding.verdict, finding.expected, finding.metric) == ("differs", None, "score")
    assert (finding.n, finding.num_prompts) == (NUM_PROMPTS, NUM_PROMPTS)
    assert re.match(
        r"At the checkpoints after 100 to 400 images the score is -?\S+, -?\S+, \S+ with sr64_efficient and "
        r".* with sr64_no_augmentation\. What the first gains to the last differs from what the second "
        r"does by \+0\.",
        finding.sentence.replace("\u2212", "-"),
    )
    assert CLAIMS[finding.key] is CLOSING
    # By hand, paired by sample.
    last, first = (scores[f"{CLOSING.series}-{n}"]["score"].to_numpy() for n in (400, 100))
    its_last, its_first = (scores[f"{CLOSING.other}-{n}"]["score"].to_numpy() for n in (400, 100))
    assert finding.estimate == pytest.approx(np.mean(last - first - its_last + its_first))


def test_equal_gains_are_not_resolved(made):
    (finding,) = found(*sweep(made, {CLOSING.series: 0.3, CLOSING.other: 0.3}))
    assert finding.verdict == "not resolved"


def test_trainings_of_unlike_length_are_not_compared(made):
    runs, scores = sweep(made, {CLOSING.series: 0.5, CLOSING.other: 0.2}, others=(100, 200, 800))
    (finding,) = found(runs, scores)
    assert finding.verdict == "not testable with these runs"
    assert "after the same training images" in finding.sentence


def test_other_trainings_are_about_something_else(made):
    assert found(*sweep(made, {CLOSING.series: 0.5, "sr64_unet": 0.2})) == ()
    runs, scores = sweep(made, {CLOSING.series: 0.5, CLOSING.other: 0.2})
    assert found(runs[:4], scores) == ()
