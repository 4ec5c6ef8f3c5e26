"""What the numbers cannot say, and what was assumed where the paper is silent."""

from collections.abc import Iterable, Mapping, Sequence

from drawbench_eval.analysis.assumptions import assumptions
from drawbench_eval.analysis.claims import CLAIMS
from drawbench_eval.analysis.collect import MetricInfo, Run, common
from drawbench_eval.analysis.findings import FEW_PROMPTS, in_series
from drawbench_eval.analysis.measures import measure
from drawbench_eval.report.blocks import Block, Bullets, Paragraph, Section
from drawbench_eval.report.data import ReportData
from drawbench_eval.report.evidence import tested
from drawbench_eval.report.numbers import setting

SCENES = (
    "A procedural world of coloured shapes, a base at a quarter of the side of Imagen's (16 against 64) and "
    "images at a sixteenth (64 against 1024), and scorers trained on that world. It can say how the "
    "mechanisms behave in a world small enough to check. It says nothing about natural images, and neither "
    "supports nor refutes the paper's claims about them."
)
CHECKPOINTS = (
    "Intervals carry the sampling of prompts and seeds only. Another training run of the same model would "
    "differ by more than they say."
)
CHOSEN = (
    "The best weight of a curve is flattering where it is measured on the samples it was chosen on. "
    "Findings about a best weight choose it on one half of the prompts and measure it on the other; where "
    "that is not so, they say so. The front is chosen on the samples it is shown on; its shares of "
    "resamplings say how far that choice can be trusted."
)
DEPENDS_ON_N = (
    "It estimates its expected value at this number of images, which is larger than at more images. "
    "Compare it only at equal n and equal protocol."
)
MANY_TESTS = (
    "{number} findings about the paper's claims at 95 % each, not corrected for their number. Differences of "
    "curves and of ablations are corrected within their families."
)
MIXED = (
    "Numbers of unlike protocol stand together here because that was asked for. The last section lists the "
    "protocols; differences between such numbers may come from them."
)


def is_scenes(data: ReportData) -> bool:
    """Whether the numbers come from the embedded world, and are of it."""
    return any("scenes" in name for name in data.metrics) and not blind_metrics(data.complete, data.metrics)


def blind_metrics(runs: Iterable[Run], metrics: Mapping[str, MetricInfo]) -> tuple[str, ...]:
    """Metrics of the scenes world's scorers, where some run's prompts are not of that world."""
    names = [str(run.factors.get("prompts.name", "")) for run in runs]
    if all(name.startswith("scenes") for name in names):
        return ()
    return tuple(
        metric
        for metric, info in metrics.items()
        if any(str(values.get("extractor", "")).startswith("scenes") for values in info.protocols.values())
    )


def said_of_blind(metrics: Sequence[str]) -> str:
    """What such metrics say, and what they do not."""
    names = in_series([measure(name).short for name in metrics])
    return (
        f"What was measured here: {names}, by the small networks that come with drawbench-eval and need no "
        "download. They were trained on drawn coloured shapes and have never seen a photograph, so they tell "
        "sets of images apart by colour and texture. The figures show that counting, pairing and testing "
        "work; they do not say which model draws better. For that, take metrics=[fid,clip_score]."
    )


def limits_section(data: ReportData) -> Section:
    """Limits that these runs have, then the assumptions behind their settings."""
    blocks: list[Block] = [Bullets(items=tuple(_limits(data)))]
    assumed = assumptions(common(data.runs), data.metrics)
    if assumed:
        intro = "The paper leaves these open, so the values here are assumptions:"
        names = [f"{a.name} = {setting(a.value)}:" if a.value != "" else f"{a.name}:" for a in assumed]
        items = tuple((name, a.text) for name, a in zip(names, assumed, strict=True))
        blocks += [Paragraph(text=intro), Bullets(items=items)]
    return Section(title="Limits and assumptions", blocks=tuple(blocks))


def _limits(data: ReportData) -> list[tuple[str, str]]:
    prompts = min(scores["prompt_id"].nunique() for scores in data.scores.values())
    told = [CLAIMS[finding.key].caveat for finding in tested(data) if finding.key in CLAIMS]
    caveats = [text for text in dict.fromkeys(told) if text]
    limits = [
        ("The scenes world.", SCENES, is_scenes(data)),
        ("These checkpoints.", CHECKPOINTS, True),
        ("Chosen weights.", CHOSEN, any(len(curve.weights) > 1 for curve in data.curves)),
        (
            "Many tests.",
            MANY_TESTS.format(number=len(tested(data))),
            len(tested(data)) > 1,
        ),
        ("The Fréchet distance depends on n.", DEPENDS_ON_N, data.distance is not None),
        ("What else may be behind it.", " ".join(caveats), bool(caveats)),
        ("Few prompts.", f"Intervals from {prompts} prompts are rough.", prompts < FEW_PROMPTS),
        ("Mixed protocols.", MIXED, data.mixed),
    ]
    return [(lead, text) for lead, text, applies in limits if applies]
