"""`diversity`: how far the images of one prompt are from each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.metrics.base import MetricResult
from drawbench_eval.metrics.features import FeatureMetric
from drawbench_eval.stats.clustered import clustered_mean


class Diversity(FeatureMetric):
    """Mean pairwise feature distance |x - x'| among a prompt's images, averaged over prompts.

    A sample's column is its mean distance to the prompt's other images. Prompts with a single image have no
    diversity: their samples are unscored.
    """

    name = "diversity"
    version = 1
    unit = "feature distance"
    higher_is_better = True

    def compute(self) -> MetricResult:
        """The mean over prompts and its interval."""
        clusters = self.scored_clusters()
        values = mean_distances(self.all_vectors().astype(np.float64), clusters)
        _, index = np.unique(clusters[np.isfinite(values)], return_inverse=True)
        sums = np.bincount(index, weights=values[np.isfinite(values)])
        means = sums / np.bincount(index)
        mean = clustered_mean(means, np.arange(len(means)))
        notes = [] if len(index) else ["undefined: no prompt has two images"]
        value = self.value(mean.value, mean.interval(), len(index), notes)
        return MetricResult(value, {self.name: self.column(values)})


def mean_distances(vectors: NDArray[np.float64], clusters: NDArray[np.int64]) -> NDArray[np.float64]:
    """The mean distance of each vector to the others of its cluster; NaN where it is alone."""
    values = np.full(len(vectors), np.nan)
    order = np.argsort(clusters, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(clusters[order])) + 1):
        if len(members) > 1:
            apart = vectors[members][:, None] - vectors[members][None]
            values[members] = np.linalg.norm(apart, axis=2).sum(axis=1) / (len(members) - 1)
    return values
