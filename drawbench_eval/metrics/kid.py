"""`kid`: kernel inception distance (Binkowski et al. 2018, arXiv:1801.01401), over all pairs."""

from __future__ import annotations

from drawbench_eval.metrics.mmd import KernelMetric
from drawbench_eval.stats.kernels import Array, polynomial


class Kid(KernelMetric):
    """MMD^2 with the kernel (x.y / d + 1)^3 on Inception features, unbiased: it may be slightly negative.

    Peers average random subsets of 1,000 and print the spread over them; this is the statistic that such
    averages estimate, computed from every pair, with its own standard error.
    """

    name = "kid"
    unbiased = True
    kernel_name = "(x.y/d + 1)^3"

    def kernel(self, a: Array, b: Array) -> Array:
        """The cubic kernel."""
        return polynomial(a, b)
