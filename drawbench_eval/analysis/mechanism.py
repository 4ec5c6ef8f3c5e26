"""What curves say of the paper's guidance and thresholding claims, made from numbers alone.

The claims are those of Imagen's Figures 4 and A.8, and a control. Every estimate is paired: all runs have the
same prompts and seeds.
"""

from collections.abc import Callable, Mapping, Sequence

from drawbench_eval.analysis import claim_tests
from drawbench_eval.analysis.answers import Answer, finding_of
from drawbench_eval.analysis.claim import Claim
from drawbench_eval.analysis.claim_tests import Bench
from drawbench_eval.analysis.curves import WEIGHT, Curve
from drawbench_eval.analysis.findings import Finding
from drawbench_eval.analysis.guidance import Scores
from drawbench_eval.analysis.guidance_claims import (
    EARLY,
    EARLY_NONE,
    EARLY_STATIC,
    MATCHED,
    NONE_ALIGNMENT,
    NONE_DISTANCE,
    PLATEAU,
    RISE,
    SR_DISTANCE,
    SR_RISE,
    STEEPER,
    TURN,
)
from drawbench_eval.analysis.paired import NotPaired

_TESTS: Mapping[Claim, tuple[Callable[[Bench], Answer | None], str]] = {
    RISE: (claim_tests.rise, "two weights of one curve"),
    EARLY: (claim_tests.early_minimum, "three weights of one curve and a Fréchet distance"),
    EARLY_STATIC: (
        claim_tests.early_minimum_static,
        "three weights under static thresholding and a Fréchet distance",
    ),
    EARLY_NONE: (
        claim_tests.early_minimum_none,
        "three weights without thresholding and a Fréchet distance",
    ),
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
_SR_TESTS: Mapping[Claim, tuple[Callable[[Bench], Answer | None], str]] = {
    SR_RISE: (claim_tests.rise, "two weights of the super-resolution"),
    SR_DISTANCE: (claim_tests.distance_at_largest, "two weights of the super-resolution"),
}


def find(
    curves: Sequence[Curve], scores: Scores, *, alignments: Sequence[str], distance: str | None
) -> tuple[Finding, ...]:
    """One finding per claim, alignment measure (where alignment enters) and context.

    Only runs that are there are used; a claim that needs others is "not testable with these runs", a control
    is left out. Of curves
    over a super-resolution's weight only the claims about that are tested, and where there is one curve.
    """
    of_base = all(curve.weight_key == WEIGHT for curve in curves)
    tests = _TESTS if of_base else _SR_TESTS if len(curves) == 1 else {}
    findings: list[Finding] = []
    for claim, (test, needs) in tests.items():
        for context in dict.fromkeys(curve.context for curve in curves):
            for alignment in alignments if claim.per_alignment else ("",):
                needed = [name for name in (alignment, distance) if name]
                scored = [curve.with_metrics(needed) for curve in curves if curve.context == context]
                modes = {curve.mode: curve for curve in scored if curve.runs}
                bench = Bench(
                    context=context, modes=modes, scores=scores, alignment=alignment, distance=distance
                )
                try:
                    answer, lacks = test(bench), needs
                except NotPaired:
                    answer, lacks = None, "runs of the same samples"
                if answer is None and claim.expected is None:
                    continue
                metric = alignment or distance or ""
                findings.append(finding_of(claim, metric=metric, context=context, answer=answer, needs=lacks))
    return tuple(findings)
