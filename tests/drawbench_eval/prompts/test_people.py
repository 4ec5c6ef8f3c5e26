import pytest

from drawbench_eval.prompts.people import WORDS, words_for_people

# The words as PAPER says that they are printed; "(sport) player" is taken as "player".
PRINTED = (
    "man, men, woman, women, person, people, child, adult, adults, boy, boys, girl, girls, guy, lady, "
    "ladies, someone, toddler, player, workers, spectators"
)


def test_the_words_are_the_printed_ones() -> None:
    assert ", ".join(WORDS) == PRINTED


@pytest.mark.parametrize("word", WORDS)
def test_each_word_counts(word: str) -> None:
    assert words_for_people(f"A {word.upper()}, on a bench") == [word]


@pytest.mark.parametrize(
    "text",
    [
        "A group of children and kids",
        "many mandarins",
        "a human hand",
        "persons",
        "a policeman",
        "worker",
        "",
    ],
)
def test_what_is_not_on_the_list_stays(text: str) -> None:
    assert words_for_people(text) == []


def test_a_word_ends_at_any_sign() -> None:
    assert words_for_people("a man's hat\nman-made; Woman.") == ["man", "man", "woman"]
