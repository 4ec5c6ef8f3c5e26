from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.ratings.survey import Contestant
from drawbench_eval.ratings.survey.choose import choose_entries, choose_pairs, draw_prompts

NAMES = ("a", "b", "c", "d")


def pairs(num_prompts: int, *, names: tuple[str, ...] = NAMES, seed: int = 0, **how: object):  # type: ignore[no-untyped-def]
    chosen = {"baseline": None, "per_prompt": None, **how}
    return choose_pairs([f"p{index}" for index in range(num_prompts)], names, seed=seed, **chosen)


def test_all_pairs_of_every_prompt() -> None:
    assert set(pairs(3).values()) == {
        (("a", "b"), ("a", "c"), ("a", "d"), ("b", "c"), ("b", "d"), ("c", "d"))
    }


def test_only_pairs_with_the_baseline() -> None:
    assert set(pairs(3, baseline="c").values()) == {(("a", "c"), ("b", "c"), ("c", "d"))}
    with pytest.raises(ValueError, match="baseline: x is none of the sets a, b, c, d"):
        pairs(3, baseline="x")


@given(st.integers(1, 40), st.integers(1, 7), st.integers(0, 5))
def test_drawn_pairs_come_equally_often(num_prompts: int, per_prompt: int, seed: int) -> None:
    chosen = pairs(num_prompts, per_prompt=per_prompt, seed=seed)
    assert all(len(set(some)) == min(per_prompt, 6) for some in chosen.values())
    counts = Counter(pair for some in chosen.values() for pair in some)
    if num_prompts * min(per_prompt, 6) >= 6:
        assert len(counts) == 6
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_comparison_needs_two() -> None:
    with pytest.raises(ValueError, match="sets: a; a comparison needs two or more"):
        pairs(3, names=("a",))


def test_draws_depend_on_the_seed_and_on_nothing_else(contestants: list[Contestant]) -> None:
    entries, left_out = choose_entries(contestants, seed=0)
    assert (len(entries), left_out) == (10, ())
    shuffled = [
        replace(one, samples=replace(one.samples, samples=one.samples.samples[::-1]))
        for one in contestants[::-1]
    ]
    again = {entry.prompt.id: entry for entry in choose_entries(shuffled, seed=0)[0]}
    assert all(again[entry.prompt.id].samples == entry.samples for entry in entries)
    others = choose_entries(contestants, seed=1)[0]
    assert [entry.samples for entry in others] != [entry.samples for entry in entries]
    first, more = draw_prompts(entries, 4, seed=0), draw_prompts(entries, 6, seed=0)
    assert [entry for entry in more if entry in first] == list(first)
    assert draw_prompts(entries, 4, seed=1) != first
    with pytest.raises(ValueError, match="num_prompts: 11 are asked for and 10 can be shown"):
        draw_prompts(entries, 11, seed=0)


def test_what_cannot_be_shown_is_named(contestants: list[Contestant]) -> None:
    one, two = contestants[:2]
    p3 = [sample for sample in one.samples.samples if sample.prompt_id == "p3"]
    rest = tuple(sample for sample in one.samples.samples if sample.prompt_id != "p3")
    never = replace(p3[0], path="", sha256="")
    few = replace(one, samples=replace(one.samples, samples=(*rest, p3[1], never)))
    flagged = replace(
        two, samples=replace(two.samples, flagged=frozenset(f"{two.name}-p5-{i}" for i in (0, 1)))
    )
    fewer = replace(flagged, prompts=PromptSet(name="x", prompts=flagged.prompts.prompts[:-1]))
    entries, left_out = choose_entries([few, fewer], seed=0)
    assert len(entries) == 7
    assert [(lost.prompt_id, lost.reason) for lost in left_out] == [
        ("p3", f"{one.name} has 1 of 2 images"),
        ("p5", f"{two.name} has 1 of 2 images"),
        ("p9", f"{two.name} does not have this prompt"),
    ]


def test_one_id_for_two_texts_is_refused(contestants: list[Contestant], tmp_path: Path) -> None:
    one, two = contestants[:2]
    other = replace(two, prompts=PromptSet(name="x", prompts=(Prompt(id="p0", text="else"),)))
    with pytest.raises(
        ValueError, match="prompt 'p0' is 'amber over amberside' in zorgdiffusion and 'else' in"
    ):
        choose_entries([one, other], seed=0)
