import pytest

from drawbench_eval.generators.patterns import FIELDS, parse_pattern


@pytest.mark.parametrize(
    ("pattern", "name", "groups"),
    [
        ("{prompt_id}.png", "a.b (1).png", {"prompt_id": "a.b (1)"}),
        ("{prompt_id}.png", "a.png.png", {"prompt_id": "a.png"}),
        ("{prompt_id}.png", "a.PNG", {"prompt_id": "a"}),
        ("{prompt_id}.png", "a/b.png", None),
        ("{prompt_id}.png", "a.png\n", None),
        ("{prompt_id}_{index}.png", "a_1_22.png", {"prompt_id": "a_1", "index": "22"}),
        ("{prompt_id}_{index}.png", "a_1_x.png", None),
        ("{prompt_id}_{index:03d}.png", "a_0012.png", {"prompt_id": "a", "index": "0012"}),
        ("{prompt_id}_{index:03d}.png", "a_12.png", None),
        ("{seed:01d}+{prompt_id}.png", "5+a.png", {"seed": "5", "prompt_id": "a"}),
        ("{prompt_id:02d}{sample:03d}.png", "12003.png", {"prompt_id": "12", "sample": "003"}),
        ("x.{prompt_id}", "xya", None),
        ("{prompt_id}-{seed}.png", "a-١.png", None),
        ("{coco_id:012d}.jpg", "000000521669.jpg", {"coco_id": "000000521669"}),
        ("{coco_id:012d}.jpg", "521669.jpg", None),
        ("{coco_id}.jpg", "000000521669.jpg", {"coco_id": "000000521669"}),
        ("{caption_id}.jpg", "12a.jpg", None),
        ("{prompt}_{sample:06d}.png", "a_b c_000003.png", {"prompt": "a_b c", "sample": "000003"}),
        ("{prompt:.50}.png", "a red cat.png", {"prompt": "a red cat"}),
        (
            "{category}/{index}/{sample}.png",
            "Ä b/3/0.png",
            {"category": "Ä b", "index": "3", "sample": "0"},
        ),
    ],
)
def test_a_pattern_takes_a_name_apart(pattern: str, name: str, groups: dict[str, str] | None) -> None:
    assert parse_pattern(pattern).read(name) == groups


@pytest.mark.parametrize(
    ("pattern", "name", "one", "other"),
    [
        ("{prompt_id}{index}.png", "b10.png", "prompt_id is 'b'", "'b1'"),
        ("{prompt_id:02d}{sample:03d}.png", "123456.png", "prompt_id is '12'", "'123'"),
        ("{category}_{prompt_id}.png", "a_b_c.png", "category is 'a'", "'a_b'"),
        ("{seed}{sample}.png", "123.png", "seed is '1'", "'12'"),
    ],
)
def test_a_name_that_can_be_read_in_two_ways_is_refused(
    pattern: str, name: str, one: str, other: str
) -> None:
    with pytest.raises(ValueError, match=r"^model\.pattern: .* in two ways \(") as caught:
        parse_pattern(pattern).read(name)
    assert f"{one} or {other}" in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "repeats"),
    [
        ("{index:05d}.jpg", ()),
        ("{category}/{index}/{sample}.png", ("sample",)),
        ("{category}/{index}_{seed}.png", ("seed",)),
        ("{prompt_id}_{index}.png", ("index",)),
        ("{seed}/{prompt}_{index}.png", ("seed", "index")),
        ("{coco_id}.png", ()),
    ],
)
def test_the_index_tells_the_prompt_only_where_nothing_else_does(
    pattern: str, repeats: tuple[str, ...]
) -> None:
    assert parse_pattern(pattern).repeats == repeats


def test_how_much_of_a_prompt_a_name_holds() -> None:
    assert parse_pattern("{prompt:.50}.png").cut == 50
    assert parse_pattern("{prompt}.png").cut is None


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("{text}.png", r"\{text\} in '\{text\}\.png' is not known; known are \{prompt_id\}, \{caption_id\}"),
        ("{prompt-id}.png", r"\{prompt-id\} in .* is not known"),
        ("{}.png", r"\{\} in .* is not known"),
        ("{prompt_id}_{index:4}.png", r"\{index:4\} in .* is not known; .* is \{index:04d\}"),
        ("{prompt_id}_{index:x}.png", r"\{index:x\} in .* is not known"),
        ("{prompt_id:.5}.png", r"\{prompt_id:\.5\} in .* is not known"),
        ("{prompt_id}_{prompt_id}.png", r"uses a field twice \(\{prompt_id\}\)"),
    ],
)
def test_a_pattern_that_makes_no_sense_is_refused(pattern: str, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        parse_pattern(pattern)
    assert str(caught.value).startswith("model.pattern: ")


def test_every_field_is_named_in_the_message() -> None:
    with pytest.raises(ValueError, match="known are") as caught:
        parse_pattern("{x}")
    assert all(f"{{{field}}}" in str(caught.value) for field in FIELDS)
