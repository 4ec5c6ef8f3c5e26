"""What a test of a claim answers, and the finding that it makes of the claim."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from drawbench_eval.analysis.claim import Claim
from drawbench_eval.analysis.findings import (
    UNTESTABLE,
    Finding,
    Selection,
    Verdict,
    verdict_by_sign,
    verdict_within,
)
from drawbench_eval.analysis.paired import Effect


@dataclass(frozen=True, kw_only=True)
class Answer:
    """A finding before the claim and the context are written into it.

    margin: how far from 0 the estimate may lie where the claim is that nothing changes. num_trainings: the
    training runs of each level that the interval carries. tens: how many factors of ten in parameters lie
    between what is compared, None where it is not about sizes. backing: of an estimate on a grid, such
    as one of weights, the number that must lie above 0 for it to count.
    """

    quantity: str
    estimate: Effect
    sentence: str
    method: str
    selection: Selection
    unit: str = ""
    margin: float | None = None
    num_trainings: int = 1
    tens: float | None = None
    backing: Effect | None = None


def finding_of(claim: Claim, *, metric: str, context: str, answer: Answer | None, needs: str) -> Finding:
    """The claim held against the answer; without one it is not testable, for want of what it needs."""
    about: dict[str, Any] = {
        "key": claim.key,
        "claim": claim.text,
        "source": claim.source,
        "metric": metric,
        "context": context,
        "expected": claim.expected,
    }
    if answer is None:
        return Finding(
            **about,
            quantity="",
            estimate=None,
            ci95=None,
            unit="",
            n=0,
            num_prompts=0,
            num_trainings=0,
            tens=None,
            verdict=UNTESTABLE,
            sentence=f"Testing this needs {needs}.",
            method="",
            selection="fixed",
        )
    return Finding(
        **about,
        quantity=answer.quantity,
        estimate=answer.estimate.value,
        ci95=answer.estimate.ci95,
        unit=answer.unit,
        n=answer.estimate.n,
        num_prompts=answer.estimate.num_prompts,
        num_trainings=answer.num_trainings,
        tens=answer.tens,
        verdict=_verdict(claim, answer),
        sentence=answer.sentence,
        method=answer.method,
        selection=answer.selection,
    )


def _verdict(claim: Claim, answer: Answer) -> Verdict:
    if answer.margin is not None:
        return verdict_within(answer.estimate, answer.margin)
    if answer.backing is None:
        return verdict_by_sign(answer.estimate, expected=claim.expected)
    if verdict_by_sign(answer.backing, expected=1) != "seen":
        return "not resolved"
    return verdict_by_sign(answer.estimate, expected=claim.expected, on_a_grid=True)
