"""What results of ratings are computed with, chosen before anybody looks at them."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from drawbench_eval.ratings.schema import QuestionKind

Cluster = Literal["prompts", "raters"]


@dataclass(frozen=True, kw_only=True)
class OnParSettings:
    """`reference`: what photographs are called among the models of pointwise questions, None for none.

    Models are held to it within `alignment_margin` points (of 100) in questions of that kind, and within
    `margins` (by question, in its unit) in others; without a margin there is no such test.
    """

    reference: str | None
    alignment_margin: float | None
    margins: Mapping[str, Any] | None

    def __post_init__(self) -> None:
        if self.alignment_margin is not None:
            _check_margin("alignment_margin", self.alignment_margin)
        for question, margin in (self.margins or {}).items():
            _check_margin(f"margins.{question}", margin)

    def margin(self, question: str, kind: QuestionKind) -> float | None:
        """The margin of equivalence to the reference, in the question's unit."""
        own = (self.margins or {}).get(question)
        return self.alignment_margin if own is None and kind == "alignment" else own


@dataclass(frozen=True, kw_only=True)
class ResultSettings:
    """`clusters`: what errors allow for; a kind that the ratings do not name is left out by itself.

    `first`: the model that stands first in each of its pairs; None for the order of names.
    `families`: name -> questions whose tests are adjusted together by Holm; None makes each question its own
    family; a question in no family is tested without adjustment and said to be exploratory.
    """

    clusters: tuple[Cluster, ...]
    first: str | None
    on_par: OnParSettings
    families: Mapping[str, Any] | None
    alpha: float
    seed: int
    num_draws: int

    def __post_init__(self) -> None:
        if not self.clusters:
            raise ValueError("clusters: empty; write [prompts, raters], or one of them")
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"alpha: {self.alpha:g} does not lie between 0 and 0.5")
        if self.seed < 0:
            raise ValueError(f"seed: {self.seed} is below 0")
        if self.num_draws < 100:
            raise ValueError(f"num_draws: {self.num_draws} are too few for an interval; write 100 or more")
        named: list[str] = []
        for name, questions in (self.families or {}).items():
            if isinstance(questions, str) or not isinstance(questions, list | tuple):
                raise ValueError(f"families.{name}: {questions} is not a list of questions")
            named += questions
        for question in named:
            if named.count(question) > 1:
                raise ValueError(f"families: {question} is named twice; a question is in one family")

    def family(self, question: str) -> str | None:
        """The name of the family that the question's tests belong to; None where they are exploratory."""
        if self.families is None:
            return question
        found = (name for name, questions in self.families.items() if question in questions)
        return next(found, None)

    def check_questions(self, questions: list[str]) -> None:
        """Raises ValueError for a question of `families` or `margins` that the ratings do not have."""
        families = {question for group in (self.families or {}).values() for question in group}
        for key, named in (("families", families), ("on_par.margins", set(self.on_par.margins or {}))):
            for question in sorted(named - set(questions)):
                raise ValueError(
                    f"{key}: {question} is none of the questions in these ratings: {', '.join(questions)}"
                )


def _check_margin(name: str, margin: object) -> None:
    if (
        isinstance(margin, bool)
        or not isinstance(margin, int | float)
        or not (math.isfinite(margin) and margin > 0)
    ):
        raise ValueError(f"{name}: {margin} is not above 0, in the question's unit")
