"""One test for each claim about guidance and thresholding: runs in, estimate, verdict and sentence out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drawbench_eval.analysis import guidance
from drawbench_eval.analysis.answers import Answer
from drawbench_eval.analysis.curves import WEIGHT, Curve, weight_name
from drawbench_eval.analysis.findings import in_words, minus
from drawbench_eval.analysis.guidance import NUM_LEVELS, Scores
from drawbench_eval.analysis.measures import measure
from drawbench_eval.analysis.paired import Effect
from drawbench_eval.analysis.resampled import NUM_DRAWS

PLATEAU_SHARE = 0.1
"""A curve counts as flat when it changes by less than this share of its rise: fixed beforehand."""

_CLUSTERED = "paired by sample, t interval clustered by prompt"
_DISTANCES = f"difference of the recorded values; interval from influence values, {_CLUSTERED}"
_SPLIT = f"{_CLUSTERED}; weight chosen on one half of the prompts, measured on the other"
_BOOTSTRAP = (
    f"{NUM_DRAWS} resamplings of the prompts, percentile interval; "
    "the Fréchet distance moves by the mean of its influence values"
)


@dataclass(frozen=True, kw_only=True)
class Bench:
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


def rise(bench: Bench) -> Answer | None:
    """Alignment at the best larger weight minus at the smallest, under dynamic thresholding if there."""
    curve = bench.main_curve(at_least=2)
    if curve is None:
        return None
    change = guidance.rise_to_best(curve, bench.scores, bench.alignment)
    return Answer(
        quantity=f"{bench.alignment} at the best larger weight minus at w = {curve.weights[0]:g}, "
        f"{curve.mode}",
        estimate=change.estimate,
        sentence=f"{_under(curve)} the {bench.name} changes by {in_words(change.estimate)} "
        f"from w = {curve.weights[0]:g} to the best larger weight ({_chosen(change)}).",
        method=_SPLIT,
        selection="split",
    )


def early_minimum(bench: Bench) -> Answer | None:
    """The weight of the best alignment minus that of the smallest Frechet distance, where the alignment is
    better there.
    """
    return _extremes(bench, bench.main_curve(at_least=3))


def early_minimum_static(bench: Bench) -> Answer | None:
    """The same under static thresholding."""
    return _extremes(bench, bench.curve("static", at_least=3))


def early_minimum_none(bench: Bench) -> Answer | None:
    """The same without thresholding."""
    return _extremes(bench, bench.curve("none", at_least=3))


def _extremes(bench: Bench, curve: Curve | None) -> Answer | None:
    if curve is None or bench.distance is None:
        return None
    found = guidance.extremes(curve, bench.scores, bench.alignment, bench.distance)
    return Answer(
        quantity=f"w of the best {bench.alignment} minus w of the smallest {bench.distance}, {curve.mode}",
        estimate=found.estimate,
        sentence=f"{_under(curve)} the {measure(bench.distance).short} is smallest at "
        f"{_place(found.lowest_distance, curve)} and the {bench.name} largest at "
        f"{_place(found.best_alignment, curve)}: {_apart(found.estimate)}. At its best weight the "
        f"{bench.name} is above that at w = {found.lowest_distance:g} by {in_words(found.gain)}.",
        method=f"{_BOOTSTRAP}; seen or opposite only where alignment at its best weight is resolved to be "
        f"better, {_SPLIT}",
        selection="same_samples",
        unit="w",
        backing=found.gain,
    )


def matched(bench: Bench) -> Answer | None:
    """The Frechet distance of dynamic minus static thresholding, over the alignment that both reach."""
    pair = bench.pair("dynamic", "static", at_least=2)
    if pair is None or bench.distance is None:
        return None
    found = guidance.matched(*pair, bench.scores, bench.alignment, bench.distance)
    if found is None:
        return None
    low, high = found.shared
    return Answer(
        quantity=f"{bench.distance}, dynamic minus static, mean over the {bench.alignment} that both reach",
        estimate=found.estimate,
        sentence=f"Over the range of {bench.name} that both curves reach "
        f"({low:.3f} to {high:.3f}) the {measure(bench.distance).short} under dynamic thresholding differs "
        f"from static by {in_words(found.estimate)} on average; dynamic lies at or below static at "
        f"{found.num_below} of {found.num_levels} levels.",
        method=f"linear interpolation along each curve at {NUM_LEVELS} levels; {_BOOTSTRAP}",
        selection="fixed",
    )


def turn(bench: Bench) -> Answer | None:
    """Static thresholding: alignment at the best smaller weight minus at the largest."""
    curve = bench.curve("static", at_least=3)
    if curve is None:
        return None
    change = guidance.fall_from_best(curve, bench.scores, bench.alignment)
    return Answer(
        quantity=_fall_quantity(bench, curve),
        estimate=change.estimate,
        sentence=f"{_fall_sentence(bench, curve, change)}.",
        method=_SPLIT,
        selection="split",
    )


def plateau(bench: Bench) -> Answer | None:
    """Dynamic thresholding: the same fall, held against a margin on both sides."""
    curve = bench.curve("dynamic", at_least=3)
    if curve is None:
        return None
    change = guidance.fall_from_best(curve, bench.scores, bench.alignment)
    margin = PLATEAU_SHARE * guidance.rise_to_best(curve, bench.scores, bench.alignment).estimate.value
    flat = f"flat means within ±{margin:.2g}, a tenth of the rise"
    against = flat if margin > 0 else "there is no rise to compare with"
    return Answer(
        quantity=_fall_quantity(bench, curve),
        estimate=change.estimate,
        margin=margin,
        sentence=f"{_fall_sentence(bench, curve, change)}; {against}.",
        method=f"{_SPLIT}; two one-sided tests at 2.5 % against a tenth of the rise",
        selection="split",
    )


def steeper(bench: Bench) -> Answer | None:
    """The fall under static minus the fall under dynamic thresholding, over the weights they share."""
    pair = bench.pair("static", "dynamic", at_least=3)
    shared = sorted(set(pair[0].weights) & set(pair[1].weights)) if pair else []
    if pair is None or len(shared) < 3:
        return None
    estimate, static, dynamic = guidance.difference_of_falls(*pair, shared, bench.scores, bench.alignment)
    return Answer(
        quantity=f"fall of {bench.alignment} to w = {shared[-1]:g}, static minus dynamic",
        estimate=estimate,
        sentence=f"From the best smaller weight to w = {shared[-1]:g} the {bench.name} "
        f"falls by {minus(f'{static:.3f}')} under static and by {minus(f'{dynamic:.3f}')} under dynamic "
        f"thresholding, a difference of {in_words(estimate)}.",
        method=_SPLIT,
        selection="split",
    )


def none_alignment(bench: Bench) -> Answer | None:
    """Alignment without thresholding minus dynamic, at the largest weight they share."""
    return _none(bench, bench.alignment, guidance.difference_at, method=_CLUSTERED)


def none_distance(bench: Bench) -> Answer | None:
    """The Frechet distance without thresholding minus dynamic, at the largest weight they share."""
    if bench.distance is None:
        return None
    return _none(bench, bench.distance, guidance.distance_difference_at, method=_DISTANCES)


def distance_at_largest(bench: Bench) -> Answer | None:
    """The Frechet distance at the largest weight of a curve minus at the smallest."""
    curve = bench.main_curve(at_least=2)
    if curve is None or bench.distance is None:
        return None
    low, high = curve.weights[0], curve.weights[-1]
    estimate = guidance.distance_difference_at(curve.at(high), curve.at(low), bench.scores, bench.distance)
    return Answer(
        quantity=f"{bench.distance} at w = {high:g} minus at w = {low:g}",
        estimate=estimate,
        sentence=f"{_under(curve)} the {measure(bench.distance).short} changes by {in_words(estimate)} "
        f"from w = {low:g} to w = {high:g}.",
        method=_DISTANCES,
        selection="fixed",
    )


def _apart(weights: Effect) -> str:
    """'+2.0 (95 % interval +1.0 to +3.0) in w'."""
    if weights.is_constant:
        return f"{minus(f'{weights.value:+g}')} in w on every resampling"
    return f"{in_words(weights)} in w"


def _none(bench: Bench, metric: str, difference: Callable[..., Effect], *, method: str) -> Answer | None:
    pair = bench.pair("none", "dynamic", at_least=1)
    shared = sorted(set(pair[0].weights) & set(pair[1].weights)) if pair else []
    if pair is None or not shared or shared[-1] <= 1:
        return None
    estimate = difference(pair[0].at(shared[-1]), pair[1].at(shared[-1]), bench.scores, metric)
    return Answer(
        quantity=f"{metric}, none minus dynamic, at w = {shared[-1]:g}",
        estimate=estimate,
        sentence=f"At w = {shared[-1]:g} the {measure(metric).short} without thresholding differs from that "
        f"under dynamic thresholding by {in_words(estimate)}.",
        method=method,
        selection="fixed",
    )


def _under(curve: Curve) -> str:
    if curve.weight_key != WEIGHT:
        return f"Over the {weight_name(curve.weight_key)}"
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


def _fall_quantity(bench: Bench, curve: Curve) -> str:
    return f"{bench.alignment} at the best smaller weight minus at w = {curve.weights[-1]:g}, {curve.mode}"


def _fall_sentence(bench: Bench, curve: Curve, change: guidance.Change) -> str:
    return (
        f"{_under(curve)} the {bench.name} at the best smaller weight ({_chosen(change)}) "
        f"differs from that at w = {curve.weights[-1]:g} by {in_words(change.estimate)}"
    )
