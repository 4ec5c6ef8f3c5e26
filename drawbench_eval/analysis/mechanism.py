"""What the runs say of the paper's guidance and thresholding claims, made from numbers alone.

The claims are those of Imagen's Figures 4 and A.8. Every estimate is paired: all runs have the same prompts
and seeds.
"""

from collections.abc import Callable, Mapping, Sequence

from drawbench_eval.analysis import claim_tests
from drawbench_eval.analysis.claim_tests import Answer, Bench
from drawbench_eval.analysis.claims import (
    EARLY,
    MATCHED,
    NONE_ALIGNMENT,
    NONE_DISTANCE,
    PLATEAU,
    RISE,
    STEEPER,
    TURN,
    Claim,
)
from drawbench_eval.analysis.curves import Curve
from drawbench_eval.analysis.findings import Finding
from drawbench_eval.analysis.guidance import Scores
from drawbench_eval.analysis.paired import NotPaired

_TESTS: Mapping[Claim, tuple[Callable[[Bench], Answer | None], str]] = {
    RISE: (claim_tests.rise, "two weights of one curve"),
    EARLY: (claim_tests.early_minimum, "three weights of one curve and a Fréchet distance"),
    MATCHED: (
        claim_tests.matched,
        "a dynamic and a static curve that share a range of alignment, and a Fréchet distance",
    ),
    TURN: (claim_tests.turn, "three weights under static thresholding"),
    PLATEAU: (claim_tests.plateau, "three weights under dynamic thresholding"),
    STEEPER: (claim_tests.steeper, "three weights that static and dynamic thresholding share"),
    NONE_ALIGNMENT: (
        claim_tests.none_alignment,
        "no thresholding and dynamic thresholding at one weight above 1",
    ),
    NONE_DISTANCE: (
        claim_tests.none_distance,
        "no thresholding and dynamic at one weight above 1, and a Fréchet distance",
    ),
}


def find(
    curves: Sequence[Curve], scores: Scores, *, alignments: Sequence[str], distance: str | None
) -> tuple[Finding, ...]:
    """One finding per claim, alignment measure (where alignment enters) and context.

    Only runs that are there are used; a claim that needs others is "not testable with these runs".
    """
    findings: list[Finding] = []
    for claim, (test, needs) in _TESTS.items():
        for context in dict.fromkeys(curve.context for curve in curves):
            for alignment in alignments if claim.per_alignment else ("",):
                needed = [name for name in (alignment, distance) if name]
                scored = [curve.with_metrics(needed) for curve in curves if curve.context == context]
                modes = {curve.mode: curve for curve in scored if curve.runs}
                bench = Bench(
                    context=context, modes=modes, scores=scores, alignment=alignment, distance=distance
                )
                metric = alignment or distance or ""
                try:
                    answer, lacks = test(bench), needs
                except NotPaired:
                    answer, lacks = None, "runs of the same samples"
                findings.append(_finding(claim, metric, context, lacks, answer))
    return tuple(findings)


def _finding(claim: Claim, metric: str, context: str, needs: str, answer: Answer | None) -> Finding:
    if answer is None:
        return Finding(
            key=claim.key,
            claim=claim.text,
            source=claim.source,
            metric=metric,
            context=context,
            quantity="",
            estimate=None,
            ci95=None,
            unit="",
            n=0,
            num_prompts=0,
            verdict="not testable with these runs",
            sentence=f"Testing this needs {needs}.",
            method="",
            selection="fixed",
        )
    return Finding(
        key=claim.key,
        claim=claim.text,
        source=claim.source,
        metric=metric,
        context=context,
        quantity=answer.quantity,
        estimate=answer.estimate.value,
        ci95=answer.estimate.ci95,
        unit=answer.unit,
        n=answer.estimate.n,
        num_prompts=answer.estimate.num_prompts,
        verdict=answer.verdict,
        sentence=answer.sentence,
        method=answer.method,
        selection=answer.selection,
    )
