"""An ablation in sentences, each made from its numbers and never written by hand."""

from __future__ import annotations

import math

from drawbench_eval.analysis.ablation import FRONT, Ablation, AblationEffect
from drawbench_eval.analysis.compare_words import p_in_words
from drawbench_eval.analysis.findings import decimals, in_words
from drawbench_eval.analysis.measures import measure

CHECKPOINTS = (
    "Intervals carry the sampling of prompts and seeds only: they are about these checkpoints, and another "
    "training of the same levels would differ by more than they say."
)


def measure_name(name: str) -> str:
    """'scenes CLIP score', or for the front 'front of scenes CLIP score'."""
    if name.startswith(f"{FRONT}, "):
        return f"front against {measure(name.removeprefix(f'{FRONT}, ')).short}"
    return measure(name).short


def finding(ablation: Ablation, level: str) -> str:
    """The one sentence that the numbers support about a level against the baseline."""
    effects = [effect for effect in ablation.effects if effect.level == level]
    alpha = ablation.plan.alpha
    better = [_in_short(effect) for effect in effects if effect.resolved(alpha) and effect.better]
    worse = [_in_short(effect) for effect in effects if effect.resolved(alpha) and not effect.better]
    unresolved = [_unresolved(effect) for effect in effects if not effect.resolved(alpha)]
    parts = []
    if better:
        parts.append(f"better than {ablation.baseline} in {_listed(better)}")
    if worse:
        parts.append(f"worse {'' if better else f'than {ablation.baseline} '}in {_listed(worse)}")
    n = max((effect.estimate.n for effect in effects), default=0)
    if unresolved and parts:
        parts.append(f"not told apart in {_listed(unresolved)} (not resolved at n = {n})")
    elif unresolved:
        parts.append(
            f"not told apart from {ablation.baseline} in {_listed(unresolved)} (not resolved at n = {n})"
        )
    where = f" ({ablation.context})" if ablation.context else ""
    return f"{level}{where} is {'; '.join(parts)}."


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
    least = f"{effect.detectable:.{decimals(effect.detectable, None)}f}"
    return f"{name} (a difference of {least} would have been found)"


def _listed(items: list[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"
