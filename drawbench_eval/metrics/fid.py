"""`fid`: Frechet distance in the pool features of Inception-v3 2015-12-05 (Heusel et al. 2017)."""

from __future__ import annotations

from drawbench_eval.metrics.frechet import FrechetMetric


class Fid(FrechetMetric):
    """Frechet distance to the reference in the 2048-d pool features of Inception-v3 2015-12-05."""

    name = "fid"
