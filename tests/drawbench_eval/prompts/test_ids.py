import hashlib

from hypothesis import given
from hypothesis import strategies as st

from drawbench_eval.prompts.ids import text_ids

ROWS = st.lists(st.tuples(st.sampled_from(["a cat", "a dog", "ä", "a  cat ", ""]), st.sampled_from("xy")))


def test_an_id_is_the_hash_of_the_text() -> None:
    expected = f"text-{hashlib.sha256(b'a red colored car.').hexdigest()[:12]}"
    assert text_ids(["a red colored car."], [""]) == [expected]


def test_white_space_and_composition_of_letters_make_no_difference() -> None:
    ids = {text_ids([text], [""])[0] for text in ("é cat", "e\u0301 cat", " é\r\n cat ", "é  cat\n")}
    assert len(ids) == 1
    assert text_ids(["é cat"], [""]) != text_ids(["écat"], [""])
    assert text_ids(["A cat"], [""]) != text_ids(["a cat"], [""])


def test_repeats_are_counted_through_the_categories() -> None:
    texts, categories = ["cat", "dog", "cat", "cat", "dog"], ["y", "x", "x", "x", "x"]
    cat, dog = text_ids(["cat"], [""])[0], text_ids(["dog"], [""])[0]
    assert text_ids(texts, categories) == [f"{cat}-3", dog, cat, f"{cat}-2", f"{dog}-2"]


@given(ROWS, st.randoms(use_true_random=False))
def test_ids_are_unique_and_follow_their_row_through_any_order(rows: list[tuple[str, str]], random) -> None:  # type: ignore[no-untyped-def]
    def named(order: list[tuple[str, str]]) -> list[tuple[str, str, str]]:
        ids = text_ids([text for text, _ in order], [category for _, category in order])
        assert len(set(ids)) == len(ids)
        # Texts of one id and category are one prompt, whatever white space a row has.
        return sorted(
            (identity, " ".join(text.split()), category)
            for identity, (text, category) in zip(ids, order, strict=True)
        )

    shuffled = list(rows)
    random.shuffle(shuffled)
    assert named(shuffled) == named(rows)
