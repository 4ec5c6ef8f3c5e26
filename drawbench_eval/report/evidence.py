"""The findings as a section: a matrix of verdicts, then for each claim what was measured and how."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from drawbench_eval.analysis.claim import GUIDANCE, THRESHOLDING
from drawbench_eval.analysis.claims import CLAIMS
from drawbench_eval.analysis.findings import UNTESTABLE, Finding
from drawbench_eval.analysis.measures import measure
from drawbench_eval.report.blocks import Block, Bullets, Evidence, Paragraph, Section, Verdicts
from drawbench_eval.report.data import ReportData

_VERDICTS = ("seen", "opposite", "differs", "not resolved", UNTESTABLE)
_INTRO = (
    "Each verdict follows from a 95 % interval: seen when it lies on the paper's side of zero, opposite "
    "when on the other, not resolved when it holds both. All comparisons are between the same prompts and "
    "seeds."
)
_CONTROLS = " Of a control the paper says nothing: it differs when its interval leaves zero out."

_TIED = re.compile(r"\b[wnp] [=<] |95 %")


def verdicts_section(data: ReportData) -> Section:
    """The verdicts at a glance; empty without findings."""
    blocks: list[Block] = []
    contexts = _by_context(data)
    for context, findings in contexts.items():
        if len(contexts) > 1 or context:
            blocks.append(_runs_of(context))
        blocks.append(_matrix(data, findings))
    if blocks:
        controls = any(finding.expected is None for finding in tested(data))
        blocks.append(Paragraph(text=_INTRO + (_CONTROLS if controls else ""), muted=True))
    nowhere = _untested(data)
    if nowhere:
        claims = dict.fromkeys(finding.claim for finding in data.findings if finding.key in nowhere)
        listed = "; ".join(claims)
        blocks.append(Paragraph(text=f"Not testable with these runs: {listed}.", muted=True))
    return Section(title="What the runs say", blocks=tuple(blocks))


def evidence_section(data: ReportData) -> Section:
    """What was measured for each claim, and how; empty without findings."""
    methods = _letters(data.findings)
    contexts = _by_context(data)
    blocks: list[Block] = []
    for context, findings in contexts.items():
        if len(contexts) > 1:
            blocks.append(_runs_of(context))
        keys = dict.fromkeys(finding.key for finding in findings)
        blocks += [_evidence([f for f in findings if f.key == key], methods) for key in keys]
    legend = tuple((f"[{letter}]", f"{method}.") for method, letter in methods.items())
    if legend:
        blocks.append(Bullets(items=legend, muted=True))
    return Section(title="The claims in numbers", blocks=tuple(blocks))


def _runs_of(context: str) -> Paragraph:
    return Paragraph(text=f"Runs with {context}:" if context else "All runs together:", leads=True)


def tested(data: ReportData) -> tuple[Finding, ...]:
    """The findings about claims that these runs test somewhere."""
    untested = _untested(data)
    return tuple(finding for finding in data.findings if finding.key not in untested)


def _untested(data: ReportData) -> set[str]:
    """The claims that these runs test nowhere: a line is enough for them."""
    somewhere = {finding.key for finding in data.findings if finding.estimate is not None}
    return {finding.key for finding in data.findings} - somewhere


def _by_context(data: ReportData) -> dict[str, list[Finding]]:
    """The findings by context, without claims that are tested in none."""
    contexts: dict[str, list[Finding]] = {}
    for finding in tested(data):
        contexts.setdefault(finding.context, []).append(finding)
    # What all runs together are about comes before what each kind of them says.
    return dict(sorted(contexts.items(), key=lambda item: item[0] != ""))


def verdict_sentences(data: ReportData) -> list[str]:
    """How the claims fared: each claim once a verdict, with its measures where they do not agree."""
    findings = tested(data)
    if not findings:
        return []
    keys = dict.fromkeys(finding.key for finding in findings)
    names = " and ".join(measure(name).short for name in data.alignments) or "the metrics there are"
    said = [f"{_counted(keys)}, tested by {names}: of {len(findings)} verdicts {count_verdicts(findings)}."]
    for verdict, intro in (
        ("seen", "As in the paper"),
        ("opposite", "Against the paper"),
        ("differs", "Different, where the paper says nothing"),
        ("not resolved", "Not resolved"),
    ):
        named = [_claim(key, verdict, findings) for key in keys]
        if any(named):
            said.append(f"{intro}: {'; '.join(name for name in named if name)}.")
    return said


def _counted(keys: Iterable[str]) -> str:
    """'8 claims of the Imagen paper on guidance and thresholding and 2 controls'."""
    claims = [CLAIMS[key] for key in keys]
    controls = sum(claim.expected is None for claim in claims)
    own = len(claims) - controls
    of_curves = all(claim.mechanism in (GUIDANCE, THRESHOLDING) for claim in claims)
    topic = " on guidance and thresholding" if of_curves else ""
    parts = [f"{own} claim{'s' if own > 1 else ''} of the Imagen paper{topic}"] if own else []
    parts += [f"{controls} control{'s' if controls > 1 else ''}"] if controls else []
    return " and ".join(parts)


def count_verdicts(findings: Sequence[Finding]) -> str:
    """'14 seen, 1 not resolved'."""
    counts = Counter(str(finding.verdict) for finding in findings)
    return ", ".join(f"{counts[verdict]} {verdict}" for verdict in _VERDICTS if counts[verdict])


def _claim(key: str, verdict: str, findings: Sequence[Finding]) -> str:
    """The claim in running text where it has this verdict, "" where it has not."""
    own = [finding for finding in findings if finding.key == key]
    found = [finding for finding in own if finding.verdict == verdict]
    if not found:
        return ""
    claim = own[0].claim[:1].lower() + own[0].claim[1:]
    if len(found) == len(own):
        return claim
    if len({one.context for one in own}) > 1:
        return f"{claim} ({len(found)} of {len(own)} tests)"
    return f"{claim} ({' and '.join(measure(one.metric).short for one in found)})"


def tied(text: str) -> str:
    """The text with spaces that do not break in 'w = 4', 'p < 0.001' and '95 %'."""
    return _TIED.sub(lambda found: found[0].replace(" ", "\u00a0"), text)


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
        basis = f"n = {finding.n} [{methods[finding.method]}]" if finding.estimate is not None else ""
        remark = "Weights chosen on these same samples." if finding.same_samples else ""
        found.append((finding.verdict, tied(finding.sentence), tied(basis), remark))
    return Evidence(claim=findings[0].claim, source=findings[0].source, found=tuple(dict.fromkeys(found)))
