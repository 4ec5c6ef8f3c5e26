"""What raters are shown: images, sides, trials and batches, under codes that say nothing of models."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from drawbench_eval.files import digest
from drawbench_eval.prompt import Prompt
from drawbench_eval.ratings.survey.choose import LeftOut
from drawbench_eval.ratings.survey.words import Wording
from drawbench_eval.samples import Sample

SideName = Literal["a", "b"]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One image as it is shown: whose sample, how many pixels its longer side has at most, spoilt or not."""

    contestant: str
    sample: Sample
    max_side: int
    spoilt: bool = False

    @cached_property
    def code(self) -> str:
        """12 hex digits, which also name its file."""
        sample = self.sample
        about = [self.contestant, sample.sample_id, sample.sha256, self.max_side, self.spoilt]
        return digest(about)[:12]


@dataclass(frozen=True, kw_only=True)
class Side:
    """One of two sets, or the one image: the name that results bear, and what is shown."""

    model: str
    images: tuple[Shown, ...]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One question about one prompt. `sides`: a and b, or one alone.

    `left`: which of a and b stands left, or above. `control_answer`: what is right, in the words of canonical
    ratings; None for a judgement.
    """

    wording: Wording
    prompt: Prompt
    sides: tuple[Side, ...]
    left: SideName | None
    control_answer: str | None

    @cached_property
    def code(self) -> str:
        """12 hex digits that stand for the trial in pages and answers, whichever side is left."""
        sides = [[side.model, [image.code for image in side.images]] for side in self.sides]
        return digest([self.wording.name, self.prompt.id, self.prompt.text, sides, self.control_answer])[:12]

    @property
    def displayed(self) -> tuple[Side, ...]:
        """The sides as they stand, left first."""
        return self.sides[::-1] if self.left == "b" else self.sides


@dataclass(frozen=True, kw_only=True)
class Batch:
    """What one rater answers in one go: one question, its trials in blocks, each with at most one control.

    Whoever shuffles the blocks, and the trials within each, keeps the controls spread.
    """

    number: int
    wording: Wording
    blocks: tuple[tuple[Trial, ...], ...]

    @cached_property
    def id(self) -> str:
        """The question, the number, and a hash of what is shown: another survey's batch is another id."""
        content = [[trial.code, trial.left] for trial in self.trials]
        return f"{self.wording.name}-{self.number:02d}-{digest(content)[:8]}"

    @property
    def trials(self) -> tuple[Trial, ...]:
        """All of them, in order."""
        return tuple(trial for block in self.blocks for trial in block)

    @property
    def num_controls(self) -> int:
        """How many of the trials are controls."""
        return sum(trial.control_answer is not None for trial in self.trials)


@dataclass(frozen=True, kw_only=True)
class Survey:
    """All batches, and the prompts that could not be shown."""

    batches: tuple[Batch, ...]
    left_out: tuple[LeftOut, ...]

    @property
    def trials(self) -> Iterator[Trial]:
        """Those of all batches."""
        return (trial for batch in self.batches for trial in batch.trials)

    @property
    def images(self) -> tuple[Shown, ...]:
        """Every image that is shown, once."""
        found = {image.code: image for trial in self.trials for side in trial.sides for image in side.images}
        return tuple(found.values())
