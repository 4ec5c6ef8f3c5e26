"""The findings of many reports as one: which report decides each claim, and what is still without one."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from drawbench_eval.analysis.answers import Answer, finding_of
from drawbench_eval.analysis.claim import Claim
from drawbench_eval.analysis.claims import CLAIMS, DECIDES, ENCODER_BEFORE_UNET
from drawbench_eval.analysis.findings import Finding, Verdict, in_words
from drawbench_eval.analysis.level_tests import scaled
from drawbench_eval.analysis.measures import measure
from drawbench_eval.analysis.paired import Effect

PRIMARY = ("scenes_accuracy", "clip_score")
"""The measure of alignment whose verdict is a claim's where several were taken: the oracle, or CLIP."""


@dataclass(frozen=True, kw_only=True)
class ReportedFindings:
    """What one report found; `name` is its folder's, `sweep` its sweep's ("" for none)."""

    name: str
    sweep: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, kw_only=True)
class Decided:
    """A claim with the findings that decide it, the primary measure's first, and those of other reports.

    reports: the names of the reports they are from. elsewhere: name and finding.
    """

    claim: Claim
    reports: tuple[str, ...]
    findings: tuple[Finding, ...]
    elsewhere: tuple[tuple[str, Finding], ...] = ()

    @property
    def verdict(self) -> Verdict:
        """That of the primary measure."""
        return self.findings[0].verdict


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Claims in the paper's order: `decided`, and `missing`, for which no report has a number."""

    decided: tuple[Decided, ...]
    missing: tuple[Claim, ...]

    @property
    def claims(self) -> tuple[Decided, ...]:
        """Those of the paper."""
        return tuple(one for one in self.decided if one.claim.expected is not None)

    @property
    def controls(self) -> tuple[Decided, ...]:
        """Those of which the paper says nothing."""
        return tuple(one for one in self.decided if one.claim.expected is None)


def summarise(reports: Sequence[ReportedFindings]) -> Summary:
    """Each claim by the report that decides it.

    That is the one with the most samples; of equals the one of the claim's own sweep. A finding about one of
    several kinds of runs decides only where there is no other. Some sweeps decide certain claims alone.
    """
    decided = {key: one for key, claim in CLAIMS.items() if (one := _decide(claim, reports)) is not None}
    derived = _encoder_before_unet(decided)
    if derived is not None:
        decided[derived.claim.key] = derived
    return Summary(
        decided=tuple(decided[key] for key in CLAIMS if key in decided),
        missing=tuple(claim for key, claim in CLAIMS.items() if key not in decided),
    )


def _decide(claim: Claim, reports: Sequence[ReportedFindings]) -> Decided | None:
    found = [
        (report, finding)
        for report in reports
        for finding in report.findings
        if finding.key == claim.key and finding.estimate is not None
    ]
    chosen: dict[str, tuple[ReportedFindings, Finding]] = {}
    for metric in sorted({finding.metric for _, finding in found}, key=_rank):
        own = [
            (report, finding)
            for report, finding in found
            if finding.metric == metric and claim.key in DECIDES.get(report.sweep, CLAIMS)
        ]
        if own:
            chosen[metric] = max(own, key=lambda pair: _weight(claim, *pair))
    if not chosen:
        return None
    rest = [pair for pair in found if all(pair[1] is not finding for _, finding in chosen.values())]
    return Decided(
        claim=claim,
        reports=tuple(dict.fromkeys(report.name for report, _ in chosen.values())),
        findings=tuple(finding for _, finding in chosen.values()),
        elsewhere=tuple((report.name, finding) for report, finding in rest),
    )


def _rank(metric: str) -> tuple[bool, str]:
    return metric not in PRIMARY, metric


def _weight(claim: Claim, report: ReportedFindings, finding: Finding) -> tuple[bool, int, bool]:
    return finding.context == "", finding.n, report.sweep == claim.sweep


def _encoder_before_unet(decided: Mapping[str, Decided]) -> Decided | None:
    """The encoder's effect for each factor of ten in parameters minus the U-Net's, from both reports."""
    sides = [decided.get(key) for key in ("encoder_size_alignment", "unet_size_alignment")]
    both = [side for side in sides if side is not None]
    if len(both) < 2:
        return None
    encoders, unets = ({finding.metric: finding for finding in side.findings} for side in both)
    findings = [
        _compared(encoder, unets[metric])
        for metric, encoder in encoders.items()
        if metric in unets and encoder.tens and unets[metric].tens
    ]
    if not findings:
        return None
    reports = tuple(dict.fromkeys(name for side in both for name in side.reports))
    return Decided(claim=ENCODER_BEFORE_UNET, reports=reports, findings=tuple(findings))


def _compared(encoder: Finding, unet: Finding) -> Finding:
    first, second = _per_ten(encoder), _per_ten(unet)
    value = first.value - second.value
    ci95 = None
    if first.ci95 is not None and second.ci95 is not None:
        below = math.hypot(first.value - first.ci95[0], second.ci95[1] - second.value)
        above = math.hypot(first.ci95[1] - first.value, second.value - second.ci95[0])
        ci95 = value - below, value + above
    estimate = Effect(
        value=value,
        ci95=ci95,
        n=min(first.n, second.n),
        num_prompts=min(first.num_prompts, second.num_prompts),
    )
    answer = Answer(
        quantity=f"{encoder.metric} for each factor of ten in parameters, encoder minus U-Net",
        estimate=estimate,
        sentence=f"For each factor of ten in parameters the {measure(encoder.metric).short} changes by "
        f"{in_words(first)} with the text encoder and by {in_words(second)} with the U-Net, a difference of "
        f"{in_words(estimate)}.",
        method="intervals of both reports added in squares, as if their samples were not the same",
        selection="fixed",
        num_trainings=min(encoder.num_trainings, unet.num_trainings),
    )
    return finding_of(ENCODER_BEFORE_UNET, metric=encoder.metric, context="", answer=answer, needs="")


def _per_ten(finding: Finding) -> Effect:
    assert finding.estimate is not None
    assert finding.tens
    effect = Effect(value=finding.estimate, ci95=finding.ci95, n=finding.n, num_prompts=finding.num_prompts)
    return scaled(effect, 1 / finding.tens)


def by_mechanism(decided: Iterable[Decided]) -> dict[str, list[Decided]]:
    """The claims of each mechanism, in order."""
    found: dict[str, list[Decided]] = {}
    for one in decided:
        found.setdefault(one.claim.mechanism, []).append(one)
    return found
