from dataclasses import replace

import pytest

from drawbench_eval.prompt import Prompt, PromptSet, PromptSource

CAT = Prompt(id="1", text="a cat", category="Colors")


def test_scorers_read_the_scoring_text_where_there_is_one() -> None:
    assert CAT.text_to_score == "a cat"
    assert replace(CAT, scoring_text="a dog").text_to_score == "a dog"
    assert replace(CAT, scoring_text="").text_to_score == ""


def test_the_empty_prompt_is_legal_and_texts_may_repeat() -> None:
    PromptSet(name="s", prompts=(Prompt(id="1", text=""), Prompt(id="2", text="")))


def test_ids_are_unique_and_there_is_at_least_one() -> None:
    with pytest.raises(ValueError, match="id '1' appears again at prompt 2"):
        PromptSet(name="s", prompts=(CAT, CAT))
    with pytest.raises(ValueError, match="prompt set s: it holds no prompts"):
        PromptSet(name="s", prompts=())
    with pytest.raises(ValueError, match="id is empty"):
        Prompt(id="", text="a cat")


@pytest.mark.parametrize(
    "changed",
    [{"id": "2"}, {"text": "a dog"}, {"category": ""}, {"scoring_text": "a cat"}],
    ids=lambda c: next(iter(c)),
)
def test_the_hash_changes_with_everything_that_is_scored(changed: dict[str, str]) -> None:
    base = PromptSet(name="s", prompts=(CAT,))
    assert base.sha256 == PromptSet(name="other", prompts=(CAT,)).sha256
    assert base.sha256 != PromptSet(name="s", prompts=(replace(CAT, **changed),)).sha256


def test_neither_the_order_nor_what_is_not_scored_changes_the_hash() -> None:
    dog = Prompt(id="0", text="a dog", facts={"a": 1})
    here, there = PromptSet(name="s", prompts=(CAT, dog)), PromptSet(name="s", prompts=(dog, CAT))
    assert here.sha256 == there.sha256
    assert here.facts_sha256 == there.facts_sha256
    more = replace(CAT, image_id="42", caption_id="7", metadata={"tag": "x"})
    assert PromptSet(name="s", prompts=(more, dog)).sha256 == here.sha256


def test_provenance_says_where_a_set_came_from() -> None:
    bare = PromptSet(name="s", prompts=(CAT,))
    assert bare.provenance == {"name": "s", "sha256": bare.sha256}
    source = PromptSource(location="p.csv", sha256="ab", choices={"size": 1}, remarks=("one blank line",))
    assert replace(bare, source=source).provenance == {
        "name": "s",
        "sha256": bare.sha256,
        "source": "p.csv",
        "source_sha256": "ab",
        "choices": {"size": 1},
        "remarks": ["one blank line"],
    }


def test_facts_have_a_hash_of_their_own() -> None:
    a = PromptSet(name="s", prompts=(CAT,))
    b = PromptSet(name="s", prompts=(replace(CAT, facts={"groups": []}),))
    assert a.sha256 == b.sha256
    assert a.facts_sha256 != b.facts_sha256
