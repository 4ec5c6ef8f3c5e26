import pytest

from drawbench_eval.analysis.findings import decimals, in_words, verdict_by_sign, verdict_within
from drawbench_eval.analysis.paired import Effect


def effect(value, ci95, num_prompts=40):
    return Effect(value=value, ci95=ci95, n=80, num_prompts=num_prompts)


@pytest.mark.parametrize(
    ("ci95", "expected", "verdict"),
    [
        ((0.1, 0.3), +1, "seen"),
        ((0.1, 0.3), -1, "opposite"),
        ((-0.3, -0.1), -1, "seen"),
        ((-0.1, 0.3), +1, "not resolved"),
        ((0.0, 0.3), +1, "not resolved"),
        (None, +1, "not resolved"),
    ],
)
def test_verdict_by_sign(ci95, expected, verdict):
    assert verdict_by_sign(effect(0.1, ci95), expected=expected) == verdict


@pytest.mark.parametrize(
    ("ci95", "margin", "verdict"),
    [
        ((-0.1, 0.1), 0.2, "seen"),
        ((-0.1, 0.3), 0.2, "not resolved"),
        ((0.3, 0.5), 0.2, "opposite"),
        ((-0.5, -0.3), 0.2, "opposite"),
        ((-0.1, 0.1), 0.0, "not resolved"),
        (None, 0.2, "not resolved"),
    ],
)
def test_verdict_within(ci95, margin, verdict):
    assert verdict_within(effect(0.0, ci95), margin) == verdict


def test_in_words():
    assert in_words(effect(-3.0612, (-3.678, -2.345))) == "−3.06 (95 % interval −3.68 to −2.35)"
    assert in_words(effect(0.08014, (0.07924, 0.08105))) == "+0.08014 (95 % interval +0.07924 to +0.08105)"
    assert in_words(effect(907.2, (880.0, 934.0))) == "+907 (95 % interval +880 to +934)"
    assert in_words(effect(-0.01, (-1.5, 1.5))) == "0.0 (95 % interval −1.5 to +1.5)"
    assert in_words(effect(1.0, None)) == "+1.00 (interval undefined)"
    assert "rough: only 6 prompts" in in_words(effect(1.0, (0.5, 1.5), num_prompts=6))


def test_decimals_follow_the_interval():
    assert decimals(1.0, (0.5, 1.5)) == 2
    assert decimals(1.0, (0.9, 1.1)) == 2
    assert decimals(100.0, (50.0, 150.0)) == 0
    assert decimals(6.5, (6.5, 6.5)) == 1
