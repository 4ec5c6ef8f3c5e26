"""`precision`, `recall`, `density`, `coverage`: fidelity and variety by nearest neighbours (k = 5)."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping

import numpy as np

from drawbench_eval.features.bank import FeatureSource
from drawbench_eval.metrics.base import MetricResult
from drawbench_eval.metrics.features import ReferenceImagesMetric
from drawbench_eval.prompt import PromptSet
from drawbench_eval.protocol import Scalar
from drawbench_eval.references import AnyReference
from drawbench_eval.stats.clustered import clustered_mean, share_interval
from drawbench_eval.stats.neighbors import Neighborhoods, neighborhoods


class NeighborhoodMetric(ReferenceImagesMetric):
    """A mean over one set's vectors of where they lie in the other's neighbourhoods.

    The interval takes the other set as given: precision and density vary with the prompts, recall and
    coverage with the reference's images. Both change with n, which is part of the protocol.
    """

    version = 1
    unit = "share"
    higher_is_better = True

    def __init__(
        self,
        *,
        k: int = 5,
        source: FeatureSource,
        reference: AnyReference,
        prompt_set: PromptSet,
        conditions: Mapping[str, Scalar],
    ) -> None:
        if k < 1:
            raise ValueError(f"metrics.{self.name}.k: {k} is not at least 1")
        super().__init__(source=source, reference=reference, prompt_set=prompt_set, conditions=conditions)
        self.k = k

    def compute(self) -> MetricResult:
        """The mean and its interval. Undefined where either side has no k-th neighbour."""
        x, y = self.all_vectors(), self.reference_vectors()
        if min(len(x), len(y)) <= self.k:
            note = (
                f"undefined at {len(x)} and {len(y)} reference images; "
                f"with k = {self.k} it takes {self.k + 1} of each"
            )
            undefined = self.value(math.nan, (math.nan, math.nan), len(x), [note])
            return MetricResult(undefined, {self.name: self.column(math.nan)})
        return self.of(neighborhoods(x, y, k=self.k))

    @abstractmethod
    def of(self, found: Neighborhoods) -> MetricResult:
        """The metric's value from the neighbourhoods."""

    def protocol_values(self) -> Mapping[str, Scalar]:
        """k, beside extractor and reference."""
        return {**super().protocol_values(), "k": self.k}


class Precision(NeighborhoodMetric):
    """Share of generated images that lie in the reference's manifold: fidelity."""

    name = "precision"

    def of(self, found: Neighborhoods) -> MetricResult:
        """A share clustered by prompt, with Wilson's interval."""
        share = clustered_mean(found.realistic, self.scored_clusters())
        return MetricResult(
            self.value(share.value, share_interval(share), share.n), {self.name: self.column(found.realistic)}
        )


class Density(NeighborhoodMetric):
    """How many reference balls a generated image lies in, over k: fidelity, and robust to outliers."""

    name = "density"
    unit = "ratio"

    def of(self, found: Neighborhoods) -> MetricResult:
        """A mean clustered by prompt."""
        mean = clustered_mean(found.density, self.scored_clusters())
        return MetricResult(
            self.value(mean.value, mean.interval(), mean.n), {self.name: self.column(found.density)}
        )


class Recall(NeighborhoodMetric):
    """Share of reference images that lie in the generated manifold: variety."""

    name = "recall"

    def of(self, found: Neighborhoods) -> MetricResult:
        """A share over the reference's images; generated samples have no column of their own."""
        share = clustered_mean(found.recalled, np.arange(len(found.recalled)))
        return MetricResult(self.value(share.value, share_interval(share), len(found.realistic)), {})


class Coverage(NeighborhoodMetric):
    """Share of reference images with a generated one in their own ball: variety, robust to outliers.

    The reference's images are not independent here, as each has a say in the balls of its neighbours: the
    interval is about a fifth too narrow (it covers 90 % and less where measured) and no 95 % is claimed.
    """

    name = "coverage"

    def of(self, found: Neighborhoods) -> MetricResult:
        """A share over the reference's images; generated samples have no column of their own."""
        share = clustered_mean(found.covered, np.arange(len(found.covered)))
        return MetricResult(self.value(share.value, share_interval(share), len(found.realistic)), {})
