"""The questions of a survey in the paper's words (Imagen, section 4), and the answers to choose from."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from drawbench_eval.ratings.schema import FormName

QuestionName = Literal["fidelity", "alignment", "photorealism", "caption"]

# What stands for the caption in a question's text.
CAPTION = "{caption}"


@dataclass(frozen=True, kw_only=True)
class Option:
    """One answer. `answer`: left, indifferent or right as displayed, or the value of a pointwise rating."""

    answer: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Wording:
    """How one question is asked.

    `question`: its name in canonical ratings. `shows`: two sets of images, two images, or one image above its
    caption. `sides`: what the left and the right one are called.
    """

    name: QuestionName
    question: str
    form: FormName
    shows: Literal["sets", "images", "one"]
    text: str
    sides: tuple[str, ...]
    options: tuple[Option, ...]

    @property
    def reads_caption(self) -> bool:
        """Whether raters see the prompt."""
        return self.shows == "one" or CAPTION in self.text

    def asked(self, caption: str) -> str:
        """The question as one text, the caption in its place."""
        return self.text.replace(CAPTION, caption)


_SETS = ("Set A", "Set B")
_PREFERENCES = (
    Option(answer="left", label="I prefer set A"),
    Option(answer="indifferent", label="I am indifferent"),
    Option(answer="right", label="I prefer set B"),
)

WORDINGS: Mapping[QuestionName, Wording] = {
    "fidelity": Wording(
        name="fidelity",
        question="fidelity",
        form="pairwise",
        shows="sets",
        text="Which set of images is of higher quality?",
        sides=_SETS,
        options=_PREFERENCES,
    ),
    "alignment": Wording(
        name="alignment",
        question="alignment",
        form="pairwise",
        shows="sets",
        text=f"Which set of images better represents the text caption: {CAPTION}?",
        sides=_SETS,
        options=_PREFERENCES,
    ),
    "photorealism": Wording(
        name="photorealism",
        question="photorealism",
        form="pairwise",
        shows="images",
        text="Which image is more photorealistic (looks more real)?",
        sides=("Image A", "Image B"),
        options=(Option(answer="left", label="Image A"), Option(answer="right", label="Image B")),
    ),
    "caption": Wording(
        name="caption",
        question="alignment",
        form="pointwise",
        shows="one",
        text="Does the caption accurately describe the above image?",
        sides=(),
        options=(
            Option(answer="100", label="Yes"),
            Option(answer="50", label="Somewhat"),
            Option(answer="0", label="No"),
        ),
    ),
}
