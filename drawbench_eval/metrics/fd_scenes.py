"""`fd_scenes`: Frechet distance in the features of the embedded world's image network. It is not an FID."""

from __future__ import annotations

from drawbench_eval.metrics.frechet import FrechetMetric


class FdScenes(FrechetMetric):
    """Frechet distance between generated scenes and scenes rendered from the same captions."""

    name = "fd_scenes"
