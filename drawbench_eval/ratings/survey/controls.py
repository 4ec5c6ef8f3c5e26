"""Control questions: trials with an answer that no attentive rater misses.

The paper interleaves them and keeps raters with at least 80 % of them right (Imagen, section 4); it does not
say what they show. Ours are: for quality, a set beside the same set spoilt; for photorealism, a photograph
beside the same one spoilt; for alignment, images of the caption beside, or in place of, images of a caption
that has the fewest words in common with it. The last take a model's own images, so they are only as certain
as the model is good; the reference's are taken where there are any.
"""

import re
from collections.abc import Sequence
from dataclasses import replace

from drawbench_eval.files import stable_seed
from drawbench_eval.prompt import Prompt
from drawbench_eval.ratings.survey.choose import CONTROL, REFERENCE, Entry
from drawbench_eval.ratings.survey.trials import Shown, Side, Trial
from drawbench_eval.ratings.survey.words import Wording

_WORD = re.compile(r"\w{3,}")


def control_trial(
    wording: Wording, entries: Sequence[Entry], names: Sequence[str], number: int, *, seed: int, max_side: int
) -> Trial:
    """The control with this number: prompts and models take turns. Which side is left is not decided yet.

    Raises ValueError where a caption is needed that differs and there is none.
    """
    ordered = sorted(entries, key=lambda one: stable_seed(seed, "control", wording.name, one.prompt.id))
    entry = ordered[number % len(ordered)]
    model = names[(number + number // len(ordered)) % len(names)]
    control_answer = "a"
    sides: tuple[Side, ...]
    if wording.name == "fidelity":
        true = shown_side(entry, model, wording, max_side)
        sides = (true, _spoilt(true))
    elif wording.name == "photorealism":
        true = shown_side(entry, REFERENCE, wording, max_side)
        sides, control_answer = (_spoilt(true), true), "b"
    elif wording.name == "alignment":
        other = shown_side(_unlike(entry, ordered), model, wording, max_side)
        sides = (shown_side(entry, model, wording, max_side), replace(other, model=CONTROL))
    else:
        source = REFERENCE if REFERENCE in entry.samples else model
        sides, control_answer = (shown_side(_unlike(entry, ordered), source, wording, max_side),), "0"
    return Trial(wording=wording, prompt=entry.prompt, sides=sides, left=None, control_answer=control_answer)


def shown_side(entry: Entry, name: str, wording: Wording, max_side: int) -> Side:
    """A contestant's set of images, or the first of them where the question shows one."""
    samples = entry.samples[name] if wording.shows == "sets" else entry.samples[name][:1]
    return Side(
        model=name,
        images=tuple(Shown(contestant=name, sample=one, max_side=max_side) for one in samples),
    )


def _spoilt(side: Side) -> Side:
    return Side(model=CONTROL, images=tuple(replace(image, spoilt=True) for image in side.images))


def _unlike(entry: Entry, others: Sequence[Entry]) -> Entry:
    """The entry whose caption has the fewest words in common with this one's, the nearest in order."""
    at = next(index for index, other in enumerate(others) if other is entry)
    after = [*others[at + 1 :], *others[:at]]
    differing = [other for other in after if _words(other.prompt) != _words(entry.prompt)]
    if not differing:
        raise ValueError(
            f"controls: prompt {entry.prompt.id!r} needs another with unlike words for a control question; "
            "write controls_per_batch=0"
        )
    return min(differing, key=lambda other: len(_words(other.prompt) & _words(entry.prompt)))


def _words(prompt: Prompt) -> frozenset[str]:
    return frozenset(_WORD.findall(prompt.text.casefold()))
