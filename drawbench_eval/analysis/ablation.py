"""One factor against a baseline over a sweep: its effect on each metric, paired, with Holm's correction.

Runs that agree in everything but the factor (and what comes with it, such as weights) are compared sample by
sample. At matched guidance the effect on a metric is the mean over the weights that both have; along the
front it is the distance of the two curves at the same alignment or better. The tests of a family are
corrected together; the effects at single weights describe, they are not tested.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pandas as pd

from drawbench_eval.analysis.ablation_estimates import as_effect, detectable, over_trainings, two_sided_p
from drawbench_eval.analysis.ablation_levels import Block, find_blocks
from drawbench_eval.analysis.collect import MetricInfo, Run
from drawbench_eval.analysis.curve_pairs import compare_curves
from drawbench_eval.analysis.curves import Curve, guidance_kind, has_metrics, weight_of
from drawbench_eval.analysis.measures import INFLUENCES
from drawbench_eval.analysis.paired import Effect, NotPaired, differences, make_panel
from drawbench_eval.analysis.resampled import recorded
from drawbench_eval.stats.clustered import Estimate, clustered_mean
from drawbench_eval.stats.multiple import holm_by_family

FRONT = "front"
"""The name under which a family declares the comparison along the front."""

POWER = 0.8


@dataclass(frozen=True, kw_only=True)
class AblationPlan:
    """What is fixed before the numbers are seen.

    families: name -> metrics (and "front") whose tests Holm corrects together, over all levels; None is one
    family of them all. training_seed: the factor that tells training runs of one level apart; None where
    there is one training run a level.
    """

    factor: str
    baseline: Any = None
    families: Mapping[str, Sequence[str]] | None = None
    training_seed: str | None = None
    alpha: float = 0.05


@dataclass(frozen=True, kw_only=True)
class AblationEffect:
    """A level minus the baseline in one measure (a metric, or "front": the distance along the front).

    `at_weight` has the effect at each shared weight; `detectable` is the true difference that is found with
    80 % power at alpha over the size of the family, so with Holm's correction in any case; `degrees`: of
    freedom; `num_trainings` counts the training runs that the interval carries, 1 for "these checkpoints".
    """

    level: str
    measure: str
    estimate: Effect
    p: float
    family: str
    higher_is_better: bool
    unit: str
    num_trainings: int
    degrees: float
    detectable: float = math.nan
    p_holm: float = math.nan
    at_weight: tuple[tuple[float, Effect], ...] = ()

    def resolved(self, alpha: float) -> bool:
        """Whether the corrected test finds a difference."""
        return self.p_holm < alpha

    @property
    def better(self) -> bool:
        """Whether the estimate is on the better side of the baseline."""
        return (self.estimate.value > 0) == self.higher_is_better


@dataclass(frozen=True, kw_only=True)
class Ablation:
    """The effects of one factor in one block: runs that share everything else, told apart by `context`."""

    plan: AblationPlan
    baseline: str
    context: str
    weights: tuple[float, ...]
    effects: tuple[AblationEffect, ...] = field(default=())

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels other than the baseline, in order."""
        return tuple(dict.fromkeys(effect.level for effect in self.effects))

    @property
    def num_trainings(self) -> int:
        """The fewest training runs that an interval carries."""
        return min(effect.num_trainings for effect in self.effects)


def ablate(
    runs: Sequence[Run],
    scores: Mapping[str, pd.DataFrame],
    infos: Mapping[str, MetricInfo],
    plan: AblationPlan,
    *,
    alignments: Sequence[str],
    distance: str | None,
) -> tuple[Ablation, ...]:
    """The factor's effects, one ablation a block; along the front for each of `alignments` with `distance`.

    Metrics without a column in the scores (such as FID-infinity) are left out, and levels without a sample
    that the baseline scored, too. Raises ValueError where the
    factor does not vary, the baseline is none of its values, or a family names what is not measured.
    """
    blocks = find_blocks(runs, factor=plan.factor, baseline=plan.baseline, training_seed=plan.training_seed)
    measures = _measures(runs, scores, infos, alignments, distance)
    families = _families(plan, measures)
    found = []
    for block in blocks:
        effects: list[AblationEffect] = []
        for level in block.levels:
            effects += _level(block, level, scores, infos, families, alignments, distance)
        if effects:
            found.append(
                Ablation(
                    plan=plan,
                    baseline=block.baseline,
                    context=block.context,
                    weights=block.weights,
                    effects=tuple(effects),
                )
            )
    return _corrected(found)


def _measures(
    runs: Sequence[Run],
    scores: Mapping[str, pd.DataFrame],
    infos: Mapping[str, MetricInfo],
    alignments: Sequence[str],
    distance: str | None,
) -> list[str]:
    complete = [run for run in runs if run.status == "complete"]
    by_sample = [name for name in infos if any(name in scores[run.run_id].columns for run in complete)]
    fronts = [f"{FRONT}, {name}" for name in alignments if distance and name in by_sample]
    return by_sample + (fronts if distance in by_sample else [])


def _families(plan: AblationPlan, measures: Sequence[str]) -> dict[str, str]:
    """Measure -> its family. A declared "front" stands for the fronts of all alignments."""
    if plan.families is None:
        return dict.fromkeys(measures, "all")
    found: dict[str, str] = {}
    for family, names in plan.families.items():
        for name in names:
            members = [one for one in measures if one == name or one.startswith(f"{name}, ")]
            if not members:
                known = ", ".join(dict.fromkeys(one.split(",")[0] for one in measures))
                raise ValueError(
                    f"ablation.families.{family}: {name} is not measured here; write one of {known}"
                )
            found.update(dict.fromkeys(members, family))
    return {name: found.get(name, name) for name in measures}


def _level(
    block: Block,
    level: str,
    scores: Mapping[str, pd.DataFrame],
    infos: Mapping[str, MetricInfo],
    families: Mapping[str, str],
    alignments: Sequence[str],
    distance: str | None,
) -> list[AblationEffect]:
    effects = []
    pairs = block.pairs(level)
    comparable = all(guidance_kind(a) == guidance_kind(b) for pair in pairs for a, b in pair)
    for name, info in infos.items():
        if name not in families or not comparable:
            continue
        trainings = [[(a, b) for a, b in pair if _scored((a, b), name, scores)] for pair in pairs]
        trainings = [pair for pair in trainings if pair]
        if not trainings:
            continue
        try:
            estimates = [_mean_difference(pair, scores, name) for pair in trainings]
        except NotPaired:
            continue
        estimate, degrees = over_trainings(estimates)
        single = trainings[0] if len(trainings) == 1 else ()
        by_weight = [
            (weight_of(a, block.weight), _mean_difference([(a, b)], scores, name)) for a, b in single
        ]
        effects.append(
            AblationEffect(
                level=level,
                measure=name,
                estimate=as_effect(estimate, degrees),
                p=two_sided_p(estimate, degrees),
                family=families[name],
                higher_is_better=info.higher_is_better,
                unit=info.unit,
                num_trainings=len(trainings),
                degrees=degrees,
                at_weight=tuple((weight, as_effect(one, one.num_clusters - 1)) for weight, one in by_weight),
            )
        )
    for alignment in alignments if distance else ():
        effects += _front(block, level, scores, infos, families, alignment, str(distance))
    return effects


def _scored(runs: Sequence[Run], name: str, scores: Mapping[str, pd.DataFrame]) -> bool:
    return all(has_metrics(run, [name]) and name in scores[run.run_id].columns for run in runs)


def _mean_difference(
    pairs: Sequence[tuple[Run, Run]], scores: Mapping[str, pd.DataFrame], metric: str
) -> Estimate:
    """The difference of pairs of runs, averaged over the pairs, with the error clustered by prompt."""
    runs = [run for pair in pairs for run in pair]
    panel = make_panel(scores, [run.run_id for run in runs], [metric])
    per_sample = differences(panel.values[:, 0::2], panel.values[:, 1::2]).mean(axis=1)
    estimate = clustered_mean(per_sample, panel.prompt)
    if metric in INFLUENCES:
        first, second = ([recorded(run, metric) for run in side] for side in zip(*pairs, strict=True))
        estimate = estimate.moved_to(float(differences(first, second).mean()))
    return estimate


def _front(
    block: Block,
    level: str,
    scores: Mapping[str, pd.DataFrame],
    infos: Mapping[str, MetricInfo],
    families: Mapping[str, str],
    alignment: str,
    distance: str,
) -> list[AblationEffect]:
    """Along the front, for one training run a level; with several a curve is no longer one curve."""
    name = f"{FRONT}, {alignment}"
    sides = [block.curve(value) for value in (level, block.baseline)]
    if name not in families or any(side is None for side in sides):
        return []
    curves = [side for side in sides if isinstance(side, Curve)]
    pairs = compare_curves(curves, scores, alignment=infos[alignment], distance=infos[distance])
    return [
        AblationEffect(
            level=level,
            measure=name,
            estimate=pair.front.estimate,
            p=pair.front.p,
            family=families[name],
            higher_is_better=infos[distance].higher_is_better,
            unit=infos[distance].unit,
            num_trainings=1,
            degrees=pair.front.estimate.num_prompts - 1,
        )
        for pair in pairs
    ]


def _corrected(found: Sequence[Ablation]) -> tuple[Ablation, ...]:
    """With Holm's p within each family, over all levels and blocks, and what is left to be found then."""
    every = [effect for one in found for effect in one.effects]
    sizes = Counter(effect.family for effect in every)
    adjusted = iter(holm_by_family([effect.p for effect in every], [effect.family for effect in every]))

    def corrected(effect: AblationEffect, alpha: float) -> AblationEffect:
        least = detectable(effect.estimate, effect.degrees, alpha=alpha / sizes[effect.family], power=POWER)
        # Where no test is made nothing would be found.
        least = math.nan if math.isnan(effect.p) else least
        return replace(effect, p_holm=float(next(adjusted)), detectable=least)

    return tuple(
        replace(one, effects=tuple(corrected(effect, one.plan.alpha) for effect in one.effects))
        for one in found
    )
