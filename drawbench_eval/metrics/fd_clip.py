"""`fd_clip`: Frechet distance in CLIP's image features. It is not an FID."""

from __future__ import annotations

from drawbench_eval.metrics.frechet import FrechetMetric


class FdClip(FrechetMetric):
    """Frechet distance to the reference in CLIP's image features, not normalised."""

    name = "fd_clip"
