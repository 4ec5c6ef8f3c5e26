"""`fd_dinov2`: Frechet distance in the features of DINOv2 (Stein et al. 2023, arXiv:2306.04675)."""

from __future__ import annotations

from drawbench_eval.metrics.frechet import FrechetMetric


class FdDinov2(FrechetMetric):
    """Frechet distance to the reference in the class token of DINOv2."""

    name = "fd_dinov2"
