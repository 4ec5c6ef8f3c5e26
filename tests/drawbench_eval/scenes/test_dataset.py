from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawbench_eval.scenes import dataset
from drawbench_eval.scenes.dataset import Emphasis, SceneData, draw_scene, shows_withheld_relation
from drawbench_eval.scenes.facts import Facts, Group, check
from drawbench_eval.scenes.grammar import is_withheld
from drawbench_eval.scenes.heldout import is_withheld_pair
from drawbench_eval.scenes.layout import Thing, place
from drawbench_eval.scenes.oracle import read
from drawbench_eval.scenes.renderer import render
from drawbench_eval.scenes.suite import prompt_set

DRAWBENCH = {
    "Colors": 25,
    "Conflicting": 10,
    "Counting": 19,
    "DALL-E": 20,
    "Descriptions": 20,
    "Gary Marcus et al.": 10,
    "Misspellings": 10,
    "Positional": 20,
    "Rare Words": 7,
    "Reddit": 38,
    "Text": 21,
}


def test_scenes_show_nothing_withheld() -> None:
    for k in range(150):
        _, scene = draw_scene(np.random.default_rng([7, k]))
        assert not any(is_withheld_pair(thing.color, thing.shape) for thing in scene.things)
        assert not shows_withheld_relation(scene.things)


def test_more_scenes_of_many_things(tmp_path: Path) -> None:
    plain = SceneData(tmp_path, num=60, seed=3)
    crowded = SceneData(tmp_path, num=60, seed=3, emphasis=Emphasis(many=0.7))
    for data, least, most in ((plain, 0, 20), (crowded, 33, 60)):
        counts = [max(group.count for group in facts.groups) for facts in data.facts(range(60))]
        assert least < sum(count >= 3 for count in counts) < most
    assert any(
        not np.array_equal(a, b) for a, b in zip(plain.images([0, 1]), crowded.images([0, 1]), strict=True)
    )
    assert np.array_equal(render(crowded.scenes([7])[0], 64), crowded.images([7])[0])
    assert not any(is_withheld(facts) for facts in crowded.facts(range(60)))


def test_more_scenes_of_relations(tmp_path: Path) -> None:
    data = SceneData(tmp_path, num=200, seed=3, emphasis=Emphasis(many=0.2, related=0.6))
    counts = [max(group.count for group in facts.groups) for facts in data.facts(range(200))]
    related = [bool(facts.relations) for facts in data.facts(range(200))]
    assert 30 < sum(count >= 3 for count in counts) < 70
    assert 110 < sum(related) < 150
    assert np.array_equal(render(data.scenes([7])[0], 64), data.images([7])[0])


@pytest.mark.parametrize(
    ("chances", "told"),
    [
        ({"many": 1.2}, "many: 1.2"),
        ({"related": -0.1}, "related: -0.1"),
        ({"many": 0.6, "related": 0.5}, "more than 1"),
    ],
)
def test_chances_that_are_none(chances: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        Emphasis(**chances)


def test_a_withheld_relation_is_found_unsaid() -> None:
    star = Thing(shape="star", color="blue", x=0.5, y=0.2, radius=0.15)
    square = Thing(shape="square", color="red", x=0.5, y=0.8, radius=0.15)
    assert shows_withheld_relation((star, square))
    assert shows_withheld_relation((square, star))
    assert not shows_withheld_relation((square, Thing(shape="star", color="blue", x=0.1, y=0.8, radius=0.1)))


def test_things_keep_apart_and_inside() -> None:
    rng = np.random.default_rng(8)
    for _ in range(50):
        scene = place(Facts(groups=(Group(count=4),)), rng)
        for k, a in enumerate(scene.things):
            assert a.radius < a.x < 1 - a.radius
            assert all(np.hypot(a.x - b.x, a.y - b.y) > a.radius + b.radius for b in scene.things[k + 1 :])


def test_processes_draw_what_one_draws(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    alone = SceneData(tmp_path / "alone", num=12, seed=3)
    monkeypatch.setattr(dataset, "RENDER_CHUNK", 5)
    together = SceneData(tmp_path / "together", num=12, seed=3, report=calls.append)
    assert calls == [5, 5, 2]
    assert np.array_equal(alone.images(range(12)), together.images(range(12)))
    assert alone.facts(range(12)) == together.facts(range(12))


def test_data_is_written_once_and_is_the_same_again(tmp_path: Path) -> None:
    calls: list[int] = []
    data = SceneData(tmp_path, num=12, seed=3, report=calls.append)
    again = SceneData(tmp_path, num=12, seed=3, report=calls.append)
    assert calls == [12]
    assert np.array_equal(data.images(range(12)), again.images(range(12)))
    assert data.images([5])[0].tobytes() == render(data.scenes([5])[0], 64).tobytes()
    assert data.captions(range(12), 0) == again.captions(range(12), 0)
    assert data.captions(range(12), 0) != data.captions(range(12), 1)
    readings = [
        check(f, read(image)) for f, image in zip(data.facts(range(12)), data.images(range(12)), strict=True)
    ]
    assert sum(all(verdicts.values()) for verdicts in readings) >= 11, "pictures and facts belong together"


def test_identity_tells_data_apart(tmp_path: Path) -> None:
    def identity(**changes: Any) -> str:
        return SceneData(tmp_path, **{"num": 2, "side": 16, **changes}).identity

    assert identity() == identity() == "scenes-natural-16-0-2"
    changes = (
        {"num": 3},
        {"side": 32},
        {"seed": 1},
        {"palette": "saturated"},
        {"emphasis": Emphasis(many=0.5)},
    )
    assert len({identity(), *(identity(**change) for change in changes)}) == 6


def test_the_suite_has_drawbenchs_categories_and_counts() -> None:
    suite = prompt_set()
    counts: dict[str, int] = {}
    for prompt in suite.prompts:
        counts[prompt.category] = counts.get(prompt.category, 0) + 1
    assert counts == DRAWBENCH
    assert len({prompt.text for prompt in suite.prompts}) >= 195
    misspelt = [prompt for prompt in suite.prompts if prompt.category == "Misspellings"]
    assert all(prompt.scoring_text and prompt.scoring_text != prompt.text for prompt in misspelt)


def test_every_prompt_of_every_split_can_be_drawn() -> None:
    rng = np.random.default_rng(9)
    for split in ("suite", "validation", "test"):
        for prompt in prompt_set(split).prompts:
            assert prompt.facts is not None
            place(Facts.from_json(prompt.facts), rng)


def test_test_combinations_are_in_the_test_split_only() -> None:
    texts = {split: {p.text for p in prompt_set(split).prompts} for split in ("suite", "validation", "test")}
    assert not texts["test"] & (texts["suite"] | texts["validation"])
