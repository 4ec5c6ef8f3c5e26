from __future__ import annotations

import numpy as np
import pytest

from drawbench_eval.scenes.facts import Facts, Group, SeenThing, relation_between, size_word
from drawbench_eval.scenes.grammar import sample_facts
from drawbench_eval.scenes.layout import GAP, MARGIN, Scene, Thing, place
from drawbench_eval.scenes.renderer import PALETTES, render
from drawbench_eval.scenes.shapes import DISTANCES


def scenes(num: int, seed: int = 0) -> list[Scene]:
    rng = np.random.default_rng(seed)
    return [place(sample_facts(rng), rng) for _ in range(num)]


@pytest.mark.parametrize("side", [16, 32, 64, 100, 256])
def test_makes_uint8_rgb_of_any_side(side):
    image = render(scenes(1)[0], side)
    assert image.shape == (side, side, 3)
    assert image.dtype == np.uint8


@pytest.mark.parametrize("side", [0, 15, 17, 48, 257])
def test_refuses_other_sides(side):
    with pytest.raises(ValueError, match=f"side: {side}"):
        render(scenes(1)[0], side)


def test_refuses_an_unknown_palette():
    with pytest.raises(ValueError, match="palette: 'neon' is not one of natural, saturated"):
        render(scenes(1)[0], 64, palette="neon")


def test_is_the_same_every_time_and_differs_with_the_seed():
    scene = scenes(1)[0]
    np.testing.assert_array_equal(render(scene, 64), render(scene, 64))
    other = Scene(things=scene.things, background=scene.background, seed=scene.seed + 1)
    assert (render(scene, 64) != render(other, 64)).any()


@pytest.mark.parametrize("palette", ["natural", "saturated"])
def test_a_small_picture_is_the_large_one_averaged(palette):
    for scene in scenes(4):
        large = render(scene, 64, palette=palette).astype(float)
        for side in (16, 32):
            k = 64 // side
            mean = large.reshape(side, k, side, k, 3).mean(axis=(1, 3))
            # Clipping comes after averaging in the small picture, so only unclipped pixels must agree.
            inside = ((large > 0) & (large < 255)).reshape(side, k, side, k, 3).all(axis=(1, 3))
            difference = np.abs(render(scene, side, palette=palette) - mean)
            assert difference[inside].max(initial=0.0) <= 1.0


def test_the_same_scene_at_a_larger_side():
    for scene in scenes(4):
        small = render(scene, 64, palette="saturated").astype(float)
        large = render(scene, 128, palette="saturated").astype(float)
        assert np.abs(large.reshape(64, 2, 64, 2, 3).mean(axis=(1, 3)) - small).mean() < 1.0


@pytest.mark.parametrize(
    ("shape", "area"),
    [
        ("circle", np.pi),
        ("ring", np.pi * (1 - 0.5**2)),
        ("square", (2 * 1.08 * np.sqrt(0.5)) ** 2),
        ("triangle", 3 * np.sqrt(3) / 4),
        ("star", 10 * 0.5 * 0.45 * np.sin(np.pi / 5)),
        ("cross", 2 * (1.88 * 0.6) - 0.6**2),
    ],
)
def test_shapes_cover_their_closed_form_area(shape, area):
    thing = Thing(shape=shape, color="red", x=0.47, y=0.52, radius=0.3)
    image = render(Scene(things=(thing,), background="black", seed=0), 256, palette="saturated")
    covered = image[..., 0].mean() / 255
    assert covered == pytest.approx(area * thing.radius**2, rel=0.01)


@pytest.mark.parametrize("shape", sorted(DISTANCES))
def test_shapes_stay_near_their_outer_circle(shape):
    """Inside the unit circle but for corners: a square's by 8 %, a triangle's by 12 %, letters' by 17 %."""
    axis = np.linspace(-1.5, 1.5, 301)
    x, y = np.meshgrid(axis, axis)
    inside = DISTANCES[shape](x, y) < 0
    reach = np.hypot(x, y)[inside].max()
    assert 0.9 < reach < 1.17


def test_pixels_are_like_photographs():
    """The 99.5 % quantile of |x|: median 0.96 at side 16 and 0.98 at 64, at the limit in 26 % and 38 %."""
    pictures = scenes(160)
    for side, median, at_limit in ((16, 0.96, 0.26), (64, 0.98, 0.38)):
        extremes = np.array([np.quantile(np.abs(render(s, side) / 127.5 - 1), 0.995) for s in pictures])
        assert abs(np.median(extremes) - median) < 0.025
        assert abs((extremes >= 1 - 1e-9).mean() - at_limit) < 0.12


def test_the_saturated_palette_sits_at_the_limit():
    extremes = [
        np.quantile(np.abs(render(s, 64, palette="saturated") / 127.5 - 1), 0.995) for s in scenes(20)
    ]
    assert np.mean(np.array(extremes) >= 1 - 1e-9) > 0.8
    assert PALETTES["saturated"].keys() == PALETTES["natural"].keys()


def test_layout_keeps_margins_gaps_and_every_claim():
    rng = np.random.default_rng(3)
    for _ in range(80):
        facts = sample_facts(rng)
        scene = place(facts, rng)
        things = scene.things
        wanted = [group for group in facts.groups for _ in range(group.count)]
        assert len(things) == len(wanted)
        for thing, group in zip(things, wanted, strict=True):
            assert group.shape in (None, thing.shape)
            assert group.color in (None, thing.color)
            assert group.size in (None, size_word(2 * thing.radius))
            assert min(thing.x, thing.y) - thing.radius >= MARGIN
            assert max(thing.x, thing.y) + thing.radius <= 1 - MARGIN
        for i, a in enumerate(things):
            for b in things[:i]:
                assert np.hypot(a.x - b.x, a.y - b.y) > a.radius + b.radius + GAP
        for first, relation, second in facts.relations:
            a, b = (
                SeenThing(shape=t.shape, color=t.color, size="medium", x=t.x, y=t.y, diameter=2 * t.radius)
                for t in (things[first], things[second])
            )
            assert relation_between(a, b) == relation
        assert facts.background in (None, scene.background)


def test_layout_refuses_what_cannot_be():
    contradiction = Facts(groups=(Group(shape="star", color="red"),), absent=(Group(shape="star"),))
    with pytest.raises(ValueError, match="contradict"):
        place(contradiction, np.random.default_rng(0))
    too_much = Facts(groups=(Group(count=5, shape="circle", size="large"),))
    with pytest.raises(ValueError, match="do not fit"):
        place(too_much, np.random.default_rng(0))
