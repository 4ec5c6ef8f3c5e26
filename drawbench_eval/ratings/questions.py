"""What was asked, and how its answers are written: questions, choices, controls and rankings of a layout."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from drawbench_eval.ratings.schema import ALIGNMENT_LEVELS, FORM_OF_KIND, QuestionKind


@dataclass(frozen=True, kw_only=True)
class Word:
    """A value that is written as a word. Words are compared without regard to case."""

    written: str
    value: float


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question of the file; a `name` of None stands for every question that is not named.

    `written`: what the file calls it, None for its name. `levels`: the values an ordinal answer can have, in
    order, None for any number. `words`: answers written as words; where there are none, answers are numbers.
    `reference`: what a realism question calls its reference among the models.
    """

    name: str | None
    written: str | None
    kind: QuestionKind
    levels: tuple[float, ...] | None
    words: tuple[Word, ...]
    reference: str | None

    def __post_init__(self) -> None:
        if self.name is None and self.written is not None:
            raise ValueError(f"written: {self.written!r} for questions without a name; write null")
        if self.levels is not None and (self.kind != "ordinal" or len(set(self.levels)) < 2):
            raise ValueError(
                f"levels: {list(self.levels)}; they are two or more values of an ordinal question, "
                "null otherwise"
            )
        if self.words and FORM_OF_KIND[self.kind] != "pointwise":
            raise ValueError(f"words: {len(self.words)} for a {self.kind} question; write []")
        refuse_repeats("words", [word.written for word in self.words])
        values = self.allowed
        for word in self.words:
            if values is not None and word.value not in values:
                raise ValueError(f"words: {word.written!r} has the value {word.value:g}, which is no level")
        if (self.reference is not None) != (self.kind == "realism"):
            raise ValueError(
                f"reference: {self.reference!r} for a {self.kind} question; realism questions "
                "name the reference, others say null"
            )

    @property
    def allowed(self) -> tuple[float, ...] | None:
        """The values that an answer can have; None for any."""
        return ALIGNMENT_LEVELS if self.kind == "alignment" else self.levels


@dataclass(frozen=True, kw_only=True)
class Choices:
    """How choices are written: the words for a, for indifferent and for b, compared without regard to case.

    `refers_to`: `models`, where the words of `a` and `b` mean model_a and model_b; `sides`, where they mean
    the left and the right one as displayed; `names`, where the chosen model's name is written and `a` and `b`
    are empty.
    `left`: whether displayed_left is written in the words `left_a`, `left_b`, or as a model's `names`.
    """

    a: tuple[str, ...]
    indifferent: tuple[str, ...]
    b: tuple[str, ...]
    refers_to: Literal["models", "sides", "names"]
    left: Literal["words", "names"]
    left_a: tuple[str, ...]
    left_b: tuple[str, ...]

    def __post_init__(self) -> None:
        refuse_repeats("a", [*self.a, *self.indifferent, *self.b])
        refuse_repeats("left_a", [*self.left_a, *self.left_b])
        if (self.a or self.b) if self.refers_to == "names" else not (self.a and self.b):
            raise ValueError(
                f"a: {list(self.a)} and b: {list(self.b)}; both are words of choices, or empty "
                "where the model's name is written"
            )


@dataclass(frozen=True, kw_only=True)
class Controls:
    """The words of is_control. Without that column, the rows with a control answer are the controls."""

    control: tuple[str, ...]
    judgement: tuple[str, ...]

    def __post_init__(self) -> None:
        refuse_repeats("control", [*self.control, *self.judgement])


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """Rankings, turned into all their pairs; equal ranks are indifferent.

    `written`: `columns`, a rank in the column of each model; `rows`, a model and its rank in each row;
    `text`, a cell such as `A > B = C` with the marks `above` and `equal`. `best`: which rank wins, None for
    text.
    """

    written: Literal["columns", "rows", "text"]
    best: Literal["lowest", "highest"] | None
    above: str | None
    equal: str | None

    def __post_init__(self) -> None:
        is_text = self.written == "text"
        if (self.best is None) != is_text:
            raise ValueError(
                f"best: {self.best} for rankings in {self.written}; write lowest or highest for "
                "ranks, null for text"
            )
        if not (bool(self.above) == bool(self.equal) == is_text) or (is_text and self.above == self.equal):
            raise ValueError(
                f"above: {self.above!r} and equal: {self.equal!r} for rankings in {self.written}; "
                "text needs two marks, ranks none"
            )


def refuse_repeats(key: str, words: Iterable[str]) -> None:
    """Raises ValueError, opening with the key, for a word that stands twice, whatever its case."""
    seen: set[str] = set()
    for word in words:
        if word.casefold() in seen:
            raise ValueError(f"{key}: {word!r} stands twice; each word has one meaning")
        seen.add(word.casefold())
