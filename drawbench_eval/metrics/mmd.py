"""The part that the kernel distances share: `kid` and `cmmd` add a kernel, an estimator and a scale."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.features.bank import Vectors
from drawbench_eval.metrics.base import MetricResult
from drawbench_eval.metrics.features import ReferenceImagesMetric
from drawbench_eval.protocol import Scalar
from drawbench_eval.stats.clustered import Estimate, clustered_mean, t_quantile
from drawbench_eval.stats.kernels import Array, Discrepancy, discrepancy


class KernelMetric(ReferenceImagesMetric):
    """Squared maximum mean discrepancy of all samples and the whole reference; lower is better.

    The error is that of the statistic on both sides: the generated one clustered by prompt, the reference's
    by image. It is of first order: where both distributions are nearly equal it is 1.4 times too wide, and no
    interval is claimed. Features of both sides are held in memory (float32), kernels in blocks.
    """

    version = 1
    unit = "squared discrepancy"
    higher_is_better = False

    scale: ClassVar[float] = 1.0
    unbiased: ClassVar[bool]
    kernel_name: ClassVar[str]

    def compute(self) -> MetricResult:
        """The discrepancy, its interval, and what each sample adds. Undefined below two images a side."""
        x = self.prepared(self.all_vectors())
        n = len(x)
        if n < 2 or self.reference.num_images < 2:
            note = f"undefined at {n} and {self.reference.num_images} reference images; it takes 2 of each"
            undefined = self.value(math.nan, (math.nan, math.nan), n, [note])
            return MetricResult(undefined, {self.name: self.column(math.nan)})
        found = discrepancy(x, self.prepared(self.reference_vectors()), self.kernel, unbiased=self.unbiased)
        value = self.scale * found.value
        error = _error(found, self.scored_clusters())
        reach = t_quantile(error.num_clusters - 1, 0.95) * self.scale * error.standard_error
        influence = self.column(self.scale * found.influence_x)
        return MetricResult(self.value(value, (value - reach, value + reach), n), {self.name: influence})

    @abstractmethod
    def kernel(self, a: Array, b: Array) -> Array:
        """The kernel of rows [n, d] and [m, d]: [n, m], float64."""

    def prepared(self, vectors: Vectors) -> Vectors:
        """The vectors as the kernel reads them."""
        return vectors

    def protocol_values(self) -> Mapping[str, Scalar]:
        """The kernel and the estimator."""
        return {
            **super().protocol_values(),
            "kernel": self.kernel_name,
            "estimator": "U-statistic over all pairs" if self.unbiased else "V-statistic over all pairs",
            "scale": self.scale,
        }


def _error(found: Discrepancy, clusters: NDArray[np.int64]) -> Estimate:
    generated = clustered_mean(found.influence_x, clusters)
    reference = clustered_mean(found.influence_y, np.arange(len(found.influence_y)))
    return Estimate(
        value=found.value,
        standard_error=math.hypot(generated.standard_error, reference.standard_error),
        n=generated.n,
        num_clusters=generated.num_clusters,
    )
