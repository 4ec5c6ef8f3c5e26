"""One test for each kind of claim about values of a setting: effects and curves in, an answer out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import betaincinv

from drawbench_eval.analysis import guidance
from drawbench_eval.analysis.ablation import FRONT, Ablation, AblationEffect
from drawbench_eval.analysis.ablation_levels import Block
from drawbench_eval.analysis.ablation_words import factor_name
from drawbench_eval.analysis.answers import Answer
from drawbench_eval.analysis.claim import LevelClaim, Measured
from drawbench_eval.analysis.curves import Curve, has_metrics
from drawbench_eval.analysis.findings import decimals, in_words, minus, rounded
from drawbench_eval.analysis.guidance import Scores
from drawbench_eval.analysis.measures import measure
from drawbench_eval.analysis.paired import Effect, make_panel
from drawbench_eval.analysis.resampled import NUM_DRAWS, recorded
from drawbench_eval.stats.clustered import t_quantile, without_rounding

SPREAD = "diversity"
"""The metric of how far a prompt's images are apart."""

_MATCHED = "mean over the guidance weights that both have, paired by sample, t interval clustered by prompt"
_ALONG = f"distance along the front at equal alignment or better, {NUM_DRAWS} resamplings of the prompts"
_RANGE = (
    "the value at the best weight minus that at the worst, chosen on one half of the prompts and measured on "
    "the other; paired by sample, t interval clustered by prompt"
)
_CATEGORIES = "exact binomial interval (Clopper and Pearson) for the share of categories, ties left out"
_TOGETHER = "; the interval holds for {count} differences together"


@dataclass(frozen=True, kw_only=True)
class Levels:
    """What a test needs: the effects and the runs of one block, and the two measures ("" for none)."""

    ablation: Ablation
    block: Block
    scores: Scores
    alignment: str
    distance: str

    @property
    def present(self) -> frozenset[str]:
        """The levels that there are."""
        return frozenset({self.ablation.baseline, *self.ablation.levels})

    def said(self, level: str, other: str, metric: str, digits: int) -> tuple[str, str]:
        """(' (0.812)', ' (0.723)'): the recorded means of both over the weights that both have."""
        shared = [
            (run, self.block.runs[other, seed, weight])
            for (name, seed, weight), run in self.block.runs.items()
            if name == level and (other, seed, weight) in self.block.runs
        ]
        if not shared or any(not has_metrics(run, [metric]) for pair in shared for run in pair):
            return "", ""
        own, others = (float(np.mean([recorded(pair[side], metric) for pair in shared])) for side in (0, 1))
        return f" ({rounded(own, digits)})", f" ({rounded(others, digits)})"

    def effect(self, level: str, other: str, measured: str) -> AblationEffect | None:
        """`level` minus `other`, whichever of them the ablation's baseline is."""
        for first, second in ((level, other), (other, level)):
            if second == self.ablation.baseline:
                for one in self.ablation.effects:
                    if (one.level, one.measure) == (first, measured):
                        return one if first == level else _turned(one)
        return None


def at_equal_guidance(claim: LevelClaim, levels: Levels) -> Answer | None:
    """The level against the hardest other in a metric, mean over the guidance weights."""
    metric = {"distance": levels.distance, "spread": SPREAD}.get(claim.measured, levels.alignment)
    return _against_hardest(
        claim, levels, metric, "At equal guidance{} the " + measure(metric).short, _MATCHED
    )


def along_front(claim: LevelClaim, levels: Levels) -> Answer | None:
    """The level's distance along its front against the hardest other's."""
    said = f"Along the front against {measure(levels.alignment).short} the {measure(levels.distance).short}"
    return _against_hardest(claim, levels, f"{FRONT}, {levels.alignment}", said, _ALONG)


def _against_hardest(
    claim: LevelClaim, levels: Levels, measured: str, said: str, method: str
) -> Answer | None:
    """The level against each other one; that of which the claim is least sure decides, all are told."""
    found = {
        other: one
        for other in claim.others
        if (one := levels.effect(claim.level, other, measured)) is not None
    }
    if not found:
        return None
    estimates = {other: _together(one, len(found)) for other, one in found.items()}
    other = min(estimates, key=lambda name: _certainty(estimates[name], claim.expected))
    estimate, hardest = estimates[other], found[other]
    tens = _tens(claim, other)
    rest = "".join(
        f" From {name} it differs by {in_words(one)}." for name, one in estimates.items() if name != other
    )
    own, its = levels.said(claim.level, other, measured, decimals(estimate.value, estimate.ci95))
    per_ten = f", {in_words(scaled(estimate, 1 / tens))} for each factor of ten in parameters" if tens else ""
    return Answer(
        quantity=f"{measured}, {claim.level} minus {other}",
        estimate=estimate,
        sentence=f"{said.format(_weights(hardest))} of {_subject(claim)}{own} differs from that of "
        f"{other}{its} by {in_words(estimate)}{per_ten}.{rest}",
        method=method + (_TOGETHER.format(count=len(found)) if len(found) > 1 else ""),
        selection="fixed",
        num_trainings=hardest.num_trainings,
        tens=tens,
    )


def range_over_weights(claim: LevelClaim, levels: Levels) -> Answer | None:
    """The range of alignment over the guidance weight: of the level minus of the other."""
    metric, (other, *_) = levels.alignment, claim.others
    sides = [levels.block.curve(level) for level in (claim.level, other)]
    curves = [curve.with_metrics([metric]) for curve in sides if curve is not None]
    shared = sorted(set.intersection(*(set(curve.weights) for curve in curves))) if len(curves) == 2 else []
    if len(shared) < 2:
        return None
    first, second = curves
    estimate, own, others = guidance.difference_of_ranges(first, second, shared, levels.scores, metric)
    return Answer(
        quantity=f"range of {metric} over w = {shared[0]:g} to {shared[-1]:g}, {claim.level} minus {other}",
        estimate=estimate,
        sentence=f"Between its best and its worst weight (of w = {shared[0]:g} to {shared[-1]:g}) the "
        f"{measure(metric).short} of {_subject(claim)} differs by {minus(f'{own:.3f}')} "
        f"({_best(first, shared, metric)}) and that of {other} by {minus(f'{others:.3f}')} "
        f"({_best(second, shared, metric)}): wider by {in_words(estimate)}.",
        method=_RANGE,
        selection="split",
    )


def by_category(claim: LevelClaim, levels: Levels) -> Answer | None:
    """In how many categories the level is ahead of the other, minus in how many behind."""
    metric, (other, *_) = levels.alignment, claim.others
    pairs = [
        (run, levels.block.runs[other, seed, w])
        for (level, seed, w), run in levels.block.runs.items()
        if level == claim.level and (other, seed, w) in levels.block.runs
    ]
    scored = [pair for pair in pairs if all(has_metrics(run, [metric]) for run in pair)]
    if not scored:
        return None
    panel = make_panel(levels.scores, [run.run_id for pair in scored for run in pair], [metric])
    gaps = (panel.values[:, 0::2] - panel.values[:, 1::2]).mean(axis=1)
    frame = levels.scores[scored[0][0].run_id]
    of_prompt = dict(zip(frame["prompt_id"].astype(str), frame["category"].astype(str), strict=True))
    category = np.array([of_prompt[panel.prompt_ids[index]] for index in panel.prompt])
    # Means of thirds and sevenths leave rounding where they are equal.
    means = {
        str(name): float(without_rounding(gaps[category == name].mean(), 1.0)) for name in np.unique(category)
    }
    ahead = sum(value > 0 for value in means.values())
    behind = sum(value < 0 for value in means.values())
    value, ci95 = ahead - behind, _of_categories(ahead, behind)
    estimate = Effect(value=value, ci95=ci95, n=len(gaps), num_prompts=len(panel.prompt_ids))
    equal = f", equal in {len(means) - ahead - behind}" if ahead + behind < len(means) else ""
    return Answer(
        quantity=f"categories in which {metric} of {claim.level} is above that of {other}, minus those below",
        estimate=estimate,
        sentence=f"The {measure(metric).short} of {_subject(claim)} is above that of {other} in {ahead} of "
        f"{len(means)} categories and below in {behind}{equal}: {in_words(estimate, 'categories')}.",
        method=f"{_CATEGORIES}; means over the guidance weights that both have",
        selection="fixed",
        unit="categories",
    )


TESTS: Mapping[Measured, tuple[Callable[[LevelClaim, Levels], Answer | None], str]] = {
    "alignment": (at_equal_guidance, "one weight"),
    "distance": (at_equal_guidance, "one weight and a Fréchet distance"),
    "spread": (at_equal_guidance, "several images a prompt, their diversity, and one weight"),
    "front": (along_front, "two weights, a Fréchet distance, and a range of alignment that both reach,"),
    "range": (range_over_weights, "two weights"),
    "categories": (by_category, "one weight"),
}
"""How each kind is tested, and what is needed of both levels."""


def scaled(estimate: Effect, by: float) -> Effect:
    """The estimate times a number."""
    ci95 = estimate.ci95 and _sorted(by * estimate.ci95[0], by * estimate.ci95[1])
    return replace(estimate, value=by * estimate.value, ci95=ci95)


def _turned(effect: AblationEffect) -> AblationEffect:
    return replace(effect, estimate=scaled(effect.estimate, -1))


def _certainty(estimate: Effect, sign: int | None) -> tuple[float, float]:
    """How far the interval lies on the claim's side of 0, negative where it is not: small is hard.

    Without a sign (None, 0): how far it lies from 0 on either side.
    """
    low, high = estimate.ci95 or (estimate.value, estimate.value)
    if not sign:
        return max(low, -high, 0.0), abs(estimate.value)
    near, far = sorted((sign * low, sign * high))
    # Wholly on the other side is harder than an interval that only reaches further there.
    return (far - math.inf if far < 0 else near), sign * estimate.value


def _weights(effect: AblationEffect) -> str:
    """' (w = 1 to 10)': the weights that both levels have."""
    weights = [weight for weight, _ in effect.at_weight]
    if not weights:
        return ""
    return f" (w = {weights[0]:g}" + (f" to {weights[-1]:g})" if len(weights) > 1 else ")")


def _best(curve: Curve, weights: Sequence[float], metric: str) -> str:
    """'best at w = 3'."""
    return f"best at w = {max(weights, key=lambda weight: recorded(curve.at(weight), metric)):g}"


def _together(effect: AblationEffect, count: int) -> Effect:
    """The estimate with an interval that holds for `count` differences at once (Bonferroni), by t."""
    estimate, degrees = effect.estimate, effect.degrees
    if estimate.ci95 is None or count == 1:
        return estimate
    wider = t_quantile(degrees, 1 - 0.05 / count) / t_quantile(degrees, 0.95)
    low, high = (estimate.value + wider * (end - estimate.value) for end in estimate.ci95)
    return replace(estimate, ci95=(low, high))


def _tens(claim: LevelClaim, other: str) -> float | None:
    sizes = claim.parameters
    return math.log10(sizes[claim.level] / sizes[other]) if sizes else None


def _of_categories(ahead: int, behind: int) -> tuple[float, float] | None:
    """The 95 % interval of categories ahead minus behind, each category a throw of one coin."""
    count = ahead + behind
    if count == 0:
        return None
    low = float(betaincinv(ahead, behind + 1, 0.025)) if ahead else 0.0
    high = float(betaincinv(ahead + 1, behind, 0.975)) if behind else 1.0
    return count * (2 * low - 1), count * (2 * high - 1)


def _subject(claim: LevelClaim) -> str:
    return f"{factor_name(claim.factor)} {claim.level}"


def _sorted(*ends: float) -> tuple[float, float]:
    return min(ends), max(ends)
