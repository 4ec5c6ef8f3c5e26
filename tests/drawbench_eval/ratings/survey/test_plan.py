from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drawbench_eval.prompt import Prompt
from drawbench_eval.ratings.survey.choose import CONTROL, REFERENCE, Entry
from drawbench_eval.ratings.survey.plan import SurveySettings, plan_survey
from drawbench_eval.ratings.survey.trials import Survey, Trial
from drawbench_eval.samples import Sample

MODELS = ("one", "two", "three")
QUESTIONS = ("fidelity", "alignment", "photorealism", "caption")


def entry(number: int, models: Sequence[str] = MODELS) -> Entry:
    def sample(model: str, index: int) -> Sample:
        name = f"{model}-{number}-{index}"
        return Sample(
            sample_id=name, prompt_id=f"p{number}", prompt="", category="", seed=0, path=name, sha256="0" * 64
        )

    return Entry(
        prompt=Prompt(id=f"p{number}", text=f"word{number} thing{number}", category=f"c{number % 3}"),
        samples={model: tuple(sample(model, index) for index in range(2)) for model in (*models, REFERENCE)},
    )


def plan(count: int, /, *, models: Sequence[str] = MODELS, **changes: Any) -> Survey:
    chosen = {
        "questions": QUESTIONS, "images_per_set": 2, "num_prompts": None, "batch_size": 10,
        "incomplete": "refuse", "controls_per_batch": 3, "baseline": None, "pairs_per_prompt": None,
        "seed": 0, **changes,
    }  # fmt: skip
    entries = [entry(number, models) for number in range(count)]
    return plan_survey(entries, models, SurveySettings(**chosen), set_side=64, single_side=96, left_out=())


def judged(survey: Survey, name: str) -> list[Trial]:
    return [trial for trial in survey.trials if trial.wording.name == name and trial.control_answer is None]


def models_of(trial: Trial) -> tuple[str, ...]:
    return tuple(side.model for side in trial.sides)


def test_each_question_is_asked_of_each_prompt_once() -> None:
    survey = plan(7)
    for name in ("fidelity", "alignment"):
        asked = Counter((trial.prompt.id, models_of(trial)) for trial in judged(survey, name))
        assert len(asked) == 7 * 3
        assert set(asked.values()) == {1}
        assert {len(side.images) for trial in judged(survey, name) for side in trial.sides} == {2}
    asked = Counter((trial.prompt.id, models_of(trial)) for trial in judged(survey, "photorealism"))
    assert asked == Counter({(f"p{p}", (model, REFERENCE)): 1 for p in range(7) for model in MODELS})
    alone = Counter((trial.prompt.id, models_of(trial)) for trial in judged(survey, "caption"))
    assert alone == Counter({(f"p{p}", (model,)): 1 for p in range(7) for model in (*MODELS, REFERENCE)})
    for trial in survey.trials:
        for side in trial.sides:
            for image in side.images:
                assert image.max_side == (64 if trial.wording.shows == "sets" else 96)


@given(
    st.integers(2, 12), st.integers(1, 9), st.integers(0, 2), st.integers(0, 3), st.sampled_from([1, 2, None])
)
@settings(max_examples=60, deadline=None)
def test_batches_sides_and_controls(
    num_prompts: int, batch_size: int, num_controls: int, seed: int, per_prompt: int | None
) -> None:
    survey = plan(
        num_prompts,
        batch_size=batch_size,
        controls_per_batch=num_controls,
        seed=seed,
        pairs_per_prompt=per_prompt,
    )
    sides: Counter[tuple[str, ...]] = Counter()
    for batch in survey.batches:
        assert {trial.wording.name for trial in batch.trials} == {batch.wording.name}
        assert batch.num_controls == num_controls
        assert 1 <= len(batch.trials) - num_controls <= batch_size
        # A control in every block, and blocks as even as can be: they stay spread when blocks are shuffled.
        sizes = [len(block) for block in batch.blocks]
        assert len(sizes) == max(num_controls, 1)
        assert max(sizes) - min(sizes) <= 1
        if num_controls:
            assert all(sum(t.control_answer is not None for t in block) == 1 for block in batch.blocks)
        within: Counter[tuple[str, ...]] = Counter()
        for trial in batch.trials:
            assert (trial.left in ("a", "b")) == (len(trial.sides) == 2)
            within[trial.wording.name, *models_of(trial)] += {"a": 1, "b": -1, None: 0}[trial.left]
        assert all(abs(difference) <= 1 for difference in within.values())
        sides.update(within)
        assert len({trial.code for trial in batch.trials}) == len(batch.trials)
    assert all(abs(difference) <= 1 for difference in sides.values())
    sizes = [len(batch.trials) for batch in survey.batches if batch.wording.name == "fidelity"]
    assert max(sizes) - min(sizes) <= 1


def test_sides_do_not_follow_the_order_in_which_trials_are_shown() -> None:
    lefts = [trial.left for trial in judged(plan(40, models=("one", "two"), batch_size=40), "fidelity")]
    assert Counter(lefts) == {"a": 20, "b": 20}
    changes = sum(one != two for one, two in pairwise(lefts))
    # By chance 39 / 2 with a standard deviation of 3.
    assert 9 < changes < 30


def test_trials_of_one_prompt_go_to_different_batches() -> None:
    for batch in plan(20, batch_size=20, controls_per_batch=0).batches:
        if batch.wording.shows == "sets":
            assert len({trial.prompt.id for trial in batch.trials}) == len(batch.trials)


def test_the_order_of_prompts_changes_nothing_and_the_seed_does() -> None:
    entries = [entry(number) for number in range(8)]
    how = SurveySettings(
        questions=QUESTIONS, images_per_set=2, num_prompts=None, batch_size=10, controls_per_batch=2,
        baseline=None, pairs_per_prompt=2, incomplete="refuse", seed=0,
    )  # fmt: skip

    def planned(order: Sequence[Entry], settings: SurveySettings) -> Survey:
        return plan_survey(order, MODELS, settings, set_side=64, single_side=96, left_out=())

    assert planned(entries, how) == planned(entries[::-1], how)
    assert planned(entries, how).batches != planned(entries, replace(how, seed=1)).batches


def test_controls_have_answers_that_follow_from_what_they_show() -> None:
    survey = plan(6, batch_size=30, controls_per_batch=4)
    controls = [trial for trial in survey.trials if trial.control_answer is not None]
    assert len(controls) == 4 * len(survey.batches)
    for trial in controls:
        true = {"a": 0, "b": 1}.get(str(trial.control_answer))
        ids = [[image.sample.sample_id for image in side.images] for side in trial.sides]
        spoilt = [{image.spoilt for image in side.images} for side in trial.sides]
        own = [{image.sample.prompt_id for image in side.images} == {trial.prompt.id} for side in trial.sides]
        if trial.wording.name in ("fidelity", "photorealism"):
            assert true is not None
            assert ids[0] == ids[1]
            assert (spoilt[true], spoilt[1 - true]) == ({False}, {True})
            assert trial.sides[1 - true].model == CONTROL
            if trial.wording.name == "photorealism":
                assert trial.sides[true].model == REFERENCE
        elif trial.wording.name == "alignment":
            assert true is not None
            assert (own[true], own[1 - true]) == (True, False)
            assert trial.sides[1 - true].model == CONTROL
            assert {image.contestant for side in trial.sides for image in side.images} == {
                trial.sides[true].model
            }
        else:
            assert (trial.control_answer, own, trial.sides[0].model) == ("0", [False], REFERENCE)
    assert {side.model for trial in controls for side in trial.sides} == {*MODELS, REFERENCE, CONTROL}


def test_a_caption_control_shows_the_least_alike_prompt() -> None:
    texts = ["a red cat sits here", "a red dog sits here", "tall ships sailing"]
    entries = [replace(entry(i), prompt=Prompt(id=f"p{i}", text=text)) for i, text in enumerate(texts)]
    how = SurveySettings(
        questions=("alignment",), images_per_set=2, num_prompts=None, batch_size=50, controls_per_batch=9,
        baseline=None, pairs_per_prompt=None, incomplete="refuse", seed=0,
    )  # fmt: skip
    survey = plan_survey(entries, MODELS, how, set_side=64, single_side=96, left_out=())
    shown = {
        (trial.prompt.id, trial.sides[1].images[0].sample.prompt_id)
        for trial in survey.trials
        if trial.control_answer
    }
    assert {pair for pair in shown if pair[0] != "p2"} == {("p0", "p2"), ("p1", "p2")}


@pytest.mark.parametrize(
    ("num_prompts", "changes", "message"),
    [
        (0, {}, "prompts: none can be shown"),
        (1, {}, "prompt 'p0' needs another with unlike words for a control question"),
        (
            2,
            {"questions": ("photorealism",)},
            "controls_per_batch: 3 unlike ones cannot be made of 2 prompts",
        ),
    ],
)
def test_what_cannot_be_planned(num_prompts: int, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(num_prompts, **changes)


def test_a_question_about_captions_needs_texts() -> None:
    empty = replace(entry(0), prompt=Prompt(id="p0", text=" "))
    how = SurveySettings(
        questions=("alignment",), images_per_set=2, num_prompts=None, batch_size=50, controls_per_batch=0,
        baseline=None, pairs_per_prompt=None, incomplete="refuse", seed=0,
    )  # fmt: skip
    with pytest.raises(ValueError, match="prompt 'p0' has no text, and alignment asks about it"):
        plan_survey([empty], MODELS, how, set_side=64, single_side=96, left_out=())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"questions": ()}, r"questions: \[\]; choose some of fidelity, alignment, photorealism, caption"),
        ({"questions": ("caption", "caption")}, "each once"),
        ({"images_per_set": 0}, "images_per_set: 0 is not at least 1"),
        ({"batch_size": 0}, "batch_size: 0 is not at least 1"),
        ({"controls_per_batch": -1}, "controls_per_batch: -1 is not at least 0"),
        ({"num_prompts": 0}, "num_prompts: 0 is not at least 1; write null for all"),
        ({"pairs_per_prompt": 0}, "pairs_per_prompt: 0 is not at least 1"),
    ],
)
def test_settings_that_no_survey_can_have(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        plan(3, **changes)
