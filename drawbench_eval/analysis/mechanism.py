"""What the runs say of the paper's guidance and thresholding claims: verdicts and sentences made from
numbers.

The claims are those of Imagen's Figures 4 and A.8. Every estimate is paired: the same prompts and seeds
in all runs.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from drawbench_eval.analysis import guidance
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
from drawbench_eval.analysis.findings import (
    Finding,
    Selection,
    Verdict,
    in_words,
    minus,
    verdict_by_sign,
    verdict_within,
)
from drawbench_eval.analysis.guidance import NUM_DRAWS, NUM_LEVELS, Scores
from drawbench_eval.analysis.measures import measure
from drawbench_eval.analysis.paired import Effect

PLATEAU_SHARE = 0.1
"""A curve counts as flat when it changes by less than this share of its rise: fixed beforehand."""

_CLUSTERED = "paired by sample, t interval clustered by prompt"
_SPLIT = f"{_CLUSTERED}; weight chosen on one half of the prompts, measured on the other"
_BOOTSTRAP = (
    f"{NUM_DRAWS} resamplings of the prompts, percentile interval; "
    "the Fréchet distance moves by the mean of its influence values"
)


@dataclass(frozen=True, kw_only=True)
class _Bench:
    """What a test needs: the curves of one context by thresholding mode, the scores, and the two measures."""

    context: str
    modes: Mapping[str, Curve]
    scores: Scores
    alignment: str
    distance: str | None

    @property
    def name(self) -> str:
        return measure(self.alignment).short

    def curve(self, mode: str, *, at_least: int) -> Curve | None:
        curve = self.modes.get(mode)
        return curve if curve is not None and len(curve.weights) >= at_least else None

    def main_curve(self, *, at_least: int) -> Curve | None:
        """The curve for claims about guidance as such: dynamic, or else what there is."""
        for mode in ("dynamic", "static", *self.modes):
            curve = self.curve(mode, at_least=at_least)
            if curve is not None:
                return curve
        return None

    def pair(self, first: str, second: str, *, at_least: int) -> tuple[Curve, Curve] | None:
        a, b = self.curve(first, at_least=at_least), self.curve(second, at_least=at_least)
        return (a, b) if a is not None and b is not None else None


@dataclass(frozen=True, kw_only=True)
class _Answer:
    """A finding before the claim and the context are written into it."""

    quantity: str
    estimate: Effect
    verdict: Verdict
    sentence: str
    method: str
    selection: Selection
    unit: str = ""


def find(
    curves: Sequence[Curve], scores: Scores, *, alignments: Sequence[str], distance: str | None
) -> tuple[Finding, ...]:
    """One finding per claim and alignment measure (per claim alone where no alignment enters), for each
    context.

    Only runs that are there are used; a claim that needs others is "not testable with these runs".
    """
    findings: list[Finding] = []
    for claim, (test, needs) in _TESTS.items():
        for context in dict.fromkeys(curve.context for curve in curves):
            for alignment in alignments if claim.per_alignment else ("",):
                needed = [name for name in (alignment, distance) if name]
                scored = [curve.with_metrics(needed) for curve in curves if curve.context == context]
                modes = {curve.mode: curve for curve in scored if curve.runs}
                bench = _Bench(
                    context=context, modes=modes, scores=scores, alignment=alignment, distance=distance
                )
                metric = alignment or distance or ""
                findings.append(_finding(claim, metric, context, needs, test(bench)))
    return tuple(findings)


def _finding(claim: Claim, metric: str, context: str, needs: str, answer: _Answer | None) -> Finding:
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


def _rise(bench: _Bench) -> _Answer | None:
    curve = bench.main_curve(at_least=2)
    if curve is None:
        return None
    change = guidance.rise_to_best(curve, bench.scores, bench.alignment)
    return _Answer(
        quantity=f"{bench.alignment} at its best weight minus at w = {curve.weights[0]:g}, {curve.mode}",
        estimate=change.estimate,
        verdict=verdict_by_sign(change.estimate, expected=+1),
        sentence=f"{_under(curve)} the {bench.name} changes by {in_words(change.estimate)} "
        f"from w = {curve.weights[0]:g} to its best weight ({_chosen(change)}).",
        method=_SPLIT,
        selection="split",
    )


def _early_minimum(bench: _Bench) -> _Answer | None:
    curve = bench.main_curve(at_least=3)
    if curve is None or bench.distance is None:
        return None
    found = guidance.extremes(curve, bench.scores, bench.alignment, bench.distance)
    return _Answer(
        quantity=f"w of the best {bench.alignment} minus w of the smallest {bench.distance}, {curve.mode}",
        estimate=found.estimate,
        verdict=verdict_by_sign(found.estimate, expected=+1),
        sentence=f"{_under(curve)} the {measure(bench.distance).short} is smallest at "
        f"{_place(found.lowest_distance, curve)} and the {bench.name} largest at "
        f"{_place(found.best_alignment, curve)}: {in_words(found.estimate)} in w.",
        method=_BOOTSTRAP,
        selection="same_samples",
        unit="w",
    )


def _matched(bench: _Bench) -> _Answer | None:
    pair = bench.pair("dynamic", "static", at_least=2)
    if pair is None or bench.distance is None:
        return None
    found = guidance.matched(*pair, bench.scores, bench.alignment, bench.distance)
    if found is None:
        return None
    low, high = found.shared
    return _Answer(
        quantity=f"{bench.distance}, dynamic minus static, mean over the {bench.alignment} that both reach",
        estimate=found.estimate,
        verdict=verdict_by_sign(found.estimate, expected=-1),
        sentence=f"Over the range of {bench.name} that both curves reach "
        f"({low:.3f} to {high:.3f}) the {measure(bench.distance).short} under dynamic thresholding differs "
        f"from static by {in_words(found.estimate)} on average; dynamic lies at or below static at "
        f"{found.num_below} of {found.num_levels} levels.",
        method=f"linear interpolation along each curve at {NUM_LEVELS} levels; {_BOOTSTRAP}",
        selection="fixed",
    )


def _turn(bench: _Bench) -> _Answer | None:
    curve = bench.curve("static", at_least=3)
    if curve is None:
        return None
    change = guidance.fall_from_best(curve, bench.scores, bench.alignment)
    return _Answer(
        quantity=_fall_quantity(bench, curve),
        estimate=change.estimate,
        verdict=verdict_by_sign(change.estimate, expected=+1),
        sentence=f"{_fall_sentence(bench, curve, change)}.",
        method=_SPLIT,
        selection="split",
    )


def _plateau(bench: _Bench) -> _Answer | None:
    curve = bench.curve("dynamic", at_least=3)
    if curve is None:
        return None
    change = guidance.fall_from_best(curve, bench.scores, bench.alignment)
    margin = PLATEAU_SHARE * guidance.rise_to_best(curve, bench.scores, bench.alignment).estimate.value
    flat = f"flat means within ±{margin:.2g}, a tenth of the rise"
    against = flat if margin > 0 else "there is no rise to compare with"
    return _Answer(
        quantity=_fall_quantity(bench, curve),
        estimate=change.estimate,
        verdict=verdict_within(change.estimate, margin),
        sentence=f"{_fall_sentence(bench, curve, change)}; {against}.",
        method=f"{_SPLIT}; two one-sided tests at 2.5 % against a tenth of the rise",
        selection="split",
    )


def _steeper(bench: _Bench) -> _Answer | None:
    pair = bench.pair("static", "dynamic", at_least=3)
    shared = sorted(set(pair[0].weights) & set(pair[1].weights)) if pair else []
    if pair is None or len(shared) < 3:
        return None
    estimate, static, dynamic = guidance.difference_of_falls(*pair, shared, bench.scores, bench.alignment)
    return _Answer(
        quantity=f"fall of {bench.alignment} to w = {shared[-1]:g}, static minus dynamic",
        estimate=estimate,
        verdict=verdict_by_sign(estimate, expected=+1),
        sentence=f"From the best smaller weight to w = {shared[-1]:g} the {bench.name} "
        f"falls by {minus(f'{static:.3f}')} under static and by {minus(f'{dynamic:.3f}')} under dynamic "
        f"thresholding, a difference of {in_words(estimate)}.",
        method=_SPLIT,
        selection="split",
    )


def _none_alignment(bench: _Bench) -> _Answer | None:
    return _none(bench, bench.alignment, guidance.difference_at, expected=-1, method=_CLUSTERED)


def _none_distance(bench: _Bench) -> _Answer | None:
    if bench.distance is None:
        return None
    method = f"difference of the recorded values; interval from influence values, {_CLUSTERED}"
    return _none(bench, bench.distance, guidance.distance_difference_at, expected=+1, method=method)


def _none(
    bench: _Bench, metric: str, difference: Callable[..., Effect], *, expected: int, method: str
) -> _Answer | None:
    pair = bench.pair("none", "dynamic", at_least=1)
    shared = sorted(set(pair[0].weights) & set(pair[1].weights)) if pair else []
    if pair is None or not shared or shared[-1] <= 1:
        return None
    estimate = difference(pair[0].at(shared[-1]), pair[1].at(shared[-1]), bench.scores, metric)
    return _Answer(
        quantity=f"{metric}, none minus dynamic, at w = {shared[-1]:g}",
        estimate=estimate,
        verdict=verdict_by_sign(estimate, expected=expected),
        sentence=f"At w = {shared[-1]:g} the {measure(metric).short} without thresholding differs from that "
        f"under dynamic thresholding by {in_words(estimate)}.",
        method=method,
        selection="fixed",
    )


_TESTS: Mapping[Claim, tuple[Callable[[_Bench], _Answer | None], str]] = {
    RISE: (_rise, "two weights of one curve"),
    EARLY: (_early_minimum, "three weights of one curve and a Fréchet distance"),
    MATCHED: (
        _matched,
        "a dynamic and a static curve that share a range of alignment, and a Fréchet distance",
    ),
    TURN: (_turn, "three weights under static thresholding"),
    PLATEAU: (_plateau, "three weights under dynamic thresholding"),
    STEEPER: (_steeper, "three weights that static and dynamic thresholding share"),
    NONE_ALIGNMENT: (_none_alignment, "no thresholding and dynamic thresholding at one weight above 1"),
    NONE_DISTANCE: (
        _none_distance,
        "no thresholding and dynamic at one weight above 1, and a Fréchet distance",
    ),
}


def _under(curve: Curve) -> str:
    if curve.mode == "none":
        return "Without thresholding"
    return f"Under {curve.mode} thresholding" if curve.mode else "Along the curve"


def _chosen(change: guidance.Change) -> str:
    weights = sorted(set(change.chosen))
    return "w = " + " or ".join(f"{weight:g}" for weight in weights)


def _place(weight: float, curve: Curve) -> str:
    end = {curve.weights[0]: ", the smallest tested", curve.weights[-1]: ", the largest tested"}.get(
        weight, ""
    )
    return f"w = {weight:g}{end}"


def _fall_quantity(bench: _Bench, curve: Curve) -> str:
    return f"{bench.alignment} at the best smaller weight minus at w = {curve.weights[-1]:g}, {curve.mode}"


def _fall_sentence(bench: _Bench, curve: Curve, change: guidance.Change) -> str:
    return (
        f"{_under(curve)} the {bench.name} at the best smaller weight ({_chosen(change)}) "
        f"differs from that at w = {curve.weights[-1]:g} by {in_words(change.estimate)}"
    )
