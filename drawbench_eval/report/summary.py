"""reports/README.md: what all reports found, in plain words first, then claim by claim in one table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from drawbench_eval.analysis.claim import Claim
from drawbench_eval.analysis.findings import Finding, Verdict, decimals, in_series, rounded
from drawbench_eval.analysis.measures import measure
from drawbench_eval.analysis.summary import Decided, Summary, by_mechanism, summarise
from drawbench_eval.report.about import FINDINGS, About, read_about, read_findings
from drawbench_eval.report.limits import SCENES
from drawbench_eval.runs.progress import duration

README = "README.md"

_SIGNS: Mapping[Verdict, str] = {
    "seen": "same sign",
    "opposite": "opposite sign",
    "differs": "differs",
    "not resolved": "not resolved",
}
_EXPECTED = {1: "+", -1: "\u2212", 0: "0", None: "none"}
_LEGEND = (
    "**Sign**: that of the number if the paper is right (0: nothing changes). **Ours**: the number in each "
    "measure with its 95 % interval. **Verdict**: *same sign* where the interval lies on the paper's side of "
    "zero (for 0: within a tenth of the rise), *opposite sign* on the other, *not resolved* in the scenes "
    "world where it holds both; the first measure decides, and others that say otherwise stand in italics. "
    "Each is at 95 %, not corrected for their number. **n**: images at each point. **Seeds**: training runs "
    "of each model; with one, intervals carry prompts and sampling seeds only and are about these "
    "checkpoints. What each number is stands below."
)
_NO_SIGN = "The paper says nothing of these: a number differs from 0, or it is not resolved."
_RULE = (
    "Where several reports test a claim, the one with the most images at a point decides; of equals, that of "
    "the claim's own sweep. A report that tests it in several kinds of runs apart (such as one for each text "
    "encoder) decides only where no other tests it. Of all claims guidance_x_threshold_saturated decides "
    "none, as its world is wrong on purpose; sr_spread, of one base image a prompt, decides only how far its "
    "super-resolutions differ; guidance_rise, of small weights with more images, only the first two."
)
_WORDS = (
    ("oracle accuracy", "share of images that show what the prompt says, read by a program; 0 to 1"),
    ("scenes CLIP score", "cosine of image and caption by a CLIP trained on scenes; \u22121 to 1"),
    (
        "Fr\u00e9chet distance",
        "of generated scenes from drawn ones, in a trained network's features; 0 is best",
    ),
    ("w, guidance weight", "1 is no guidance"),
    ("front", "the smallest distance at each alignment or better, over all guidance weights"),
    ("aug_level", "noise put on the low-resolution image that super-resolution starts from, and told to it"),
    ("states", "what a text encoder gives for each word"),
    ("t5_middle and the like", "text encoders of conf/experiment/scenes; base_t5_middle is the base of one"),
    ("sr64_efficient", "the super-resolution trained with noise augmentation; sr64_no_augmentation without"),
)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How the report of a sweep is made: the commands in order, trainings first, and what its file says that
    it shows and costs. sampling_s, training_s: the seconds in that, on a laptop-class machine and on one core
    of it; gpu: its words for one GPU, "" where it was not measured.
    """

    sweep: str
    shows: str
    commands: tuple[str, ...]
    costs: str
    sampling_s: float
    training_s: float
    gpu: str = ""


def write_summary(folder: Path, recipes: Sequence[Recipe]) -> Path:
    """Writes `folder`/README.md from the findings of the reports in it. ValueError where there are none."""
    from drawbench_eval.files import write_text

    path = folder / README
    write_text(path, summary_markdown(folder, recipes))
    return path


def summary_markdown(folder: Path, recipes: Sequence[Recipe]) -> str:
    """The page, the same for the same findings, whatever made it."""
    names = sorted(path.parent.name for path in folder.glob(f"*/{FINDINGS}"))
    if not names:
        raise ValueError(f"summary: {folder} holds no report; make one with drawbench-eval report sweep=NAME")
    summary = summarise([read_findings(folder / name) for name in names])
    abouts = {name: read_about(folder / name) for name in names}
    lines = ["# What showed in miniature", "", *_plain_words(summary), "", SCENES, ""]
    lines += ["## Words", "", *(f"- **{word}**: {text}." for word, text in _WORDS), "", *_claims(summary)]
    lines += [*_controls(summary), *_reasons(summary), *_in_words(summary), *_elsewhere(summary)]
    lines += _missing(summary, abouts)
    return "\n".join([*lines, *_rebuilding(recipes, abouts)]).rstrip() + "\n"


def _plain_words(summary: Summary) -> list[str]:
    """How many claims fared how, then mechanism by mechanism."""
    counts = Counter(one.verdict for one in summary.claims)
    missing = [claim for claim in summary.missing if claim.expected is not None]
    number = len(summary.claims)
    said = (
        f"{number} finding{'' if number == 1 else 's'} of the Imagen paper {_were(number)} tested in the "
        f"scenes world: {counts['seen']} with the same sign, {counts['opposite']} with the opposite one, "
        f"{counts['not resolved']} not resolved."
    )
    said += f" {len(missing)} more {_were(len(missing))} not tested yet." if missing else ""
    groups: dict[str, list[str]] = {}
    for mechanism, own in by_mechanism(summary.claims).items():
        of = Counter(one.verdict for one in own)
        parts = [f"{of[verdict]} {word}" for verdict, word in _SIGNS.items() if of[verdict]]
        groups.setdefault(_fared(of, len(own)), []).append(f"{mechanism} ({', '.join(parts)})")
    waiting: dict[str, int] = {}
    for claim in missing:
        waiting[claim.mechanism] = waiting.get(claim.mechanism, 0) + 1
    if waiting:
        groups["Without a report yet"] = [f"{mechanism} ({count})" for mechanism, count in waiting.items()]
    order = (
        "Showed",
        "Showed in part",
        "Showed in part, went the other way in part",
        "Went the other way",
        "Not resolved",
        "Without a report yet",
    )
    return [said, ""] + [f"- **{name}**: {'; '.join(groups[name])}." for name in order if name in groups]


def _fared(counts: Counter[Verdict], total: int) -> str:
    if counts["seen"] == total:
        return "Showed"
    if counts["seen"]:
        return "Showed in part" + (", went the other way in part" if counts["opposite"] else "")
    return "Went the other way" if counts["opposite"] else "Not resolved"


def _claims(summary: Summary) -> list[str]:
    if not summary.claims:
        return []
    head = (
        "Figure",
        "The paper's finding",
        "Sign",
        "Ours",
        "n",
        "Seeds",
        "Verdict",
        "For photographs, if",
        "Report",
    )
    rows = [
        (
            one.claim.source,
            one.claim.text + (f"<br>*{one.claim.caveat}*" if one.claim.caveat else ""),
            _EXPECTED[one.claim.expected],
            *_ours(one),
            one.claim.carries,
            _links(one.reports),
        )
        for one in summary.claims
    ]
    return ["## The paper's findings and ours", "", *_table(head, rows), "", _LEGEND, ""]


def _controls(summary: Summary) -> list[str]:
    if not summary.controls:
        return []
    head = ("Control", "Ours", "n", "Seeds", "Verdict", "Report")
    rows = [(one.claim.text, *_ours(one), _links(one.reports)) for one in summary.controls]
    return ["## Controls", "", _NO_SIGN, "", *_table(head, rows), ""]


def _reasons(summary: Summary) -> list[str]:
    """Of claims that went the other way: why that may be, and what the controls that test it gave."""
    contrary = [one.claim for one in summary.claims if one.verdict == "opposite"]
    if not contrary:
        return []
    groups: dict[tuple[str, str] | None, list[str]] = {}
    for claim in contrary:
        groups.setdefault(claim.reason, []).append(claim.text)
    lines = ["## Where it went the other way", ""]
    for reason, texts in groups.items():
        if reason is None:
            continue
        why, sweep = reason
        tested = [one for one in summary.controls if one.claim.sweep == sweep]
        said = " ".join(one.findings[0].sentence for one in tested) or f"`{sweep}` has no report yet."
        reports = dict.fromkeys(name for one in tested for name in one.reports)
        told = f" ({', '.join(reports)})" if reports else ""
        lines.append(
            f"- {'; '.join(texts)}. A reason that was tested{told}: {why}. {_outcome(tested)} {said}"
        )
    if None in groups:
        lines.append(f"- No reason was tested for: {'; '.join(groups[None])}.")
    return [*lines, ""]


def _outcome(controls: Sequence[Decided]) -> str:
    """What the controls that test a reason say of it, in their first measure."""
    told = [
        (one.claim.supports, one.findings[0])
        for one in controls
        if one.claim.supports is not None and one.findings[0].estimate is not None
    ]
    if not told:
        return "Nothing here says whether it holds."
    speak = [
        0 if finding.verdict != "differs" else 1 if sign * (finding.estimate or 0.0) > 0 else -1
        for sign, finding in told
    ]
    if all(one > 0 for one in speak):
        return "The controls speak for it."
    if any(one < 0 for one in speak):
        return "The controls speak against it" + (" in part." if any(one > 0 for one in speak) else ".")
    return "The controls speak for it in part." if any(speak) else "The controls do not resolve it."


def _ours(one: Decided) -> tuple[str, str, str, str]:
    """The numbers, n, training seeds and verdict."""
    first, *others = one.findings
    verdict = f"**{_SIGNS[first.verdict]}**"
    unlike = [other for other in others if other.verdict != first.verdict]
    verdict += "".join(f"<br>*{_SIGNS[other.verdict]} by {measure(other.metric).short}*" for other in unlike)
    return (
        "<br>".join(_number_of(finding) for finding in one.findings),
        _range([finding.n for finding in one.findings]),
        _range([finding.num_trainings for finding in one.findings]),
        verdict,
    )


def _number_of(finding: Finding) -> str:
    """'oracle accuracy +0.065 (+0.011 to +0.119)', 'by oracle accuracy: +2.0 w (+1.0 to +3.0)'."""
    assert finding.estimate is not None
    digits = decimals(finding.estimate, finding.ci95)
    value = rounded(finding.estimate, digits, signed=True)
    unit = f" {finding.unit}" if finding.unit else ""
    where = f" ({finding.context})" if finding.context else ""
    interval = "(interval undefined)"
    if finding.ci95 is not None:
        low, high = (rounded(bound, digits, signed=True) for bound in finding.ci95)
        interval = f"({low} to {high})"
    name = measure(finding.metric).short
    # Where the number is of something else, the measure is only what it was found by.
    name = name if finding.quantity.startswith(finding.metric) else f"by {name}:"
    return f"{name}{where} {value}{unit} {interval}"


def _in_words(summary: Summary) -> list[str]:
    lines = ["## What each number is", ""]
    for one in summary.decided:
        chosen = " Weights were chosen on these same samples." if one.findings[0].same_samples else ""
        lines.append(f"- {one.claim.text}. {' '.join(finding.sentence for finding in one.findings)}{chosen}")
    return [*lines, ""]


def _elsewhere(summary: Summary) -> list[str]:
    rows = []
    for one in summary.decided:
        found: dict[str, list[Finding]] = {}
        for report, finding in one.elsewhere:
            found.setdefault(report, []).append(finding)
        told = [f"{name}: {_verdicts(own)}" for name, own in found.items()]
        rows += [f"- {one.claim.text} \u2013 {'; '.join(told)}."] if told else []
    return ["## The same claims in other reports", "", _RULE, "", *rows, ""] if rows else []


def _verdicts(findings: Sequence[Finding]) -> str:
    """'2 same sign, 1 not resolved (n = 400)'."""
    counts = Counter(_SIGNS[finding.verdict] for finding in findings)
    parts = [f"{counts[word]} {word}" for word in _SIGNS.values() if counts[word]]
    return f"{', '.join(parts)} (n = {_range([finding.n for finding in findings])})"


def _missing(summary: Summary, abouts: Mapping[str, About]) -> list[str]:
    if not summary.missing:
        return []
    made = {one.sweep for one in abouts.values()}
    by_sweep: dict[str, list[Claim]] = {}
    for claim in summary.missing:
        by_sweep.setdefault(claim.sweep, []).append(claim)
    lines = ["## Without a report", ""]
    for sweep, claims in by_sweep.items():
        why = "its report lacks the runs to test" if sweep in made else "no report yet; it would test"
        named = [
            f"{claim.text} ({claim.source})" if claim.expected is not None else claim.text for claim in claims
        ]
        lines.append(f"- `{sweep}` \u2013 {why}: {'; '.join(named)}.")
    return [*lines, ""]


def _rebuilding(recipes: Sequence[Recipe], abouts: Mapping[str, About]) -> list[str]:
    by_sweep = {one.sweep: one for one in abouts.values() if one.sweep}
    lines = ["## Making them again", "", *_total(recipes, abouts), ""]
    for recipe in recipes:
        found = by_sweep.get(recipe.sweep)
        took = _took(found) if found else "Not made yet."
        lines += [
            f"### {recipe.sweep}",
            "",
            recipe.shows,
            "",
            "```sh",
            *recipe.commands,
            "```",
            "",
            f"{recipe.costs} {took}",
            "",
        ]
    return [*lines, "This page:", "", "```sh", "drawbench-eval report summary=reports", "```"]


def _total(recipes: Sequence[Recipe], abouts: Mapping[str, About]) -> list[str]:
    """What all of them cost together, and what those that are here took."""
    sampling, training = (sum(getattr(one, name) for one in recipes) for name in ("sampling_s", "training_s"))
    seconds = {run_id: value for one in abouts.values() for run_id, value in one.seconds.items()}
    gpu: dict[str, list[str]] = {}
    for one in recipes:
        gpu.setdefault(one.gpu or "not measured", []).append(one.sweep)
    on_gpu = "; ".join(
        f"{cost} ({in_series(names)})" if len(gpu) > 1 else cost for cost, names in gpu.items()
    )
    said = (
        f"All {len(recipes)} on a laptop-class machine, by their files under `conf/experiment`: "
        f"{duration(sampling)} of sampling and scoring, after {duration(training)} of training on one core, "
        f"where a training that several share is counted in each. On one GPU: {on_gpu}. The runs of the "
        f"reports that are here recorded {duration(sum(seconds.values()))} of sampling and scoring, many of "
        "them beside trainings that took half of the machine or more."
    )
    return [
        said,
        "",
        "`make reports` makes those that need no training and this page, `make reports-trained` the others.",
    ]


def _took(found: About) -> str:
    images = f"{found.num_images} images in {len(found.seconds)} of {found.num_planned} planned runs"
    return (
        f"Its runs recorded {duration(sum(found.seconds.values()))} on {in_series(found.devices)}: {images}."
    )


def _links(reports: Sequence[str]) -> str:
    return "<br>".join(f"{name}: [PDF]({name}/report.pdf), [HTML]({name}/report.html)" for name in reports)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [_row(head), _row(["---"] * len(head)), *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(re.sub(r'[|]', r'&#124;', cell) for cell in cells)} |"


def _range(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def _were(count: int) -> str:
    return "was" if count == 1 else "were"
