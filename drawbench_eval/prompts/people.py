"""The "no people" subset of COCO captions (Imagen, Table 2)."""

import re

# As printed. "children" and "kids" are not on the list. The paper prints "(sport) player": every player is
# taken for one, an assumption.
WORDS = (
    "man",
    "men",
    "woman",
    "women",
    "person",
    "people",
    "child",
    "adult",
    "adults",
    "boy",
    "boys",
    "girl",
    "girls",
    "guy",
    "lady",
    "ladies",
    "someone",
    "toddler",
    "player",
    "workers",
    "spectators",
)

_WORD = re.compile(rf"\b(?:{'|'.join(WORDS)})\b", re.IGNORECASE)


def words_for_people(text: str) -> list[str]:
    """The words of the list in `text`, in order, in lower case; empty for a prompt of the subset.

    Whole words count, in upper and lower case ("Man-made" has one, "manly" none): an assumption, the paper
    prints the words only.
    """
    return [word.lower() for word in _WORD.findall(text)]
