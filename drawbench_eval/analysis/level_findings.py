"""What an ablation's runs say of the paper's claims about its levels, made from numbers alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from drawbench_eval.analysis.ablation import Ablation, AblationPlan, ablate
from drawbench_eval.analysis.ablation_levels import find_blocks, find_factor
from drawbench_eval.analysis.ablation_words import factor_name
from drawbench_eval.analysis.answers import Answer, finding_of
from drawbench_eval.analysis.claim import LevelClaim
from drawbench_eval.analysis.collect import MetricInfo, Run, comparable
from drawbench_eval.analysis.curves import shown_setting
from drawbench_eval.analysis.findings import Finding
from drawbench_eval.analysis.level_claims import LEVEL_CLAIMS
from drawbench_eval.analysis.level_tests import SPREAD, TESTS, Levels
from drawbench_eval.analysis.paired import NotPaired
from drawbench_eval.files import canonical_json


def find_at_levels(
    runs: Sequence[Run],
    scores: Mapping[str, pd.DataFrame],
    infos: Mapping[str, MetricInfo],
    ablations: Sequence[Ablation],
    *,
    alignments: Sequence[str],
    distance: str | None,
    claims: Sequence[LevelClaim] = LEVEL_CLAIMS,
) -> tuple[Finding, ...]:
    """One finding per claim that these runs are about and alignment measure (where alignment enters).

    They are about a claim when its setting alone varies, besides guidance, and takes a value that no other
    sweep has. Of `ablations` those that compare the claim's levels are used; others are made.
    """
    complete = [run for run in runs if run.status == "complete"]
    seed = ablations[0].plan.training_seed if ablations else None
    findings: list[Finding] = []
    made = {"": [one for one in ablations if not one.context]}
    for claim in claims:
        chosen = [run for run in complete if _fits(run, claim)]
        if claim.equal_images:
            chosen = _equally_trained(chosen, claim)
        if not _is_about(claim, complete, chosen, seed):
            continue
        test, needs = TESTS[claim.measured]
        ablation = None
        if _has_levels(claim, chosen):
            known = made.setdefault(canonical_json(claim.where) if claim.where else "", [])
            ablation = _comparing(claim, known)
            if ablation is None:
                plan = AblationPlan(factor=claim.factor, baseline=claim.level, training_seed=seed)
                known += ablate(chosen, scores, infos, plan, alignments=alignments, distance=distance)
                ablation = _comparing(claim, known)
        for alignment in alignments if claim.per_alignment else ("",):
            answer: Answer | None = None
            needed = f"{needs} of {_what(claim)}"
            if ablation is not None and (distance or claim.measured not in ("distance", "front")):
                levels = Levels(
                    ablation=ablation,
                    block=find_blocks(chosen, factor=claim.factor, training_seed=seed)[0],
                    scores=scores,
                    alignment=alignment,
                    distance=distance or "",
                )
                try:
                    answer = test(claim, levels)
                except NotPaired:
                    needed = "runs of the same samples"
            metric = alignment or (SPREAD if claim.measured == "spread" else distance or "")
            findings.append(finding_of(claim, metric=metric, context="", answer=answer, needs=needed))
    return tuple(findings)


def _fits(run: Run, claim: LevelClaim) -> bool:
    return all(comparable(run.factors.get(key)) == comparable(value) for key, value in claim.where.items())


def _equally_trained(runs: Sequence[Run], claim: LevelClaim) -> list[Run]:
    """Those after the most training images that all levels have, or all where there is no such number."""
    images_of = [
        {run.training.get("images") for run in runs if _values([run], claim.factor) == {level}}
        for level in (claim.level, *claim.others)
    ]
    shared = [images for images in set.intersection(*images_of) if images is not None]
    return [run for run in runs if not shared or run.training.get("images") == max(shared)]


def _is_about(
    claim: LevelClaim, complete: Sequence[Run], chosen: Sequence[Run], training_seed: str | None
) -> bool:
    """Whether the claim is what the runs were made for, even where they fall short of testing it."""
    values = _values(complete, claim.factor)
    telling = {claim.level, *claim.others} - {*claim.shared}
    known = {key for run in complete for key in run.factors}
    if len(values) < 2 or not values & telling or not known >= {*claim.where}:
        return False
    alone = find_factor(chosen, training_seed=training_seed) == claim.factor
    return alone or len(_values(chosen, claim.factor)) < 2


def _values(runs: Sequence[Run], factor: str) -> set[str]:
    return {shown_setting(run.factors.get(factor), most=None) for run in runs}


def _has_levels(claim: LevelClaim, runs: Sequence[Run]) -> bool:
    """Whether the level and an other are there, trained on as many images where the claim asks for it."""
    values = _values(runs, claim.factor)
    levels = values & {claim.level, *claim.others}
    if claim.level not in levels or len(levels) < 2:
        return False
    own = [run for run in runs if _values([run], claim.factor) <= levels]
    return not claim.equal_images or len({run.training.get("images") for run in own}) == 1


def _comparing(claim: LevelClaim, ablations: Sequence[Ablation]) -> Ablation | None:
    """The one in which the claim's level meets all others that are there."""
    for one in ablations:
        others = {one.baseline, *one.levels} & {*claim.others}
        if one.plan.factor == claim.factor and (one.baseline == claim.level or others == {one.baseline}):
            return one
    return None


def _what(claim: LevelClaim) -> str:
    """'text encoder t5_large and t5_small'."""
    others = " or ".join(claim.others)
    where = "".join(f" at {factor_name(key)} {shown_setting(value)}" for key, value in claim.where.items())
    equally = ", trained on as many images" if claim.equal_images else ""
    return f"{factor_name(claim.factor)} {claim.level} and {others}{where}{equally}"
