"""What stands beside an ablation of sizes: what each text encoder tells, and the range of the paper's."""

from __future__ import annotations

import math
from collections.abc import Sequence

from drawbench_eval.analysis.claim import ENCODER, LevelClaim
from drawbench_eval.analysis.collect import Run
from drawbench_eval.analysis.curves import shown_setting
from drawbench_eval.analysis.level_claims import LEVEL_CLAIMS
from drawbench_eval.analysis.measures import measure
from drawbench_eval.analysis.published_results import FIGURE_4, published_curves
from drawbench_eval.report.blocks import Block, DataTable, Paragraph, Section
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.numbers import fixed
from drawbench_eval.report.tables import Cell, Table
from drawbench_eval.scenes.encoder_probe import CHANCE, NUM_CAPTIONS

SATURATED = 0.98
"""A share from which on an encoder counts as telling everything."""

_KINDS = {"color": "Its colour", "relation": "Its relation", "order": "Named first"}
_PANELS = {"encoder_size_alignment": "a", "unet_size_alignment": "b"}


def size_section(data: ReportData) -> Section:
    """The tables that the runs have something for; empty where they are about no encoder and no size."""
    blocks = [*_facts(data), *_ranges(data)]
    return Section(title="Encoders and sizes", blocks=tuple(blocks))


def _facts(data: ReportData) -> list[Block]:
    """A row an encoder, where two and more of them were probed."""
    told = {
        shown_setting(run.factors.get(ENCODER), most=None): run.text_facts
        for run in data.complete
        if run.text_facts
    }
    if len(told) < 2:
        return []
    rows = [
        (Cell(text=name, key=name), *(Cell(text=_share(facts[kind]), key=facts[kind]) for kind in _KINDS))
        for name, facts in told.items()
    ]
    chance = (Cell(text="chance"), *(Cell(text=_share(CHANCE[kind]), key=CHANCE[kind]) for kind in _KINDS))
    table = Table(columns=("Text encoder", *_KINDS.values()), notes=("", "", "", ""), rows=(*rows, chance))
    caption = (
        f"What the states of a word tell of its thing: {NUM_CAPTIONS:,} captions of two things, facts read "
        "off the state of a shape's word by ridge regression, fitted to three quarters of the captions and "
        "counted on the rest."
    )
    return [
        DataTable(name="text-facts", caption=caption, table=table),
        Paragraph(text=_saturation({name: min(facts.values()) for name, facts in told.items()})),
    ]


def _saturation(least: dict[str, float]) -> str:
    """What the probe means for the ablation."""
    short = [name for name, share in least.items() if share < SATURATED]
    percent = f"{100 * SATURATED:.0f}"
    if not short:
        return (
            f"All of these encoders tell at least {percent} % of each kind of fact: what is left between "
            "them is not what they know of such captions."
        )
    return f"Less than {percent} % of some kind of fact is told by {', '.join(short)}."


def _share(share: float) -> str:
    return f"{fixed(100 * share, 1)} %"


def _ranges(data: ReportData) -> list[Block]:
    """From the smallest level to the largest: our best distance and alignment, and the paper's."""
    for claim in LEVEL_CLAIMS:
        smallest, largest = (_at(data, claim, level) for level in (claim.others[0], claim.level))
        if claim.key not in _PANELS or not smallest or not largest:
            continue
        curves = [curve for curve in published_curves() if curve.panel == _PANELS[claim.key]]
        small, large = curves[0], curves[-1]
        first = [
            _row(measure(name).title, _best(data, name, smallest), _best(data, name, largest))
            for name in dict.fromkeys(filter(None, (*data.alignments, data.distance)))
        ]
        theirs = [
            _row("CLIP score, in the paper", max(small.clip_score), max(large.clip_score)),
            _row("FID-10K, in the paper", min(small.fid_10k), min(large.fid_10k)),
        ]
        tens = math.log10(claim.parameters[claim.level] / claim.parameters[claim.others[0]])
        caption = (
            f"The best over the guidance weight from the smallest ({claim.others[0]}; in the paper "
            f"{small.series}) to the largest ({claim.level}; {large.series}): ours are {10**tens:.1f} times "
            f"apart in parameters. The paper's: {FIGURE_4}. Other metrics and another world: only signs can "
            "be compared."
        )
        table = Table(
            columns=("Best value of", "Smallest", "Largest", "Change"),
            notes=("",) * 4,
            rows=(*first, *theirs),
        )
        return [DataTable(name="ranges", caption=caption, table=table)]
    return []


def _at(data: ReportData, claim: LevelClaim, level: str) -> list[Run]:
    return [run for run in data.complete if shown_setting(run.factors.get(claim.factor), most=None) == level]


def _best(data: ReportData, name: str, runs: Sequence[Run]) -> float:
    values = [
        float(run.metrics[name]["value"])
        for run in runs
        if name in run.metrics and run.metrics[name]["value"] is not None
    ]
    choose = max if data.metrics[name].higher_is_better else min
    return choose(values, default=math.nan)


def _row(name: str, smallest: float, largest: float) -> tuple[Cell, ...]:
    digits = 1 if max(abs(smallest), abs(largest)) >= 2 else 3
    change = largest - smallest
    sign = "+" if change > 0 else ""
    return (
        Cell(text=name, key=name),
        Cell(text=fixed(smallest, digits), key=smallest),
        Cell(text=fixed(largest, digits), key=largest),
        Cell(text=sign + fixed(change, digits), key=change),
    )
