"""Each claim about an ablation's levels on runs that were made to hold it, to contradict it, or neither."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from drawbench_eval.analysis.ablation import AblationPlan, ablate
from drawbench_eval.analysis.claims import CLAIMS
from drawbench_eval.analysis.collect import TRAINING
from drawbench_eval.analysis.level_claims import LEVEL_CLAIMS
from drawbench_eval.analysis.level_findings import find_at_levels

SIZE = 0.3
NUM_PROMPTS, NUM_CATEGORIES = 110, 11
WEIGHTS = (1, 2, 4)
SR_CLAIMS = ("aug_level", "augmentation")


def value_of(level):
    """The setting behind a level's text."""
    try:
        return float(level)
    except ValueError:
        return level


def sweep(made, claim, truth, *, levels=None, settings=({},), seed=0):
    """Runs of the claim's levels over the weight: the estimate is `truth` times the expected sign.

    `settings`: more factors, each with a full set of runs; of the second and later the truth is turned round.
    """
    rng = np.random.default_rng(seed)
    common, common_fd = rng.normal(size=NUM_PROMPTS), rng.normal(size=NUM_PROMPTS)
    category = np.arange(NUM_PROMPTS) % NUM_CATEGORIES
    moved = truth * (1 if claim.expected is None else claim.expected) * SIZE
    weight = "model.sr64.guidance_weight" if claim.key.startswith(SR_CLAIMS) else "model.guidance_weight"
    runs, scores = [], {}
    for place, more in enumerate(settings):
        for level in levels or (claim.level, *claim.others):
            own = (moved if place == 0 else -moved) if level == claim.level else 0.0
            for w in (more[weight],) if weight in more else WEIGHTS:
                score, distance = w / 4, 10 + w
                if claim.measured in ("distance", "front"):
                    distance += own
                elif claim.measured == "range":
                    score += (w - 2) * own / 3
                elif claim.measured == "categories" and truth == 0:
                    score = score + np.where(category % 2 == 0, SIZE, -SIZE) * (level == claim.level)
                else:
                    score += own
                influence = common_fd + 0.1 * rng.normal(size=NUM_PROMPTS)
                named = claim.factor == TRAINING
                run, frame = made.make_run(
                    f"{level}-{w}-{place}",
                    columns={
                        "diversity" if claim.measured == "spread" else "score": score
                        + common
                        + 0.1 * rng.normal(size=NUM_PROMPTS),
                        "fd_scenes": influence - influence.mean(),
                    },
                    distance=distance,
                    training={"stage": "base", "series": level, "images": 320_000} if named else None,
                    **{
                        "model.guidance_weight": 3.0,
                        **({} if named else {claim.factor: value_of(level)}),
                        "model.weights.base": f"{level}" * 4,
                        weight: float(w),
                        **more,
                    },
                )
                frame["category"] = [f"c{index}" for index in category]
                runs.append(run)
                scores[run.run_id] = frame
    return runs, scores


def findings(made, runs, scores, ablations=(), *, distance="fd_scenes", claims=LEVEL_CLAIMS):
    return find_at_levels(
        runs,
        scores,
        made.infos("score", "fd_scenes", "diversity"),
        ablations,
        alignments=["score"],
        distance=distance,
        claims=claims,
    )


def ablated(made, runs, scores, factor, baseline):
    plan = AblationPlan(factor=factor, baseline=baseline)
    return ablate(
        runs,
        scores,
        made.infos("score", "fd_scenes", "diversity"),
        plan,
        alignments=["score"],
        distance="fd_scenes",
    )


def one(found, key):
    (finding,) = [finding for finding in found if finding.key == key]
    return finding


def settings_of(claim):
    """The claim's own settings first, then others, in which the truth is turned round."""
    return (dict(claim.where), dict.fromkeys(claim.where, 0.3)) if claim.where else ({},)


METRICS = {"distance": "fd_scenes", "spread": "diversity"}
VERDICTS = {
    +1: {1: "seen", 0: "not resolved", -1: "opposite"},
    None: {1: "differs", 0: "not resolved", -1: "differs"},
}


@pytest.mark.parametrize("truth", [1, 0, -1])
@pytest.mark.parametrize("claim", LEVEL_CLAIMS, ids=lambda claim: claim.key)
def test_a_claim_is_seen_where_it_holds_and_opposite_where_it_does_not(made, claim, truth):
    runs, scores = sweep(made, claim, truth, settings=settings_of(claim), seed=1)
    distance = "fd_scenes" if claim.measured in ("distance", "front") else None
    (finding,) = findings(made, runs, scores, distance=distance, claims=[claim])
    assert finding.verdict == VERDICTS[claim.expected and 1][truth], finding.sentence
    sign = truth * (1 if claim.expected is None else claim.expected)
    if claim.measured == "categories":
        assert finding.estimate == {1: 11, 0: 1, -1: -11}[truth]
    elif claim.measured == "front" and truth == 0:
        # Where two fronts cross by noise alone, which of them is lower hangs on it.
        assert finding.estimate == pytest.approx(0, abs=0.2)
    elif len(claim.others) == 1:
        assert finding.estimate == pytest.approx(sign * SIZE, abs=0.05)
    else:
        # The nearest of several is nearer than the one.
        assert sign * SIZE - 0.1 < finding.estimate < sign * SIZE + 0.1
    assert claim.level in finding.sentence
    assert any(other in finding.sentence for other in claim.others)
    assert "95 % interval" in finding.sentence
    assert (finding.n, finding.num_prompts, finding.num_trainings) == (NUM_PROMPTS, NUM_PROMPTS, 1)
    assert (finding.expected, finding.metric) == (
        claim.expected,
        "score" if claim.per_alignment else METRICS.get(claim.measured),
    )


@pytest.mark.parametrize("claim", LEVEL_CLAIMS, ids=lambda claim: claim.key)
def test_runs_are_about_the_claims_of_their_sweep_alone(made, claim):
    runs, scores = sweep(made, claim, 1, settings=settings_of(claim))
    found = {finding.key for finding in findings(made, runs, scores)}
    siblings = {other.key for other in LEVEL_CLAIMS if other.sweep == claim.sweep}
    # The other percentile was not run.
    assert found <= siblings
    assert {key for key in siblings if CLAIMS[key].others == claim.others} <= found


def test_an_effect_that_an_ablation_holds_is_not_computed_again(made, monkeypatch):
    claim = CLAIMS["encoder_size_alignment"]
    runs, scores = sweep(made, claim, 1, levels=("t5_small", "t5_middle", "t5_large"))
    (held,) = ablated(made, runs, scores, claim.factor, "t5_small")
    other = ablated(made, runs, scores, claim.factor, "t5_middle")
    monkeypatch.setattr("drawbench_eval.analysis.level_findings.ablate", None)
    finding = one(findings(made, runs, scores, [held]), claim.key)
    (effect,) = [e for e in held.effects if (e.level, e.measure) == ("t5_large", "score")]
    assert (finding.estimate, finding.ci95) == (effect.estimate.value, effect.estimate.ci95)
    means = [
        np.mean([scores[f"{name}-{w}-0"]["score"] for w in WEIGHTS]) for name in ("t5_large", "t5_small")
    ]
    assert (
        f"(w = 1 to 4) the score of text encoder t5_large ({means[0]:.3f}) differs from that of t5_small "
        f"({means[1]:.3f}) by +0."
    ) in finding.sentence
    tens = math.log10(claim.parameters["t5_large"] / claim.parameters["t5_small"])
    assert finding.tens == pytest.approx(tens)
    assert f", +{finding.estimate / tens:.3f} (95 % interval" in finding.sentence
    # Against another baseline the number is not there.
    with pytest.raises(TypeError):
        findings(made, runs, scores, other)


def test_the_baseline_may_be_either_side(made):
    claim = CLAIMS["conditioning_distance"]
    runs, scores = sweep(made, claim, 1)
    by_claim = one(findings(made, runs, scores), claim.key)
    two = runs[: 2 * len(WEIGHTS)]
    turned = ablated(made, two, scores, TRAINING, "base_mean_pooling")
    finding = one(findings(made, two, scores, turned), claim.key)
    assert finding.estimate == pytest.approx(-SIZE, abs=0.05)
    assert finding.ci95[0] < finding.estimate < finding.ci95[1]
    assert by_claim.verdict == finding.verdict == "seen"


def test_of_several_others_the_hardest_counts_with_an_interval_for_all(made):
    claim = CLAIMS["conditioning_alignment"]
    runs, scores = sweep(made, claim, 1)
    for run in runs:
        if "attention" in run.run_id:
            scores[run.run_id]["score"] += 0.1
    finding = one(findings(made, runs, scores), claim.key)
    assert "differs from that of base_attention_pooling" in finding.sentence
    assert "From base_mean_pooling it differs by +0." in finding.sentence
    gaps = np.mean(
        [
            scores[f"base_t5_middle-{w}-0"]["score"] - scores[f"base_attention_pooling-{w}-0"]["score"]
            for w in WEIGHTS
        ],
        axis=0,
    )
    assert finding.ci95 == pytest.approx(stats.ttest_1samp(gaps, 0.0).confidence_interval(0.975))
    assert "2 differences together" in finding.method


def blur_attention(runs, scores, shift=0.0):
    """Attention pooling's scores under noise that no interval sees through, of mean `shift`."""
    noise = np.random.default_rng(0).normal(0, 20, NUM_PROMPTS)
    for run in runs:
        if "attention" in run.run_id:
            scores[run.run_id]["score"] += noise - noise.mean() + shift


def test_what_is_not_resolved_against_one_of_several_others_is_not_seen(made):
    """Further away by its mean, but nearer by its interval: that decides."""
    claim = CLAIMS["conditioning_alignment"]
    runs, scores = sweep(made, claim, 1)
    blur_attention(runs, scores, shift=-0.1)
    finding = one(findings(made, runs, scores), claim.key)
    assert "differs from that of base_attention_pooling" in finding.sentence
    assert finding.verdict == "not resolved"


def test_an_other_that_is_resolved_to_be_better_decides_over_one_that_is_not(made):
    claim = CLAIMS["conditioning_alignment"]
    runs, scores = sweep(made, claim, 1)
    blur_attention(runs, scores)
    for run in runs:
        if "mean_pooling" in run.run_id:
            scores[run.run_id]["score"] += 1.0
    finding = one(findings(made, runs, scores), claim.key)
    assert "differs from that of base_mean_pooling" in finding.sentence
    assert finding.verdict == "opposite"


def test_of_a_control_the_nearest_to_zero_decides_on_whichever_side(made):
    claim = CLAIMS["conditioning_unguided_distance"]
    runs, scores = sweep(made, claim, -1)
    for run in runs:
        if "attention" in run.run_id:
            run.record.metrics["fd_scenes"]["value"] -= 0.1
    finding = one(findings(made, runs, scores), claim.key)
    assert " differs from that of base_attention_pooling" in finding.sentence, finding.sentence


def test_the_weights_that_are_said_are_those_that_both_have(made):
    claim = CLAIMS["encoder_size_alignment"]
    runs, scores = sweep(made, claim, 1, levels=("t5_small", "t5_middle", "t5_large"))
    few = [run for run in runs if "t5_small" not in run.run_id or run.factors["model.guidance_weight"] < 4]
    finding = one(findings(made, few, scores), claim.key)
    assert finding.sentence.startswith(f"At equal guidance (w = 1 to {sorted(WEIGHTS)[-2]:g}) ")


def test_a_difference_without_spread_is_not_tested(made):
    claim = CLAIMS["encoder_size_alignment"]
    runs, scores = sweep(made, claim, 1, levels=("t5_small", "t5_large"))
    for run in runs:
        scores[run.run_id]["score"] = 1.0 if "large" in run.run_id else 0.0
    finding = one(findings(made, runs, scores), claim.key)
    assert finding.verdict == "not resolved"
    assert "by +1 throughout (no spread: no test)" in finding.sentence


def test_a_level_that_is_missing_is_said_and_nothing_is_made_up(made):
    claim = CLAIMS["encoder_size_alignment"]
    runs, scores = sweep(made, claim, 1, levels=("t5_middle", "t5_large"))
    finding = one(findings(made, runs, scores), claim.key)
    assert (finding.verdict, finding.estimate) == ("not testable with these runs", None)
    assert finding.sentence == "Testing this needs one weight of text encoder t5_large and t5_small."
    runs, scores = sweep(made, CLAIMS["augmentation_range"], 1, settings=({"model.aug_level": 0.1},))
    finding = one(findings(made, runs, scores), "augmentation_range")
    assert finding.sentence == (
        "Testing this needs two weights of training sr64_efficient and sr64_no_augmentation at aug level 0."
    )
    runs, scores = sweep(made, claim, 1)
    found = findings(made, runs, scores, distance=None)
    assert one(found, claim.key).verdict == "seen"
    assert one(found, "encoder_size_front").verdict == "not testable with these runs"


def test_unequal_budgets_are_not_compared(made):
    claim = CLAIMS["efficient_distance"]
    runs, scores = sweep(made, claim, 1)
    assert one(findings(made, runs, scores), claim.key).verdict == "seen"
    for run in runs:
        if run.training["series"] == claim.level:
            run.record.inputs["training"]["images"] = 640_000
    finding = one(findings(made, runs, scores), claim.key)
    assert finding.verdict == "not testable with these runs"
    assert "trained on as many images" in finding.sentence


def test_of_a_series_the_last_that_both_have_is_compared(made):
    claim = CLAIMS["efficient_distance"]
    runs, scores = sweep(made, claim, 1)
    before, others = sweep(made, claim, -1)
    for run in before:
        run.record.inputs["training"]["images"] //= 2
    expected = one(findings(made, runs, scores), claim.key)
    ours = {f"early-{name}": frame for name, frame in others.items()}
    early = [replace(run, run_id=f"early-{run.run_id}") for run in before]
    assert one(findings(made, [*early, *runs], {**ours, **scores}), claim.key) == expected
    # Where one of them went on alone, that is not held against the other.
    alone = [run for run in runs if run.training["series"] == claim.level]
    found = one(findings(made, [*early, *alone], {**ours, **scores}), claim.key)
    assert found == one(findings(made, early, ours), claim.key)
    assert found.estimate == pytest.approx(-expected.estimate)


def test_the_interval_of_categories_is_that_of_an_exact_binomial_test(made):
    claim = CLAIMS["encoder_family_categories"]
    runs, scores = sweep(made, claim, 0)
    finding = one(findings(made, runs, scores), claim.key)
    low, high = stats.binomtest(6, 11).proportion_ci(0.95, method="exact")
    assert finding.ci95 == pytest.approx((11 * (2 * low - 1), 11 * (2 * high - 1)))
    assert "is above that of clip_text in 6 of 11 categories and below in 5: +1" in finding.sentence


def test_a_claim_of_the_super_resolution_is_made_over_its_own_weight(made):
    claim = CLAIMS["aug_level_range"]
    runs, scores = sweep(made, claim, 1)
    finding = one(findings(made, runs, scores), claim.key)
    assert finding.sentence.startswith(
        "Between its best and its worst weight (of w = 1 to 4) the score of aug level 0.4 differs by 1.0"
    )
    assert "(best at w = 4) and that of 0 by 0.7" in finding.sentence
    # Of weights that were not swept nothing is known.
    few = [run for run in runs if run.factors["model.sr64.guidance_weight"] == 1]
    assert one(findings(made, few, scores), claim.key).verdict == "not testable with these runs"
