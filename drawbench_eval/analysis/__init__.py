"""Analysis of finished runs: one table, Pareto fronts, and what the runs say of the paper's claims."""

from drawbench_eval.analysis.collect import Run, as_frame, collect, read_runs
from drawbench_eval.analysis.curves import Curve, make_curves
from drawbench_eval.analysis.findings import Finding
from drawbench_eval.analysis.mechanism import find
from drawbench_eval.analysis.pareto import pareto_front

__all__ = [
    "Curve",
    "Finding",
    "Run",
    "as_frame",
    "collect",
    "find",
    "make_curves",
    "pareto_front",
    "read_runs",
]
