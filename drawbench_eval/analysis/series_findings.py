"""What the checkpoints of two trainings say: which of them gains more from its first to its last."""

from __future__ import annotations

from collections.abc import Sequence

from drawbench_eval.analysis.answers import Answer, finding_of
from drawbench_eval.analysis.claim import SeriesClaim
from drawbench_eval.analysis.collect import Run
from drawbench_eval.analysis.control_claims import CLOSING
from drawbench_eval.analysis.curves import has_metrics
from drawbench_eval.analysis.findings import Finding, in_words, minus
from drawbench_eval.analysis.guidance import Scores
from drawbench_eval.analysis.measures import measure
from drawbench_eval.analysis.paired import NotPaired, differences, make_panel
from drawbench_eval.analysis.resampled import recorded
from drawbench_eval.analysis.training import TrainingSeries, training_series

_METHOD = "last checkpoint minus first of each, paired by sample, t interval clustered by prompt"
_NEEDS = "two checkpoints of each of {} and {}, after the same training images"


def find_over_training(
    runs: Sequence[Run],
    scores: Scores,
    *,
    alignments: Sequence[str],
    claims: Sequence[SeriesClaim] = (CLOSING,),
) -> tuple[Finding, ...]:
    """One finding per claim and measure of alignment, where the runs have one series of each training."""
    found: list[Finding] = []
    series = training_series(runs)
    for claim in claims:
        sides = [
            [one for one in series if one.curve.runs[0].training["series"] == name]
            for name in (claim.series, claim.other)
        ]
        if any(len(side) != 1 for side in sides):
            continue
        for alignment in alignments:
            try:
                answer = _gain(alignment, scores, sides[0][0], sides[1][0])
            except NotPaired:
                answer = None
            needs = _NEEDS.format(claim.series, claim.other)
            found.append(finding_of(claim, metric=alignment, context="", answer=answer, needs=needs))
    return tuple(found)


def _gain(metric: str, scores: Scores, one: TrainingSeries, other: TrainingSeries) -> Answer | None:
    ends = [series.curve.runs[index] for series in (one, other) for index in (0, -1)]
    images = [series.curve.weights[index] for series in (one, other) for index in (0, -1)]
    if images[:2] != images[2:] or not all(has_metrics(run, [metric]) for run in ends):
        return None
    panel = make_panel(scores, [run.run_id for run in ends], [metric])
    first, last, its_first, its_last = panel.values.T
    estimate = panel.mean(differences(last - first, its_last - its_first))
    return Answer(
        quantity=f"{metric} gained from first to last checkpoint, {one.curve.name} minus {other.curve.name}",
        estimate=estimate,
        sentence=f"At the checkpoints after {images[0]:,.0f} to {images[1]:,.0f} images the "
        f"{measure(metric).short} is {_course(one, metric)} and {_course(other, metric)}. What the first "
        f"gains to the last differs from what the second does by {in_words(estimate)}.",
        method=_METHOD,
        selection="fixed",
    )


def _course(series: TrainingSeries, metric: str) -> str:
    """'0.323, 0.398, 0.468 with sr64_efficient': the value at every checkpoint."""
    values = [minus(f"{recorded(run, metric):.3f}") for run in series.curve.runs]
    return f"{', '.join(values)} with {series.curve.name}"
