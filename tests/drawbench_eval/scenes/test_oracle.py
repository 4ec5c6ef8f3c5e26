from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import XKCD_COLORS, to_rgb

import drawbench_eval.scenes
from drawbench_eval.scenes.changes import change
from drawbench_eval.scenes.color_naming import name_background, name_color, oklch
from drawbench_eval.scenes.degrade import DEGRADATIONS, degrade
from drawbench_eval.scenes.facts import COLORS, LETTER_SHAPES, SHAPES, Facts, Group, check
from drawbench_eval.scenes.layout import Scene, Thing, place
from drawbench_eval.scenes.oracle import read
from drawbench_eval.scenes.oracle_check import (
    KINDS,
    free_facts,
    measure_blobs,
    measure_changed,
    measure_plain,
    report,
)
from drawbench_eval.scenes.renderer import render
from drawbench_eval.scenes.segment import opponent

RED, BLUE, GRAY = (0.8, 0.15, 0.12), (0.15, 0.3, 0.75), (0.5, 0.5, 0.5)
Y, X = np.meshgrid((np.arange(256) + 0.5) / 4, (np.arange(256) + 0.5) / 4, indexing="ij")


def one(
    shape: str, color: str, *, x: float = 0.5, y: float = 0.5, radius: float = 0.2, background: str = "gray"
):
    thing = Thing(shape=shape, color=color, x=x, y=y, radius=radius)
    return render(Scene(things=(thing,), background=background, seed=3), 64)


def drawn(*layers: tuple[np.ndarray, tuple[float, float, float]]) -> np.ndarray:
    """A flat picture on grey with figures painted over one another, averaged down from side 256."""
    picture = np.full((256, 256, 3), 0.5)
    for mask, color in layers:
        picture[mask] = color
    return np.rint(picture.reshape(64, 4, 64, 4, 3).mean(axis=(1, 3)) * 255).astype(np.uint8)


def disc(x: float, y: float, radius: float) -> np.ndarray:
    return np.hypot(X - x, Y - y) < radius


def test_takes_nothing_from_the_code_that_draws():
    folder = Path(drawbench_eval.scenes.__file__).parent
    for name in ("oracle", "segment", "shape_reading", "figures", "color_naming"):
        tree = ast.parse((folder / f"{name}.py").read_text())
        imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        imported |= {
            alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
        }
        ours = {
            module.rsplit(".", 1)[-1] for module in imported if module and module.startswith("drawbench_eval")
        }
        assert ours <= {"facts", "segment", "shape_reading", "figures", "color_naming"}, name


@pytest.mark.parametrize("color", COLORS)
def test_reads_every_shape_and_letter_in_every_color(color):
    for k, shape in enumerate(SHAPES + LETTER_SHAPES):
        background = ("white", "gray", "black")[k % 3]
        radius = 0.115 if shape in SHAPES else 0.28
        reading = read(one(shape, color, x=0.4, y=0.6, radius=radius, background=background))
        assert reading.unreadable is None
        (thing,) = reading.things
        assert (thing.shape, thing.color, reading.background) == (shape, color, background)
        assert thing.size == ("small" if shape in SHAPES else "large")
        assert abs(thing.x - 0.4) < 0.06
        assert abs(thing.y - 0.6) < 0.06


def test_right_on_plain_renders():
    plain = measure_plain(60, seed=1)
    assert plain.whole.hits >= 59
    assert all(rate.hits == rate.total or rate.value > 0.97 for rate in plain.confirmed.values())


@pytest.mark.parametrize("kind", KINDS)
def test_catches_a_changed_fact_by_sight(kind):
    caught, by_sight = measure_changed(kind, 15, seed=2)
    assert caught.hits == 15
    assert by_sight.hits >= 14


@pytest.mark.parametrize("kind", sorted(DEGRADATIONS))
def test_right_where_it_reads_a_degraded_render(kind):
    plain = measure_plain(25, seed=3, spoil=lambda image, rng: degrade(image, kind, 1.0, rng))
    assert plain.unreadable.hits <= 6
    assert plain.whole.hits >= plain.whole.total - 1


def test_denies_what_a_mutated_picture_no_longer_shows():
    pair = Facts(
        groups=(Group(shape="star", color="red"), Group(shape="ring", color="blue")),
        relations=((0, "left of", 1),),
    )
    image = render(place(pair, np.random.default_rng(0)), 64)
    assert all(check(pair, read(image)).values())
    mirrored = check(pair, read(image[:, ::-1]))
    assert not mirrored["relation"]
    assert mirrored["color"]
    assert mirrored["count"]
    swapped = check(pair, read(image[..., ::-1]))
    assert not swapped["color"]
    assert swapped["relation"]
    half_gone = image.copy()
    half_gone[:, 32:] = image[0, 0]
    assert not check(pair, read(half_gone))["count"]
    twice = Facts(groups=(Group(count=2, shape="star", color="red"),))
    assert not any(check(twice, read(image))[kind] for kind in ("shape", "color"))
    assert not check(pair, read(np.rot90(image)))["relation"]


def test_says_unreadable_rather_than_guess():
    wedge = disc(32, 32, 12) & ~((X > 32) & (Y < 32))
    blob = disc(28, 30, 8) | disc(36, 36, 9) | disc(40, 24, 5)
    oval = np.hypot((X - 32) * 0.62, Y - 32) < 9
    speck = disc(12, 12, 2.3)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for picture, reason in (
        (drawn((wedge, RED)), "shape"),
        (drawn((blob, RED)), "form"),
        (drawn((oval, RED)), "oval"),
        (drawn((disc(40, 40, 12), RED), (speck, RED)), "fragment"),
        (drawn((disc(32, 32, 12), (0.45, 0.27, 0.1))), "colour"),
        (drawn((disc(32, 32, 12), (0.03, 0.03, 0.03))), "without a colour"),
        (drawn((X > 0, RED)), "ground"),
        (noise, "noise"),
    ):
        reading = read(picture)
        assert reading.unreadable is not None
        assert reason in reading.unreadable
        assert not any(check(Facts(groups=(Group(shape="circle", color="red"),)), reading).values())


def test_parts_things_that_touch_by_their_hue():
    reading = read(drawn((disc(22, 32, 10), RED), (disc(41, 32, 10), BLUE)))
    assert sorted((thing.shape, thing.color) for thing in reading.things) == [
        ("circle", "blue"),
        ("circle", "red"),
    ]


def test_an_empty_picture_is_read_as_empty():
    reading = read(drawn())
    assert reading.things == ()
    assert reading.background == "gray"
    assert reading.unreadable is None


@pytest.mark.parametrize("side", [32, 128, 200])
def test_reads_other_sides(side):
    facts = Facts(groups=(Group(count=3, shape="triangle", color="cyan"),))
    assert all(check(facts, read(render(place(facts, np.random.default_rng(5)), side))).values())


def test_refuses_what_is_not_an_image():
    for wrong in (
        np.zeros((64, 64, 3)),
        np.zeros((64, 64), dtype=np.uint8),
        np.zeros((64, 64, 4), dtype=np.uint8),
    ):
        with pytest.raises(ValueError, match="not a uint8 RGB image"):
            read(wrong)


def test_names_colors_as_people_did():
    """The xkcd survey: plain words and words with an adjective that does not change the name."""
    plain = {"bright", "light", "strong", "vivid", "pure", "true", "primary", "clear"}
    right = total = 0
    for name, code in XKCD_COLORS.items():
        *adjectives, word = name.removeprefix("xkcd:").split()
        if word in COLORS and set(adjectives) <= plain:
            total += 1
            right += name_color(np.array(to_rgb(code))) == word
    assert total >= 30
    assert right >= 0.9 * total
    for other in ("brown", "maroon", "beige", "grey", "white", "black", "chocolate"):
        assert name_color(np.array(to_rgb(f"xkcd:{other}"))) is None


def test_oklch_of_known_colors():
    """From Ottosson's page: white is lightness 1 without chroma; pure red is (0.628, 0.258, 29.2)."""
    np.testing.assert_allclose(oklch(np.array([1.0, 1.0, 1.0]))[:2], [1.0, 0.0], atol=1e-4)
    np.testing.assert_allclose(oklch(np.array([1.0, 0.0, 0.0])), [0.628, 0.2577, 29.23], atol=2e-2)
    assert [name_background(np.full(3, v)) for v in (0.02, 0.5, 0.97, 0.73)] == [
        "black",
        "gray",
        "white",
        None,
    ]
    assert name_background(np.array([0.9, 0.7, 0.7])) is None


def test_a_shadow_does_not_move_the_opponent_plane():
    ground = np.array([0.8, 0.8, 0.8])
    np.testing.assert_allclose(opponent(0.6 * ground), 0.0, atol=1e-12)
    mixture = opponent(0.25 * np.array(RED) + 0.75 * ground)
    np.testing.assert_allclose(mixture, 0.25 * opponent(np.array(RED)))


@pytest.mark.parametrize("kind", sorted(DEGRADATIONS))
def test_degradations_grow_with_strength(kind):
    image = one("star", "red")
    far = [
        np.abs(degrade(image, kind, s, np.random.default_rng(1)).astype(float) - image).mean()
        for s in (0.2, 0.6, 1.0)
    ]
    assert far[0] < far[1] < far[2]
    np.testing.assert_array_equal(
        degrade(image, kind, 0.7, np.random.default_rng(2)),
        degrade(image, kind, 0.7, np.random.default_rng(2)),
    )


def test_degrade_refuses():
    with pytest.raises(ValueError, match="kind: 'rust' is not one of blur"):
        degrade(one("star", "red"), "rust", 0.5, np.random.default_rng(0))
    with pytest.raises(ValueError, match="strength: 3"):
        degrade(one("star", "red"), "blur", 3, np.random.default_rng(0))


def test_names_few_random_blobs():
    assert measure_blobs(60, seed=1).value < 0.15


def test_change_changes_one_kind_only():
    rng = np.random.default_rng(4)
    for _ in range(200):
        facts = free_facts(rng)
        kind = str(rng.choice(KINDS))
        changed = change(facts, kind, rng)
        if changed is None:
            continue
        groups = zip(facts.groups, changed.groups, strict=True)
        differing = [
            name
            for a, b in groups
            for name in ("count", "shape", "color", "size")
            if getattr(a, name) != getattr(b, name)
        ]
        differing += ["relation"] * (facts.relations != changed.relations)
        differing += ["background"] * (facts.background != changed.background)
        assert differing == ["shape" if kind == "text" else kind]


def test_report_has_a_row_for_every_kind_and_degradation():
    text = report(8, seed=1)
    assert all(f"| {row} |" in text for row in (*KINDS, *DEGRADATIONS))
