"""`fid_infinity`: the FID of infinitely many samples, by extrapolation (Chong and Forsyth 2020)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from drawbench_eval.features.bank import FeatureSource
from drawbench_eval.metrics.base import MetricResult
from drawbench_eval.metrics.features import ReferenceMetric
from drawbench_eval.metrics.frechet import reference_notes
from drawbench_eval.prompt import PromptSet
from drawbench_eval.protocol import Scalar
from drawbench_eval.references import AnyReference
from drawbench_eval.stats.extrapolation import NUM_GROUPS, NUM_SIZES, frechet_infinity, smallest_size


class FidInfinity(ReferenceMetric):
    """Frechet distance to the reference, read at 1/n = 0; the reference's own bias stays.

    Under 5 images a dimension (10,240 for Inception) or under 10 prompts it is undefined, and says so.
    """

    name = "fid_infinity"
    version = 1
    unit = "squared feature distance"
    higher_is_better = False

    def __init__(
        self,
        *,
        seed: int = 0,
        source: FeatureSource,
        reference: AnyReference,
        prompt_set: PromptSet,
        conditions: Mapping[str, Scalar],
    ) -> None:
        super().__init__(source=source, reference=reference, prompt_set=prompt_set, conditions=conditions)
        self.seed = seed

    def compute(self) -> MetricResult:
        """The extrapolated distance and its jackknife interval."""
        clusters = self.scored_clusters()
        n, enough = len(clusters), smallest_size(self.source.extractor.dim)
        num_prompts = len(np.unique(clusters))
        if n < enough or num_prompts < NUM_GROUPS:
            note = f"undefined at {n} images, {num_prompts} prompts; it takes {enough} and {NUM_GROUPS}"
            return MetricResult(self.value(math.nan, (math.nan, math.nan), n, [note]), {})
        reference = self.reference.moments(self.source)
        estimate = frechet_infinity(self.all_vectors(), clusters, reference, seed=self.seed)
        notes = reference_notes(reference)
        return MetricResult(self.value(estimate.value, estimate.interval(), n, notes), {})

    def protocol_values(self) -> Mapping[str, Scalar]:
        """How the line is fitted."""
        fit = f"weighted line over 1/n, {NUM_SIZES} sizes from n/2 to n, disjoint runs of prompts"
        return {**super().protocol_values(), "fit": fit, "fit.seed": self.seed}
