import unicodedata

import pytest

from drawbench_eval.generators.lookup import NoPromptError, finder
from drawbench_eval.generators.patterns import parse_pattern
from drawbench_eval.prompt import Prompt, PromptSet

COCO = PromptSet(
    name="coco",
    prompts=(
        Prompt(id="p1", text="A cat.", image_id="42", caption_id="700"),
        Prompt(id="p2", text="A dog, on a mat", image_id="7", caption_id="701"),
        Prompt(id="p3", text="A dog", image_id="7", caption_id="702"),
        Prompt(id="p4", text="A dog", image_id="9", caption_id="703"),
    ),
)
DRAWBENCH = PromptSet(
    name="drawbench",
    prompts=(
        Prompt(id="b", text="a red cat", category="Colors"),
        Prompt(id="a_1", text="two cats", category="Counting"),
        Prompt(id="ü", text='a "blue" cat, and\na dog', category="Colors"),
        Prompt(id="c-0", text="a cat", category="Gary Marcus et al."),
    ),
)


def found(pattern: str, name: str, prompts: PromptSet | None, first_index: int = 0) -> str:
    parsed = parse_pattern(pattern)
    groups = parsed.read(name)
    assert groups is not None
    return finder(parsed, prompts, first_index=first_index)(groups, name).id


@pytest.mark.parametrize(
    ("pattern", "name", "prompts", "identity"),
    [
        ("{prompt_id}.png", "a_1.png", DRAWBENCH, "a_1"),
        # As some file systems write it: the letter and its dots apart.
        ("{prompt_id}.png", unicodedata.normalize("NFD", "ü.png"), DRAWBENCH, "ü"),
        ("{coco_id}.png", "42.png", COCO, "p1"),
        ("{coco_id}.png", "000000000042.png", COCO, "p1"),
        ("COCO_val2014_{coco_id:012d}.jpg", "COCO_val2014_000000000042.jpg", COCO, "p1"),
        ("{caption_id}.png", "0701.png", COCO, "p2"),
        ("{caption_id}-COCO_val2014_{coco_id:012d}.jpg", "702-COCO_val2014_000000000007.jpg", COCO, "p3"),
        ("{prompt}_{sample:06d}.png", "A dog, on a mat_000001.png", COCO, "p2"),
        ("{prompt}_{sample:06d}.png", "A cat_000001.png", COCO, "p1"),
        ("{prompt}_{sample:06d}.png", "a_cat__000001.png", COCO, "p1"),
        ("{category}/{prompt}.png", 'colors/a "blue" cat, and a dog.png', DRAWBENCH, "ü"),
        ("{prompt:.7}.png", "A dog, .png", COCO, "p2"),
        ("{category}/{index}/{sample}.png", "Colors/1/0.png", DRAWBENCH, "ü"),
        ("{category}/{index}.png", "gary_marcus_et_al/0.png", DRAWBENCH, "c-0"),
        ("{index:05d}.jpg", "00002.jpg", DRAWBENCH, "ü"),
        # Without prompts an id in the name is all there is.
        ("{prompt_id}.png", "007.png", None, "007"),
        ("{coco_id}.png", "007.png", None, "7"),
        # Whose prompts have no categories cannot be told by them.
        ("{category}/{caption_id}.png", "anything/700.png", COCO, "p1"),
    ],
)
def test_a_name_tells_its_prompt(pattern: str, name: str, prompts: PromptSet | None, identity: str) -> None:
    assert found(pattern, name, prompts) == identity


def test_numbers_with_a_width_are_numbers() -> None:
    prompts = PromptSet(name="n", prompts=(Prompt(id="521669", text="x"), Prompt(id="0007", text="y")))
    assert found("{prompt_id:012d}.png", "000000521669.png", prompts) == "521669"
    assert found("{prompt_id:01d}.png", "7.png", prompts) == "0007"
    with pytest.raises(NoPromptError):
        found("{prompt_id}.png", "000000521669.png", prompts)


def test_the_exact_text_goes_before_one_that_is_alike() -> None:
    prompts = PromptSet(name="n", prompts=(Prompt(id="1", text="a cat!"), Prompt(id="2", text="A cat")))
    assert found("{prompt}.png", "a cat!.png", prompts) == "1"
    assert found("{prompt}.png", "A cat.png", prompts) == "2"
    with pytest.raises(ValueError, match=r"cannot tell the prompts '1' and '2' apart in 'a_cat\.png'"):
        found("{prompt}.png", "a_cat.png", prompts)


def test_positions_count_from_where_they_are_said_to() -> None:
    assert found("{index}.jpg", "1.jpg", DRAWBENCH, first_index=1) == "b"
    assert found("{category}/{index}.jpg", "Colors/2.jpg", DRAWBENCH, first_index=1) == "ü"
    with pytest.raises(NoPromptError, match=r"'0\.jpg' is number 0, counted from 1, of 4 prompts$"):
        found("{index}.jpg", "0.jpg", DRAWBENCH, first_index=1)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [("{coco_id}.png", "7.png"), ("{prompt}.png", "A dog.png"), ("{prompt:.3}.png", "A d.png")],
)
def test_a_name_that_tells_two_prompts_is_refused(pattern: str, name: str) -> None:
    with pytest.raises(ValueError, match=r"cannot tell the prompts 'p\d' and 'p\d' apart") as caught:
        found(pattern, name, COCO)
    assert not isinstance(caught.value, NoPromptError)


@pytest.mark.parametrize(
    ("pattern", "name", "prompts", "message"),
    [
        (
            "{coco_id}.png",
            "43.png",
            COCO,
            r"'43\.png' names the coco_id '43', which is not among the 4 prompts",
        ),
        (
            "{caption_id}_{coco_id}.png",
            "700_7.png",
            COCO,
            r"coco_id '7', which is not that of the prompt that",
        ),
        (
            "{category}/{prompt_id}.png",
            "Counting/b.png",
            DRAWBENCH,
            r"category 'Counting', which is not that",
        ),
        ("{prompt}.png", "A horse.png", COCO, r"names the prompt 'A horse', which is not among"),
        (
            "{category}/{index}.png",
            "Colors/2.png",
            DRAWBENCH,
            r"is number 2, .* of 2 prompts in .* 'Colors'; model",
        ),
        (
            "{category}/{index}.png",
            "Colors/3.png",
            DRAWBENCH,
            r"is number 3, .* of 2 prompts in .* 'Colors'$",
        ),
    ],
)
def test_an_image_of_no_prompt_is_told_from_the_others(
    pattern: str, name: str, prompts: PromptSet, message: str
) -> None:
    with pytest.raises(NoPromptError, match=message):
        found(pattern, name, prompts)


@pytest.mark.parametrize(
    ("pattern", "prompts", "message"),
    [
        ("{category}.png", DRAWBENCH, r"does not tell which prompt an image shows; it needs \{prompt_id\}"),
        ("{seed}.png", DRAWBENCH, r"does not tell which prompt an image shows; it needs \{prompt_id\}"),
        ("b.png", DRAWBENCH, r"does not tell which prompt an image shows; it needs \{prompt_id\}"),
        ("{index}.png", None, r"without prompts; it needs \{prompt_id\}, or choose prompts="),
        ("{prompt}.png", None, r"without prompts; it needs \{prompt_id\}, or choose prompts="),
        (
            "{coco_id}.png",
            DRAWBENCH,
            r"\{coco_id\} in .* needs prompts that have one, and drawbench has none",
        ),
        (
            "{category}/{index}.png",
            COCO,
            r"\{category\} in .* needs prompts that have one, and coco has none",
        ),
    ],
)
def test_a_pattern_that_tells_no_prompt_of_these_is_refused(
    pattern: str, prompts: PromptSet | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        finder(parse_pattern(pattern), prompts)
    assert str(caught.value).startswith("model.pattern: ")
