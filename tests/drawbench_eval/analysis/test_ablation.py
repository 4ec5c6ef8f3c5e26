import math

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.multitest import multipletests

from drawbench_eval.analysis.ablation import AblationPlan, ablate
from drawbench_eval.analysis.ablation_estimates import over_trainings
from drawbench_eval.analysis.ablation_levels import find_blocks, find_factor
from drawbench_eval.analysis.ablation_words import finding, short_finding, trainings, verdict
from drawbench_eval.stats.clustered import Estimate

ENCODER = "model.text_encoder"
BASE = [(1, 0.0, 10.0), (2, 1.0, 11.0), (4, 2.0, 12.0)]


def moved(score, distance):
    return [(w, s + score, d + distance) for w, s, d in BASE]


def ablated(made, levels, plan=None, **options):
    runs, scores, _ = made.make_sweep(levels, **options)
    found = ablate(
        runs,
        scores,
        made.infos("score", "fd_scenes"),
        plan or AblationPlan(factor=ENCODER, baseline="base"),
        alignments=["score"],
        distance="fd_scenes",
    )
    return found, scores


def effect(ablation, level, measure):
    (one,) = [e for e in ablation.effects if (e.level, e.measure) == (level, measure)]
    return one


def test_the_effect_at_matched_guidance_is_a_paired_t_test_over_the_sweep(made):
    (one,), scores = ablated(made, {"base": BASE, "small": moved(-0.03, 0.5)})
    gaps = np.mean([scores[f"small-{w}"]["score"] - scores[f"base-{w}"]["score"] for w in (1, 2, 4)], axis=0)
    test = stats.ttest_1samp(gaps, 0.0)
    found = effect(one, "small", "score")
    assert found.estimate.value == pytest.approx(gaps.mean())
    assert found.estimate.ci95 == pytest.approx(test.confidence_interval(0.95))
    assert found.p == pytest.approx(test.pvalue)
    assert [w for w, _ in found.at_weight] == [1, 2, 4]
    single = scores["small-2"]["score"] - scores["base-2"]["score"]
    assert found.at_weight[1][1].value == pytest.approx(single.mean())
    # Of the distance the records give the value, the influences its error.
    distance = effect(one, "small", "fd_scenes")
    assert distance.estimate.value == pytest.approx(0.5)
    assert not distance.better
    assert effect(one, "small", "front, score").estimate.value > 0.4


def test_p_is_corrected_by_holm_within_the_declared_families(made):
    levels = {"base": BASE, "small": moved(-0.02, 0.05), "large": moved(0.01, 0.0)}
    (one,), _ = ablated(made, levels)
    adjusted = multipletests([e.p for e in one.effects], method="holm")[1]
    assert [e.p_holm for e in one.effects] == pytest.approx(adjusted)
    assert {e.family for e in one.effects} == {"all"}
    families = {"primary": ["score"], "curves": ["front"]}
    plan = AblationPlan(factor=ENCODER, baseline="base", families=families)
    (one,), _ = ablated(made, levels, plan)
    scores = [e for e in one.effects if e.measure == "score"]
    assert [e.p_holm for e in scores] == pytest.approx(multipletests([e.p for e in scores], method="holm")[1])
    assert {e.measure: e.family for e in one.effects} == {
        "score": "primary",
        "fd_scenes": "fd_scenes",
        "front, score": "curves",
    }


def test_the_finding_says_what_the_numbers_support(made):
    (one,), _ = ablated(made, {"base": BASE, "small": moved(-0.2, 2.0), "same": BASE}, noise=0.3)
    assert finding(one, "small").startswith("Text encoder small is worse than base in score by −0.")
    assert "p < 0.001" in finding(one, "small")
    said = finding(one, "same")
    assert said.startswith("Text encoder same is not told apart from base in score (a difference of 0.0")
    assert "(not resolved at n = 200)" in said
    assert short_finding(one, "small") == finding(one, "small")
    short = short_finding(one, "same")
    assert short == "Text encoder same is not told apart from base in any of 3 measures (n = 200)."
    assert "these checkpoints" in trainings(one)


def test_levels_that_differ_on_no_prompt_are_equal_and_not_unresolved(made):
    """No test can be made of differences without spread; in Holm's family they count as planned tests."""
    (one,), _ = ablated(made, {"base": BASE, "same": BASE, "small": moved(-0.03, 0.5)}, noise=0.0)
    same = [e for e in one.effects if e.level == "same"]
    assert all(math.isnan(e.p) and math.isnan(e.p_holm) and math.isnan(e.detectable) for e in same)
    assert {verdict(e, 0.05) for e in same} == {"equal"}
    assert finding(one, "same") == (
        "Text encoder same is equal to base in score, Fréchet distance and front against score "
        "(0 throughout: nothing to test)."
    )
    assert short_finding(one, "same") == "Text encoder same is equal to base in 3 of 3 measures."
    # By the same on every prompt: certain of these prompts, but without an error to test it against.
    shifted = effect(one, "small", "score")
    assert (shifted.estimate.is_constant, verdict(shifted, 0.05)) == (True, "not tested")
    assert "apart from base in score by \u22120.03 throughout" in finding(one, "small")
    assert "not resolved" not in finding(one, "small") + short_finding(one, "small")


def test_an_equal_level_makes_the_correction_of_the_others_no_milder(made):
    levels = {"base": BASE, "small": moved(-0.02, 0.05)}
    (alone,), _ = ablated(made, levels)
    runs, scores, _ = made.make_sweep(levels)
    twins, frames, _ = made.make_sweep({"same": BASE})
    for twin in twins:
        frames[twin.run_id] = scores[twin.run_id.replace("same", "base")]
    (beside,) = ablate(
        [*runs, *twins],
        scores | frames,
        made.infos("score", "fd_scenes"),
        AblationPlan(factor=ENCODER, baseline="base"),
        alignments=["score"],
        distance="fd_scenes",
    )
    for measured in ("score", "fd_scenes"):
        with_it, without = (effect(found, "small", measured) for found in (beside, alone))
        assert with_it.p == without.p
        assert with_it.p_holm > without.p_holm


def test_what_would_be_found_has_the_power_it_says_after_correction(made):
    (one,), _ = ablated(made, {"base": BASE, "small": moved(-0.03, 0.5)})
    found = effect(one, "small", "score")
    low, high = found.estimate.ci95
    error = (high - low) / 2 / stats.t.ppf(0.975, 199)
    critical = stats.t.ppf(1 - 0.05 / len(one.effects) / 2, 199)
    assert stats.nct.sf(critical, 199, found.detectable / error) == pytest.approx(0.8, abs=1e-6)


def test_training_runs_widen_the_interval_by_their_spread():
    errors, values = [0.03, 0.03, 0.03], [0.10, 0.16, 0.22]
    estimates = [
        Estimate(value=v, standard_error=e, n=100, num_clusters=50)
        for v, e in zip(values, errors, strict=True)
    ]
    mean, degrees = over_trainings(estimates)
    assert mean.value == pytest.approx(0.16)
    between, within = 0.06**2 / 3, 0.03**2
    assert mean.standard_error == pytest.approx(math.sqrt(between + within))
    assert degrees == pytest.approx((between + within) ** 2 / (between**2 / 2 + within**2 / 49))
    alone, degrees = over_trainings(estimates[:1])
    assert (alone, degrees) == (estimates[0], 49)


def test_several_trainings_of_a_level_are_compared_one_by_one(made):
    runs, scores = [], {}
    shifts = {("base", 0): 0.0, ("base", 1): 0.05, ("small", 0): -0.30, ("small", 1): -0.10}
    for (level, seed), shift in shifts.items():
        points = {f"{level}{seed}": moved(shift, 0.0)}
        own, frames, _ = made.make_sweep(
            points,
            noise=0.01,
            model__text_encoder=level,
            model__training_seed=seed,
            model__weights__base=f"{level}{seed}",
        )
        runs += own
        scores |= frames
    plan = AblationPlan(factor=ENCODER, baseline="base", training_seed="model.training_seed")
    (one,) = ablate(
        runs, scores, made.infos("score", "fd_scenes"), plan, alignments=["score"], distance="fd_scenes"
    )
    found = effect(one, "small", "score")
    assert found.num_trainings == one.num_trainings == 2
    assert found.estimate.value == pytest.approx((-0.30 - 0.15) / 2, abs=0.01)
    low, high = found.estimate.ci95
    assert low < -0.9
    assert high > 0.4
    assert "2 training runs" in trainings(one)


def test_the_factor_is_the_one_that_varies_and_what_comes_with_it_does_not_count(made):
    runs, _, _ = made.make_sweep({"base": BASE, "small": BASE}, n=5)
    assert find_factor(runs) == ENCODER
    other, _, _ = made.make_sweep({"base": BASE, "small": BASE}, n=5, model__num_steps=8)
    assert find_factor([*runs, *other]) is None
    assert find_factor(runs[:3]) is None


def test_runs_that_differ_elsewhere_too_fall_into_blocks(made):
    runs, _, _ = made.make_sweep({"base": BASE, "small": BASE}, n=5, model__num_steps=16)
    other, _, _ = made.make_sweep({"base": BASE, "small": BASE}, n=5, model__num_steps=8)
    blocks = find_blocks([*runs, *other], factor=ENCODER, baseline="small")
    assert [block.context for block in blocks] == ["num_steps 16", "num_steps 8"]
    assert all(block.levels == ("base",) and block.baseline == "small" for block in blocks)
    assert [len(pair) for pair in blocks[0].pairs("base")] == [3]


def test_unlike_guidance_is_compared_along_the_front_only(made):
    (one,), _ = ablated(made, {"base": BASE, "small": moved(0.0, 1.0)}, kinds={"small": "distilled"})
    assert [e.measure for e in one.effects] == ["front, score"]


def test_a_front_of_few_prompts_is_said_to_be_untested(made):
    (one,), _ = ablated(made, {"base": BASE, "small": moved(0.0, 1.0)}, n=9)
    along = effect(one, "small", "front, score")
    assert math.isnan(along.p_holm)
    assert math.isnan(along.detectable)
    assert verdict(along, 0.05) == "too few prompts"
    said = "untested against base in front against score (too few prompts)"
    assert said in finding(one, "small")
    assert said in short_finding(one, "small")


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (
            AblationPlan(factor="model.num_steps"),
            r"ablation\.factor: model\.num_steps has one value .*text_encoder",
        ),
        (AblationPlan(factor=ENCODER, baseline="big"), r"ablation\.baseline: big is no value .*base, small"),
        (
            AblationPlan(factor=ENCODER, families={"one": ["fid"]}),
            r"ablation\.families\.one: fid is not measured here; write one of score, fd_scenes, front",
        ),
    ],
)
def test_a_plan_that_does_not_fit_the_runs_is_refused(made, plan, message):
    with pytest.raises(ValueError, match=message):
        ablated(made, {"base": BASE, "small": BASE}, plan)
