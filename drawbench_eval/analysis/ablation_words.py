"""An ablation in sentences, each made from its numbers and never written by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

from drawbench_eval.analysis.ablation import FRONT, Ablation, AblationEffect
from drawbench_eval.analysis.compare_words import p_in_words
from drawbench_eval.analysis.findings import FEW_PROMPTS, constant_in_words, in_series, in_words
from drawbench_eval.analysis.measures import measure

CHECKPOINTS = (
    "Intervals carry the sampling of prompts and seeds only: they are about these checkpoints, and another "
    "training of the same levels would differ by more than they say."
)

_TOO_FEW = "too few prompts"


def factor_name(factor: str) -> str:
    """'text encoder' for model.text_encoder."""
    return factor.removeprefix("model.").replace("_", " ").replace(".", " ")


def measure_name(name: str) -> str:
    """'scenes CLIP score', or for the front 'front of scenes CLIP score'."""
    if name.startswith(f"{FRONT}, "):
        return f"front against {measure(name.removeprefix(f'{FRONT}, ')).short}"
    return measure(name).short


def finding(ablation: Ablation, level: str) -> str:
    """The one sentence that the numbers support about a level against the baseline."""
    effects = _of(ablation, level)
    unresolved = [_unresolved(effect) for effect in _open(ablation, effects)]
    parts = _resolved(ablation, effects)
    equal = [measure_name(effect.measure) for effect in effects if effect.estimate.is_zero]
    if equal:
        parts.append(f"equal to {ablation.baseline} in {in_series(equal)} (0 throughout: nothing to test)")
    apart = [
        f"{measure_name(effect.measure)} by {constant_in_words(effect.estimate)}"
        for effect in effects
        if effect.estimate.is_constant and not effect.estimate.is_zero
    ]
    if apart:
        parts.append(f"apart from {ablation.baseline} in {in_series(apart)} (no spread: no test)")
    if unresolved:
        against = "" if parts else f" from {ablation.baseline}"
        n = max(effect.estimate.n for effect in effects)
        parts.append(f"not told apart{against} in {in_series(unresolved)} (not resolved at n = {n})")
    parts += _too_few(ablation, effects)
    return f"{_subject(ablation, level)} is {'; '.join(parts)}."


def short_finding(ablation: Ablation, level: str) -> str:
    """The same for a summary: what is resolved, and how much is not."""
    effects = _of(ablation, level)
    parts = _resolved(ablation, effects)
    n = max(effect.estimate.n for effect in effects)
    num_open = len(_open(ablation, effects))
    num_equal = sum(effect.estimate.is_zero for effect in effects)
    num_apart = sum(effect.estimate.is_constant for effect in effects) - num_equal
    of = f"{len(effects)} measure{'s' if len(effects) > 1 else ''}"
    if num_equal:
        parts.append(f"equal to {ablation.baseline} in {num_equal} of {of}")
    if num_apart:
        parts.append(
            f"apart from {ablation.baseline} by the same throughout, untested, in {num_apart} of {of}"
        )
    if not parts and num_open:
        parts = [f"not told apart from {ablation.baseline} in any of {len(effects)} measures (n = {n})"]
    elif num_open:
        parts.append(f"{num_open} of {len(effects)} measures are not resolved at n = {n}")
    parts += _too_few(ablation, effects)
    return f"{_subject(ablation, level)} is {'; '.join(parts)}."


def verdict(effect: AblationEffect, alpha: float) -> str:
    """'better', 'worse', 'not resolved', 'equal' on every prompt, or why there is no test: 'not tested' for
    want of spread, 'too few prompts'.
    """
    if effect.estimate.is_constant:
        return "equal" if effect.estimate.is_zero else "not tested"
    if math.isnan(effect.p) and effect.estimate.num_prompts < FEW_PROMPTS:
        return _TOO_FEW
    if not effect.resolved(alpha):
        return "not resolved"
    return "better" if effect.better else "worse"


def _open(ablation: Ablation, effects: Sequence[AblationEffect]) -> list[AblationEffect]:
    return [one for one in effects if verdict(one, ablation.plan.alpha) == "not resolved"]


def _too_few(ablation: Ablation, effects: Sequence[AblationEffect]) -> list[str]:
    """'untested against none in ... (too few prompts)', where there is something."""
    names = [measure_name(one.measure) for one in effects if verdict(one, ablation.plan.alpha) == _TOO_FEW]
    return [f"untested against {ablation.baseline} in {in_series(names)} ({_TOO_FEW})"] if names else []


def _of(ablation: Ablation, level: str) -> list[AblationEffect]:
    return [effect for effect in ablation.effects if effect.level == level]


def _subject(ablation: Ablation, level: str) -> str:
    """'Text encoder t5_small', with what sets the block apart."""
    name = factor_name(ablation.plan.factor)
    where = f" ({ablation.context})" if ablation.context else ""
    return f"{name[:1].upper()}{name[1:]} {level}{where}"


def _resolved(ablation: Ablation, effects: Sequence[AblationEffect]) -> list[str]:
    """'better than none in FID by ...' and 'worse in ...', where there is something."""
    found = [effect for effect in effects if effect.resolved(ablation.plan.alpha)]
    parts: list[str] = []
    for way, own in (
        ("better", [effect for effect in found if effect.better]),
        ("worse", [effect for effect in found if not effect.better]),
    ):
        if own:
            against = "" if parts else f" than {ablation.baseline}"
            parts.append(f"{way}{against} in {in_series([_in_short(effect) for effect in own])}")
    return parts


def trainings(ablation: Ablation) -> str:
    """Whether the intervals carry training seeds, in a sentence."""
    if ablation.num_trainings < 2:
        return CHECKPOINTS
    return (
        f"Intervals carry prompts, seeds and the spread between {ablation.num_trainings} training runs of "
        "each level; comparisons along the front are made for single trainings only."
    )


def _in_short(effect: AblationEffect) -> str:
    return f"{measure_name(effect.measure)} by {in_words(effect.estimate)}, {p_in_words(effect.p_holm)}"


def _unresolved(effect: AblationEffect) -> str:
    """The measure, and what would have been found, where that is known."""
    name = measure_name(effect.measure)
    if math.isnan(effect.detectable):
        return name
    return f"{name} (a difference of {effect.detectable:.2g} would be found)"
