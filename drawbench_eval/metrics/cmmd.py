"""`cmmd`: CLIP maximum mean discrepancy (Jayasumana et al. 2024, arXiv:2401.09603)."""

from __future__ import annotations

import numpy as np

from drawbench_eval.features.bank import Vectors
from drawbench_eval.metrics.mmd import KernelMetric
from drawbench_eval.stats.kernels import Array, gaussian

SIGMA = 10.0


class Cmmd(KernelMetric):
    """1,000 times MMD^2 of CLIP image features of length 1, with a Gaussian kernel of sigma 10.

    As published it keeps the diagonals (a V-statistic), so it is biased upward by about 1000 (1/n + 1/m) (1 -
    mean kernel): compare at equal n.
    """

    name = "cmmd"
    unbiased = False
    scale = 1000.0
    kernel_name = "exp(-|x-y|^2 / (2 10^2)), unit vectors"

    def kernel(self, a: Array, b: Array) -> Array:
        """The Gaussian kernel."""
        return gaussian(a, b, sigma=SIGMA)

    def prepared(self, vectors: Vectors) -> Vectors:
        """The vectors at length 1."""
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)
