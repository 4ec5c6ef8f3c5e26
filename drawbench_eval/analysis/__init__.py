"""Analysis of finished runs: one table, fronts, curves, ablations, and the claims of the paper."""

from drawbench_eval.analysis.ablation import Ablation, AblationPlan, ablate
from drawbench_eval.analysis.collect import Run, as_frame, collect, read_runs
from drawbench_eval.analysis.curve_pairs import CurvePair, compare_curves
from drawbench_eval.analysis.curves import Curve, make_curves
from drawbench_eval.analysis.findings import Finding
from drawbench_eval.analysis.fronts import Front, find_front
from drawbench_eval.analysis.level_findings import find_at_levels
from drawbench_eval.analysis.mechanism import find
from drawbench_eval.analysis.pareto import pareto_front
from drawbench_eval.analysis.summary import summarise

__all__ = [
    "Ablation",
    "AblationPlan",
    "Curve",
    "CurvePair",
    "Finding",
    "Front",
    "Run",
    "ablate",
    "as_frame",
    "collect",
    "compare_curves",
    "find",
    "find_at_levels",
    "find_front",
    "make_curves",
    "pareto_front",
    "read_runs",
    "summarise",
]
