"""The findings as a section: a matrix of verdicts, then for each claim what was measured and how."""

from collections import Counter
from collections.abc import Sequence

from drawbench_eval.analysis.findings import Finding
from drawbench_eval.analysis.measures import measure
from drawbench_eval.report.blocks import Block, Bullets, Evidence, Paragraph, Section, Verdicts
from drawbench_eval.report.data import ReportData

_VERDICTS = ("seen", "opposite", "not resolved", "not testable with these runs")
_INTRO = (
    "Each verdict follows from a 95 % interval: seen when it lies on the paper's side of zero, opposite when on the "
    "other, not resolved when it holds both. All comparisons are between the same prompts and seeds."
)


def findings_section(data: ReportData) -> Section:
    """The section on the paper's claims; empty without findings."""
    if not data.findings:
        return Section(title="What the runs say", blocks=())
    contexts = list(dict.fromkeys(finding.context for finding in data.findings))
    methods = _letters(data.findings)
    blocks: list[Block] = [Paragraph(text=_INTRO, muted=True)]
    for context in contexts:
        if context:
            blocks.append(Paragraph(text=f"Runs with {context}:"))
        blocks.append(_matrix(data, [f for f in data.findings if f.context == context]))
    for context in contexts:
        here = [finding for finding in data.findings if finding.context == context]
        if len(contexts) > 1:
            blocks.append(Paragraph(text=f"Runs with {context or 'nothing else changed'}:"))
        for key in dict.fromkeys(finding.key for finding in here):
            blocks.append(_evidence([finding for finding in here if finding.key == key], methods))
    blocks.append(Bullets(items=tuple((f"[{letter}]", method) for method, letter in methods.items())))
    return Section(title="What the runs say", blocks=tuple(blocks))


def count_verdicts(findings: Sequence[Finding]) -> str:
    """'14 seen, 1 not resolved'."""
    counts = Counter(str(finding.verdict) for finding in findings)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in _VERDICTS if counts[verdict])


def in_short(finding: Finding, data: ReportData) -> str:
    """The claim in running text, with the measure where there are several."""
    claim = finding.claim[:1].lower() + finding.claim[1:]
    if len(data.alignments) > 1 and finding.metric in data.alignments:
        return f"{claim} ({measure(finding.metric).short})"
    return claim


def tied(text: str) -> str:
    """The text with spaces that do not break in 'w = 4' and '95 %'."""
    return text.replace("w = ", "w\u00a0=\u00a0").replace("95 %", "95\u00a0%")


def _matrix(data: ReportData, findings: Sequence[Finding]) -> Verdicts:
    rows = []
    for key in dict.fromkeys(finding.key for finding in findings):
        by_metric = {finding.metric: finding for finding in findings if finding.key == key}
        first = next(iter(by_metric.values()))
        cells: tuple[str, ...] = (first.verdict,)
        # A claim about the distance alone has one verdict, whatever alignment is measured with.
        if any(name in by_metric for name in data.alignments):
            cells = tuple(by_metric[name].verdict if name in by_metric else "" for name in data.alignments)
        rows.append((first.claim, first.source, cells))
    measures = tuple(f"by {measure(name).short}" for name in data.alignments)
    return Verdicts(measures=measures or ("verdict",), rows=tuple(rows))


def _letters(findings: Sequence[Finding]) -> dict[str, str]:
    methods = dict.fromkeys(finding.method for finding in findings if finding.method)
    return {method: chr(ord("a") + index) for index, method in enumerate(methods)}


def _evidence(findings: Sequence[Finding], methods: dict[str, str]) -> Evidence:
    found = []
    for finding in findings:
        small = ""
        if finding.estimate is not None:
            small = f"n = {finding.n} images, {finding.num_prompts} prompts; method {methods[finding.method]}"
            small += "; weights chosen on these same samples" if finding.same_samples else ""
        found.append((finding.verdict, tied(finding.sentence), small))
    return Evidence(claim=findings[0].claim, source=findings[0].source, found=tuple(found))
