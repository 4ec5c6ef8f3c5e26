"""Prompts and images -> the batches of a survey: trials dealt out, controls interleaved, sides balanced."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from drawbench_eval.files import stable_seed
from drawbench_eval.ratings.survey.choose import REFERENCE, Entry, LeftOut, Pair, choose_pairs
from drawbench_eval.ratings.survey.controls import control_trial, shown_side
from drawbench_eval.ratings.survey.trials import Batch, Survey, Trial
from drawbench_eval.ratings.survey.words import WORDINGS, QuestionName, Wording


@dataclass(frozen=True, kw_only=True)
class SurveySettings:
    """What is asked, and of how many.

    `num_prompts`: so many are drawn; None takes all. `batch_size`: judgements in a batch at most, controls
    not counted. `baseline`: only pairs with this set. `pairs_per_prompt`: so many at most; None compares all.
    `incomplete`: whether an image that is missing or cannot be shown stops everything, or costs its prompt.
    """

    questions: tuple[QuestionName, ...]
    images_per_set: int
    num_prompts: int | None
    batch_size: int
    controls_per_batch: int
    baseline: str | None
    pairs_per_prompt: int | None
    incomplete: Literal["refuse", "leave_out"]
    seed: int

    def __post_init__(self) -> None:
        if not self.questions or len(set(self.questions)) != len(self.questions):
            raise ValueError(
                f"questions: {list(self.questions)}; choose some of {', '.join(WORDINGS)}, each once"
            )
        for name, least in (("images_per_set", 1), ("batch_size", 1), ("controls_per_batch", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name}: {getattr(self, name)} is not at least {least}")
        for name in ("num_prompts", "pairs_per_prompt"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: {value} is not at least 1; write null for all")

    @property
    def shows_sets(self) -> bool:
        """Whether any question compares sets of images."""
        return any(WORDINGS[name].shows == "sets" for name in self.questions)

    @property
    def num_shown(self) -> int:
        """How many images of a prompt each model needs."""
        return self.images_per_set if self.shows_sets else 1


def plan_survey(
    entries: Sequence[Entry],
    names: Sequence[str],
    settings: SurveySettings,
    *,
    set_side: int,
    single_side: int,
    left_out: Sequence[LeftOut],
) -> Survey:
    """The survey: the same for the same entries, names and settings, in any order of prompts.

    `names` are the models'. Images in sets have `set_side` pixels along their longer side at most, others
    `single_side`. Raises ValueError where there is nothing to ask.
    """
    if not entries:
        raise ValueError("prompts: none can be shown; each needs enough images in every set")
    pairs: Mapping[str, tuple[Pair, ...]] = {}
    if settings.shows_sets:
        pairs = choose_pairs(
            [entry.prompt.id for entry in entries],
            names,
            baseline=settings.baseline,
            per_prompt=settings.pairs_per_prompt,
            seed=settings.seed,
        )
    batches: list[Batch] = []
    for name in settings.questions:
        wording = WORDINGS[name]
        max_side = set_side if wording.shows == "sets" else single_side
        trials = [
            trial for entry in entries for trial in _trials(wording, entry, names, pairs, max_side=max_side)
        ]
        _check_captions(wording, trials)
        for judged in _deal(trials, settings.batch_size, settings.seed):
            number = len(batches) + 1
            controls = [
                control_trial(
                    wording,
                    entries,
                    names,
                    len(batches) * settings.controls_per_batch + index,
                    seed=settings.seed,
                    max_side=max_side,
                )
                for index in range(settings.controls_per_batch)
            ]
            _check_distinct(controls, len(entries))
            blocks = _interleave(judged, controls, settings.seed)
            batches.append(Batch(number=number, wording=wording, blocks=blocks))
    return Survey(batches=_with_sides(batches, settings.seed), left_out=tuple(left_out))


def _trials(
    wording: Wording,
    entry: Entry,
    names: Sequence[str],
    pairs: Mapping[str, tuple[Pair, ...]],
    *,
    max_side: int,
) -> Iterable[Trial]:
    """The judgements of one prompt: sets in pairs, each model against the reference, or each image alone."""
    together: list[tuple[str, ...]]
    if wording.shows == "sets":
        together = list(pairs[entry.prompt.id])
    elif wording.shows == "images":
        together = [(name, REFERENCE) for name in names]
    else:
        together = [(name,) for name in (*names, REFERENCE) if name in entry.samples]
    for models in together:
        sides = tuple(shown_side(entry, model, wording, max_side) for model in models)
        yield Trial(wording=wording, prompt=entry.prompt, sides=sides, left=None, control_answer=None)


def _check_captions(wording: Wording, trials: Iterable[Trial]) -> None:
    for trial in trials:
        if wording.reads_caption and not trial.prompt.text.strip():
            raise ValueError(
                f"prompts: prompt {trial.prompt.id!r} has no text, and {wording.name} asks about it; "
                "write prompts=... or a manifest with prompts"
            )


def _check_distinct(controls: Sequence[Trial], num_prompts: int) -> None:
    if len({control.code for control in controls}) < len(controls):
        raise ValueError(
            f"controls_per_batch: {len(controls)} unlike ones cannot be made of {num_prompts} prompts; "
            "write a smaller number"
        )


def _deal(trials: Sequence[Trial], batch_size: int, seed: int) -> list[list[Trial]]:
    """Batches of nearly equal size. Trials of one prompt go to different batches where there are enough."""
    num_batches = math.ceil(len(trials) / batch_size)
    mixed = sorted(
        trials,
        key=lambda trial: (stable_seed(seed, "deal", trial.wording.name, trial.prompt.id), trial.code),
    )
    batches: list[list[Trial]] = [[] for _ in range(num_batches)]
    for index, trial in enumerate(mixed):
        batches[index % num_batches].append(trial)
    return [sorted(batch, key=lambda trial: stable_seed(seed, "order", trial.code)) for batch in batches]


def _interleave(
    judged: Sequence[Trial], controls: Sequence[Trial], seed: int
) -> tuple[tuple[Trial, ...], ...]:
    """As many blocks as controls, of nearly equal size, each with one control at a place by the seed."""
    if not controls:
        return (tuple(judged),)
    edges = [round(index * len(judged) / len(controls)) for index in range(len(controls) + 1)]
    blocks = []
    for index, control in enumerate(controls):
        block = list(judged[edges[index] : edges[index + 1]])
        block.insert(stable_seed(seed, "place", index, control.code) % (len(block) + 1), control)
        blocks.append(tuple(block))
    return tuple(blocks)


def _with_sides(batches: Sequence[Batch], seed: int) -> tuple[Batch, ...]:
    """Each pair of models is left as often as right, to within one, over the survey and in each batch."""
    groups: dict[tuple[str, ...], list[tuple[int, int, str]]] = {}
    for batch in batches:
        for trial in batch.trials:
            if len(trial.sides) == 2:
                group = (trial.wording.name, *(side.model for side in trial.sides))
                order = stable_seed(seed, "side", batch.number, trial.code)
                groups.setdefault(group, []).append((batch.number, order, trial.code))
    left_is_a: dict[tuple[int, str], bool] = {}
    for group, members in groups.items():
        first = stable_seed(seed, "first side", *group) % 2
        for index, (number, _, code) in enumerate(sorted(members)):
            left_is_a[number, code] = (index + first) % 2 == 0
    return tuple(
        replace(
            batch,
            blocks=tuple(tuple(_sided(trial, batch, left_is_a) for trial in block) for block in batch.blocks),
        )
        for batch in batches
    )


def _sided(trial: Trial, batch: Batch, left_is_a: Mapping[tuple[int, str], bool]) -> Trial:
    if len(trial.sides) != 2:
        return trial
    return replace(trial, left="a" if left_is_a[batch.number, trial.code] else "b")
