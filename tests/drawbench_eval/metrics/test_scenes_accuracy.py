from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from drawbench_eval.metrics.scenes_accuracy import KINDS, Judgement, ScenesAccuracy
from drawbench_eval.prompt import Prompt, PromptSet
from tests.drawbench_eval.metrics.fakes import PROMPT_SET, Pixels

IMAGE = np.zeros((8, 8, 3), dtype=np.uint8)


def claim(**holds: bool) -> Prompt:
    return Prompt(id=f"p{len(holds)}{sum(holds.values())}", text="", facts=holds)


def judge(image: Pixels, facts: Mapping[str, Any]) -> Judgement:
    """An oracle that finds what the facts say it finds; a bright image cannot be read."""
    return Judgement(holds=dict(facts), unreadable=bool(image.max() > 0))


def score(images: list[Pixels | None], prompts: list[Prompt]) -> ScenesAccuracy:
    metric = ScenesAccuracy(judge=judge, prompt_set=PROMPT_SET, conditions={})
    metric.update(images, prompts)
    return metric


def test_an_image_is_right_when_every_claimed_fact_holds() -> None:
    prompts = [
        claim(color=True, count=True),
        claim(color=True, count=False),
        claim(relation=False),
        claim(text=True),
    ]
    result = score([IMAGE] * 4, prompts).compute()
    assert result.value.value == 0.5
    assert result.value.n == 4
    np.testing.assert_array_equal(result.columns["scenes_accuracy"], [1, 0, 0, 1])
    np.testing.assert_array_equal(result.columns["scenes_accuracy.color"], [1, 1, np.nan, np.nan])
    np.testing.assert_array_equal(result.columns["scenes_accuracy.count"], [1, 0, np.nan, np.nan])
    np.testing.assert_array_equal(result.columns["scenes_accuracy.size"], [np.nan] * 4)
    assert set(result.columns) == {"scenes_accuracy", "scenes_accuracy.unreadable"} | {
        f"scenes_accuracy.{kind}" for kind in KINDS
    }


def test_an_unreadable_image_is_wrong_in_all_that_is_claimed_and_counted_as_unreadable() -> None:
    result = score([IMAGE + 1, IMAGE], [claim(color=True), claim(color=True, shape=True)]).compute()
    np.testing.assert_array_equal(result.columns["scenes_accuracy"], [0, 1])
    np.testing.assert_array_equal(result.columns["scenes_accuracy.unreadable"], [1, 0])
    np.testing.assert_array_equal(result.columns["scenes_accuracy.color"], [0, 1])
    np.testing.assert_array_equal(result.columns["scenes_accuracy.shape"], [np.nan, 1])
    assert (result.value.value, result.value.n, result.value.num_unscored) == (0.5, 2, 0)


def test_prompts_that_claim_nothing_and_missing_images_are_unscored() -> None:
    prompts = [claim(color=True), replace(claim(), facts=None), claim(), claim(color=True)]
    result = score([IMAGE, IMAGE, IMAGE, None], prompts).compute()
    assert (result.value.value, result.value.n, result.value.num_unscored) == (1.0, 1, 3)
    np.testing.assert_array_equal(result.columns["scenes_accuracy.unreadable"], [0, np.nan, np.nan, np.nan])


def test_the_interval_of_a_perfect_score_is_not_empty() -> None:
    prompts = [Prompt(id=f"p{index}", text="", facts={"color": True}) for index in range(20)]
    low, high = score([IMAGE] * 20, prompts).compute().value.ci95
    assert 0.75 < low < 0.9
    assert high == 1.0


def test_a_kind_of_fact_that_has_no_column_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"facts of kind 'mood'; known kinds are color, shape"):
        score([IMAGE], [claim(mood=True)])


def test_other_facts_for_the_same_texts_are_another_protocol() -> None:
    other = PromptSet(name="o", prompts=tuple(replace(p, facts={}) for p in PROMPT_SET.prompts))
    assert other.sha256 == PROMPT_SET.sha256
    a = ScenesAccuracy(judge=judge, prompt_set=PROMPT_SET, conditions={}).protocol()
    assert a.id != ScenesAccuracy(judge=judge, prompt_set=other, conditions={}).protocol().id


def test_the_kinds_are_those_of_the_embedded_world() -> None:
    from drawbench_eval.scenes.facts import Facts, Group, claimed_kinds

    everything = Facts(
        groups=(
            Group(shape="circle", color="red", size="small"),
            Group(shape="letter A", color="blue", size="large"),
        ),
        relations=((0, "above", 1),),
        background="white",
        absent=(Group(color="green"),),
    )
    assert sorted(claimed_kinds(everything)) == sorted(KINDS)
