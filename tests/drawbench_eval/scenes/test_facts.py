from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from drawbench_eval.scenes.facts import (
    COLORS,
    SHAPES,
    Facts,
    Group,
    Reading,
    SeenThing,
    check,
    claimed_kinds,
    relation_between,
    size_word,
)


def seen(shape: str, color: str, x: float = 0.5, y: float = 0.5, diameter: float = 0.35) -> SeenThing:
    return SeenThing(shape=shape, color=color, size=size_word(diameter), x=x, y=y, diameter=diameter)


def reading(*things: SeenThing, background: str | None = "gray", unreadable: str | None = None) -> Reading:
    return Reading(things=things, background=background, unreadable=unreadable)


STAR_LEFT_OF_RING = Facts(
    groups=(Group(shape="star", color="red"), Group(shape="ring", color="blue")),
    relations=((0, "left of", 1),),
    background="gray",
)
AS_CLAIMED = (seen("ring", "blue", x=0.8), seen("star", "red", x=0.2))


def test_all_claims_hold_in_any_order_of_things():
    expected = {"count": True, "color": True, "shape": True, "relation": True, "background": True}
    assert check(STAR_LEFT_OF_RING, reading(*AS_CLAIMED)) == expected
    assert check(STAR_LEFT_OF_RING, reading(*AS_CLAIMED[::-1])) == expected


@pytest.mark.parametrize(
    ("shown", "false"),
    [
        (reading(seen("ring", "blue", x=0.8), seen("star", "green", x=0.2)), {"color"}),
        (reading(seen("ring", "blue", x=0.8), seen("cross", "red", x=0.2)), {"shape"}),
        (reading(seen("ring", "blue", x=0.1), seen("star", "red", x=0.6)), {"relation"}),
        (reading(seen("ring", "blue", x=0.8, y=0.95), seen("star", "red", x=0.6, y=0.1)), {"relation"}),
        (reading(*AS_CLAIMED, seen("circle", "pink")), {"count"}),
        (reading(*AS_CLAIMED, background="black"), {"background"}),
        (reading(*AS_CLAIMED, background=None), {"background"}),
        (reading(seen("ring", "red", x=0.8), seen("star", "blue", x=0.2)), {"color"}),
        (reading(), {"count", "color", "shape", "relation"}),
        (
            reading(*AS_CLAIMED, unreadable="a fragment"),
            {"count", "color", "shape", "relation", "background"},
        ),
    ],
)
def test_exactly_the_broken_kinds_are_denied(shown, false):
    verdicts = check(STAR_LEFT_OF_RING, shown)
    assert {kind for kind, holds in verdicts.items() if not holds} == false


def test_swapped_colors_break_color_or_shape_and_never_neither():
    facts = Facts(groups=(Group(shape="star", color="red"), Group(shape="ring", color="blue")))
    verdicts = check(facts, reading(seen("star", "blue"), seen("ring", "red")))
    assert not (verdicts["color"] and verdicts["shape"])


def test_letters_are_text_and_not_shape():
    facts = Facts(groups=(Group(shape="letter A", color="green"),))
    assert claimed_kinds(facts) == ["count", "color", "text"]
    assert check(facts, reading(seen("letter A", "green")))["text"]
    assert not check(facts, reading(seen("letter H", "green")))["text"]


def test_size_and_absence():
    facts = Facts(
        groups=(Group(shape="circle", size="large"),), absent=(Group(shape="star"), Group(color="red"))
    )
    assert all(check(facts, reading(seen("circle", "blue", diameter=0.5))).values())
    assert not check(facts, reading(seen("circle", "blue", diameter=0.35)))["size"]
    assert not check(facts, reading(seen("circle", "red", diameter=0.5)))["absent"]
    assert not check(facts, reading(seen("circle", "blue", diameter=0.5), seen("star", "pink")))["absent"]


def test_counted_groups():
    facts = Facts(groups=(Group(count=2, shape="star", color="red"), Group(shape="ring", color="blue")))
    two_and_one = (seen("star", "red"), seen("ring", "blue"), seen("star", "red"))
    assert all(check(facts, reading(*two_and_one)).values())
    one_and_two = (seen("star", "red"), seen("ring", "blue"), seen("ring", "blue"))
    verdicts = check(facts, reading(*one_and_two))
    assert verdicts["count"]
    assert not verdicts["shape"]
    assert not check(facts, reading(*two_and_one[:2]))["count"]


def test_the_assignment_is_the_best_there_is():
    """Color and shape agreements of the exhaustive assignment equal those of the Hungarian method's."""
    rng = np.random.default_rng(0)
    for _ in range(60):
        num = int(rng.integers(2, 5))
        claimed = [(str(rng.choice(SHAPES[:3])), str(rng.choice(COLORS[:3]))) for _ in range(num)]
        things = [(str(rng.choice(SHAPES[:3])), str(rng.choice(COLORS[:3]))) for _ in range(num)]
        agree = np.array([[(a == c) + (b == d) for c, d in things] for a, b in claimed])
        all_agree = int(agree[linear_sum_assignment(-agree)].sum()) == 2 * num
        facts = Facts(groups=tuple(Group(shape=shape, color=color) for shape, color in claimed))
        verdicts = check(facts, reading(*(seen(shape, color) for shape, color in things)))
        assert (verdicts["shape"] and verdicts["color"]) == all_agree


def test_relations_choose_the_axis_by_the_larger_distance():
    a, b = seen("star", "red", x=0.2, y=0.5), seen("ring", "blue", x=0.7, y=0.7)
    assert relation_between(a, b) == "left of"
    assert relation_between(b, a) == "right of"
    assert relation_between(a, b) != "above"
    c = seen("ring", "blue", x=0.3, y=0.9)
    assert relation_between(a, c) == "above"
    assert relation_between(c, a) == "below"
    assert relation_between(a, c) != "left of"


def test_size_words():
    assert [size_word(d) for d in (0.29, 0.30, 0.40, 0.41)] == ["small", "medium", "medium", "large"]


def test_json_round_trip():
    facts = Facts(
        groups=(Group(shape="star", color="red", size="small"), Group(shape="letter A")),
        relations=((0, "above", 1),),
        background="black",
        absent=(Group(color="pink"),),
    )
    assert Facts.from_json(json.loads(json.dumps(facts.to_json()))) == facts


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Group(shape="heart"), "shape: 'heart'"),
        (lambda: Group(color="teal"), "color: 'teal'"),
        (lambda: Group(size="medium"), "size: 'medium'"),
        (lambda: Group(count=6), "count: 6"),
        (lambda: Facts(groups=(Group(), Group()), relations=((0, "near", 1),)), "relation: 'near'"),
        (lambda: Facts(groups=(Group(count=2), Group()), relations=((0, "above", 1),)), "single things"),
        (lambda: Facts(groups=(Group(),), background="teal"), "background: 'teal'"),
    ],
)
def test_words_outside_the_world_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
