import numpy as np
import pytest

from drawbench_eval.scenes.changes import change
from drawbench_eval.scenes.corpus import sentences
from drawbench_eval.scenes.facts import (
    OPPOSITE,
    SHAPES,
    Facts,
    Group,
    Reading,
    SeenThing,
    check,
    claimed_kinds,
)
from drawbench_eval.scenes.grammar import PLURALS, caption, is_withheld, misspell, sample_facts
from drawbench_eval.scenes.heldout import (
    TEST_COUNTS,
    TEST_PAIRS,
    TEST_RELATIONS,
    VALIDATION_COUNTS,
    VALIDATION_PAIRS,
    VALIDATION_RELATIONS,
    is_withheld_relation,
    table,
)

PLAIN = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (Facts(groups=(Group(shape="circle", color="red"),)), "a red circle"),
        (Facts(groups=(Group(shape="star", color="orange", size="small"),)), "a small orange star"),
        (Facts(groups=(Group(count=3, shape="cross", color="blue"),)), "three blue crosses"),
        (
            Facts(
                groups=(Group(shape="ring", color="cyan"), Group(shape="square", color="orange")),
                relations=((0, "left of", 1),),
                background="black",
            ),
            "a cyan ring left of an orange square on a black background",
        ),
        (Facts(groups=(Group(shape="letter A", color="red"),)), "the letter A in red"),
        (
            Facts(groups=(Group(shape="circle"),), absent=(Group(shape="star", color="red"),)),
            "a circle and no red star",
        ),
    ],
)
def test_plain_captions(facts: Facts, text: str) -> None:
    assert caption(facts, PLAIN, plain=True) == text


def test_sampled_facts_hold_nothing_withheld_and_survive_json() -> None:
    rng = np.random.default_rng(1)
    for _ in range(500):
        facts = sample_facts(rng)
        assert not is_withheld(facts)
        assert Facts.from_json(facts.to_json()) == facts


def test_every_caption_is_said_in_several_ways() -> None:
    facts = Facts(
        groups=(Group(shape="circle", color="red"), Group(shape="square", color="blue")),
        relations=((0, "above", 1),),
    )
    rng = np.random.default_rng(2)
    assert len({caption(facts, rng) for _ in range(100)}) > 20


def _withheld_phrases() -> list[str]:
    pairs = [f"{color} {shape}" for color, shape in VALIDATION_PAIRS | TEST_PAIRS]
    pairs += [f"{color} {PLURALS.get(shape, shape + 's')}" for color, shape in VALIDATION_PAIRS | TEST_PAIRS]
    pairs += [f"the {shape} is {color}" for color, shape in VALIDATION_PAIRS | TEST_PAIRS]
    pairs += [f"the {color} thing is a {shape}" for color, shape in VALIDATION_PAIRS | TEST_PAIRS]
    for a, how, b in VALIDATION_RELATIONS | TEST_RELATIONS:
        pairs += [f"the {a} is {how} the {b}", f"the {b} is {OPPOSITE[how]} the {a}"]
    return pairs


def test_the_text_corpus_says_nothing_withheld() -> None:
    stream = sentences(5)
    texts = [next(stream) for _ in range(3000)]
    assert any("the circle is above the" in text for text in texts), "so are relations told"
    assert any("thing is a circle" in text for text in texts), "so are things told"
    phrases = _withheld_phrases()
    said = [(text, phrase) for text in texts for phrase in phrases if f" {phrase} " in f" {text} "]
    assert not said, said[:3]
    assert any("crimson" in text for text in texts), "the rare words stand in the corpus"
    assert any(" no " in text or "nothing" in text for text in texts), "negation stands in the corpus"


def test_the_stream_is_the_same_for_the_same_seed() -> None:
    one, two, other = sentences(3), sentences(3), sentences(4)
    first = [next(one) for _ in range(50)]
    assert first == [next(two) for _ in range(50)]
    assert first != [next(other) for _ in range(50)]


def test_validation_and_test_share_nothing() -> None:
    assert not VALIDATION_PAIRS & TEST_PAIRS
    assert not VALIDATION_RELATIONS & TEST_RELATIONS
    assert not VALIDATION_COUNTS & TEST_COUNTS
    assert len({(row["set"], row["what"]) for row in table()}) == len(table())


def test_a_withheld_relation_is_withheld_both_ways_round() -> None:
    for a, relation, b in VALIDATION_RELATIONS | TEST_RELATIONS:
        turned = {"left of": "right of", "right of": "left of", "above": "below", "below": "above"}[relation]
        assert is_withheld_relation(a, relation, b)
        assert is_withheld_relation(b, turned, a)
        assert (
            not is_withheld_relation(a, turned, b) or (a, turned, b) in VALIDATION_RELATIONS | TEST_RELATIONS
        )


def test_misspelling_changes_letters_and_keeps_the_words() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        wrong = misspell("a purple triangle left of a green square", rng)
        assert len(wrong.split(" ")) == 8


def test_misspelling_usually_differs() -> None:
    rng = np.random.default_rng(3)
    text = "a purple triangle left of a green square"
    assert sum(misspell(text, rng) != text for _ in range(100)) > 90


def test_a_change_is_seen_by_check() -> None:
    """A reading of the facts confirms them and denies exactly the kind that was changed."""
    rng = np.random.default_rng(4)
    facts = Facts(
        groups=(Group(shape="circle", color="red"), Group(shape="square", color="blue")),
        relations=((0, "left of", 1),),
    )
    things = tuple(
        SeenThing(
            shape=str(group.shape),
            color=str(group.color),
            size="medium",
            x=0.25 + 0.5 * k,
            y=0.5,
            diameter=0.34,
        )
        for k, group in enumerate(facts.groups)
    )
    reading = Reading(things=things)
    assert check(facts, reading) == {"count": True, "color": True, "shape": True, "relation": True}
    for kind in ("color", "shape"):
        changed = change(facts, kind, rng)
        assert changed is not None
        verdicts = check(changed, reading)
        assert not verdicts[kind]
        assert verdicts["count"]
    swapped = change(facts, "relation", rng)
    assert swapped is not None
    assert not check(swapped, reading)["relation"]


def test_an_extra_thing_denies_the_count_and_unreadable_denies_all() -> None:
    facts = Facts(groups=(Group(shape="circle", color="red"),))
    thing = SeenThing(shape="circle", color="red", size="medium", x=0.3, y=0.3, diameter=0.3)
    other = SeenThing(shape="ring", color="blue", size="medium", x=0.7, y=0.7, diameter=0.3)
    assert check(facts, Reading(things=(thing, other)))["count"] is False
    assert not any(check(facts, Reading(unreadable="noise")).values())
    assert claimed_kinds(facts) == ["count", "color", "shape"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"shape": "blob"}, "shape: 'blob' is not one of"),
        ({"color": "mauve"}, "color: 'mauve' is not one of"),
        ({"count": 6}, "count: 6 is not within 1 to 5"),
    ],
)
def test_words_outside_the_world(values: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Group(**values)  # type: ignore[arg-type]


def test_the_shapes_have_captions() -> None:
    assert {caption(Facts(groups=(Group(shape=s, color="red"),)), PLAIN, plain=True) for s in SHAPES} == {
        f"a red {shape}" for shape in SHAPES
    }
