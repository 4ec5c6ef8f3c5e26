"""The part that all Frechet distances share; `fid`, `fd_scenes` and their relatives add a name."""

from __future__ import annotations

import math

import numpy as np

from drawbench_eval.features.bank import blocks
from drawbench_eval.metrics.base import MetricResult
from drawbench_eval.metrics.features import ReferenceMetric
from drawbench_eval.stats.clustered import clustered_mean
from drawbench_eval.stats.frechet import frechet_distance, influence_function
from drawbench_eval.stats.moments import Gaussian, Moments


class FrechetMetric(ReferenceMetric):
    """Frechet distance to a reference; lower is better.

    The estimand is E[FD at this n], so n is part of the protocol.

    The error comes from the influence of each sample, clustered by prompt; the influences are the per-sample
    column, so that two runs can be compared pair by pair from their columns alone. Both need one pass more
    over the features, in blocks.
    """

    version = 1
    unit = "squared feature distance"
    higher_is_better = False

    def compute(self) -> MetricResult:
        """The distance, its interval and the influences. Undefined (NaN) below two scored images."""
        handles = self.all_handles()
        dim = self.source.extractor.dim
        generated = Moments.empty(dim)
        for block in blocks(self.source, handles):
            generated = generated.merge(Moments.of(block))
        if generated.n < 2:
            note = f"undefined at {generated.n} images; it takes 2"
            undefined = self.value(math.nan, (math.nan, math.nan), generated.n, [note])
            return MetricResult(undefined, {self.name: self.column(math.nan)})
        reference = self.reference.moments(self.source)
        influence = influence_function(generated, reference)
        column = self.column(np.concatenate([influence(block) for block in blocks(self.source, handles)]))
        error = clustered_mean(column[self.scored_rows()], self.scored_clusters())
        estimate = error.moved_to(frechet_distance(generated, reference))
        notes = [*_few("scored", generated), *reference_notes(reference)]
        value = self.value(estimate.value, estimate.interval(), generated.n, notes)
        return MetricResult(value, {self.name: column})


def reference_notes(reference: Moments | Gaussian) -> list[str]:
    """What must be said of the reference: its share of the bias grows as its images get fewer."""
    if isinstance(reference, Moments):
        return _few("reference", reference)
    rank, dim = reference.max_rank, len(reference.mean)
    unknown = "their number of images, and what that adds to the value, is unknown"
    notes = [f"reference statistics assumed to be of this extractor and these weights; {unknown}"]
    if rank < dim:
        notes.append(f"the reference's covariance has a rank of {rank} in {dim} dimensions: few images?")
    return notes


def _few(side: str, moments: Moments) -> list[str]:
    dim = len(moments.mean)
    if moments.n >= dim:
        return []
    return [
        f"{moments.n} {side} images are fewer than {dim} dimensions: exact, but far above the value of more"
    ]
