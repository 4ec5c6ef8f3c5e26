"""Which report decides a claim, and the claim that two reports make together."""

import math
from dataclasses import replace

import pytest

from drawbench_eval.analysis.answers import Answer, finding_of
from drawbench_eval.analysis.claims import CLAIMS
from drawbench_eval.analysis.level_claims import LEVEL_CLAIMS
from drawbench_eval.analysis.paired import Effect
from drawbench_eval.analysis.summary import ReportedFindings, summarise


def finding(key, value, half=0.1, *, metric="scenes_accuracy", context="", n=200, **more):
    ci95 = None if half is None else (value - half, value + half)
    answer = Answer(
        quantity=f"{metric} of {key}",
        estimate=Effect(value=value, ci95=ci95, n=n, num_prompts=100),
        sentence=f"It is {value}.",
        method="m",
        selection="fixed",
        **more,
    )
    return finding_of(CLAIMS[key], metric=metric, context=context, answer=answer, needs="")


def untested(key):
    return finding_of(CLAIMS[key], metric="scenes_accuracy", context="", answer=None, needs="more")


def report(name, *findings):
    return ReportedFindings(name=name, sweep=name, findings=findings)


def decided(summary, key):
    (one,) = [one for one in summary.decided if one.claim.key == key]
    return one


def test_the_report_with_more_samples_decides_and_the_other_is_listed():
    small, large = report("demo", finding("rise", -1.0)), report("large", finding("rise", 1.0, n=1000))
    for reports in ([small, large], [large, small]):
        one = decided(summarise(reports), "rise")
        assert (one.reports, one.verdict) == (("large",), "seen")
        assert [(name, found.verdict) for name, found in one.elsewhere] == [("demo", "opposite")]
    assert decided(summarise([small]), "rise").verdict == "opposite"


def test_of_equals_the_claims_own_sweep_decides():
    others = [report(name, finding("rise", -1.0)) for name in ("base_guidance", "zzz")]
    own = report("guidance_x_threshold", finding("rise", 1.0))
    for reports in ([own, *others], [*others, own]):
        assert decided(summarise(reports), "rise").reports == ("guidance_x_threshold",)


def test_one_of_several_kinds_of_runs_decides_only_where_there_is_no_other():
    kinds = report("encoder_size", finding("rise", -1.0, n=400, context="t5_small"))
    assert decided(summarise([kinds]), "rise").verdict == "opposite"
    whole = report("demo", finding("rise", 1.0))
    assert decided(summarise([kinds, whole]), "rise").verdict == "seen"


def test_a_control_decides_nothing():
    control = report("guidance_x_threshold_saturated", finding("turn", 1.0, n=4000))
    assert summarise([control]).decided == ()
    one = decided(summarise([control, report("demo", finding("turn", -1.0))]), "turn")
    assert (one.verdict, len(one.elsewhere)) == ("opposite", 1)


def test_a_sweep_with_more_images_at_small_weights_decides_what_it_is_for_alone():
    more = report("guidance_rise", finding("rise", 1.0, n=4000), finding("plateau", 1.0, n=4000))
    usual = report("guidance_x_threshold", finding("rise", -1.0), finding("plateau", 0.0))
    summary = summarise([more, usual])
    assert decided(summary, "rise").reports == ("guidance_rise",)
    assert decided(summary, "plateau").reports == ("guidance_x_threshold",)


def test_the_oracle_decides_and_other_measures_stand_beside_it():
    both = report(
        "demo", finding("rise", 1.0, metric="scenes_clip_score"), finding("rise", -1.0), untested("turn")
    )
    summary = summarise([both])
    one = decided(summary, "rise")
    assert [found.metric for found in one.findings] == ["scenes_accuracy", "scenes_clip_score"]
    assert one.verdict == "opposite"
    # What no report could test is as missing as what none was about.
    assert {claim.key for claim in summary.missing} == set(CLAIMS) - {"rise"}
    assert [one.claim.key for one in summary.claims] == ["rise"]
    assert summary.controls == ()


@pytest.mark.parametrize(
    ("encoder", "unet", "verdict"), [(0.4, 0.1, "seen"), (0.1, 0.4, "opposite"), (0.2, 0.1, "not resolved")]
)
def test_encoder_and_unet_are_put_side_by_side_for_each_factor_of_ten(encoder, unet, verdict):
    reports = [
        report("encoder_size", finding("encoder_size_alignment", encoder * 2, 0.1, tens=2.0)),
        report("unet_size", finding("unet_size_alignment", unet, 0.05, tens=0.5)),
    ]
    one = decided(summarise(reports), "encoder_before_unet")
    (found,) = one.findings
    assert found.estimate == pytest.approx(encoder - 2 * unet)
    half = math.hypot(0.1 / 2, 0.05 / 0.5)
    assert found.ci95 == pytest.approx((found.estimate - half, found.estimate + half))
    assert found.verdict == one.verdict == verdict
    assert one.reports == ("encoder_size", "unet_size")
    assert "encoder_before_unet" in {claim.key for claim in summarise(reports[:1]).missing}
    unknown = report("unet_size", replace(reports[1].findings[0], ci95=None))
    (found,) = decided(summarise([reports[0], unknown]), "encoder_before_unet").findings
    assert (found.ci95, found.verdict) == (None, "not resolved")


def test_every_claim_is_whole():
    assert len({claim.key for claim in CLAIMS.values()}) == len(CLAIMS)
    for claim in CLAIMS.values():
        assert len(claim.text) <= 110
        assert len(claim.carries) <= 100
        assert claim.carries.endswith(".")
        assert not claim.text.endswith(".")
        assert claim.expected in (-1, 0, 1, None)
    for claim in LEVEL_CLAIMS:
        assert set(claim.parameters) <= {claim.level, *claim.others}
        assert {claim.level, *claim.others} - {*claim.shared}
