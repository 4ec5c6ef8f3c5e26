"""The part that all Frechet distances share; `fd_scenes` and its relatives add a name and an extractor."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbench_eval.features.bank import FeatureSource, Handles, blocks
from drawbench_eval.features.base import Pixels
from drawbench_eval.metrics.base import EvalMetric, MetricResult, present, rows
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.protocol import Scalar
from drawbench_eval.references import Reference
from drawbench_eval.stats.clustered import clustered_mean
from drawbench_eval.stats.frechet import frechet_distance, influence_function
from drawbench_eval.stats.moments import Moments


class FrechetMetric(EvalMetric):
    """Frechet distance to a reference; lower is better.

    The estimand is E[FD at this n], so n is part of the protocol.

    The error comes from the influence of each sample, clustered by prompt; the influences are the per-sample
    column, so that two runs can be compared pair by pair from their columns alone.
    """

    version = 1
    unit = "squared feature distance"
    higher_is_better = False

    moments: Tensor
    scored: list[Tensor]
    handles: list[Tensor]

    def __init__(
        self,
        *,
        source: FeatureSource,
        reference: Reference,
        prompt_set: PromptSet,
        conditions: Mapping[str, Scalar],
    ) -> None:
        super().__init__(prompt_set=prompt_set, conditions=conditions)
        self.source = source
        self.extractor = source.extractor
        self.reference = reference
        # n, mean and scatter only merge together, and torchmetrics reduces states one by one: hence one
        # packed state.
        empty = torch.from_numpy(Moments.empty(self.extractor.dim).pack())
        self.add_state("moments", default=empty, dist_reduce_fx=merge_packed)
        self.add_state("scored", default=[], dist_reduce_fx="cat")
        self.add_state("handles", default=[], dist_reduce_fx="cat")

    def score(self, images: Sequence[Pixels | None], prompts: Sequence[Prompt]) -> None:  # noqa: ARG002  (sets, not pairs)
        """Takes the features of the images that are there."""
        handles = self.source.take([image for image in images if image is not None])
        mask = np.zeros(len(images), dtype=np.bool_)
        mask[present(images)] = True
        merged = self._moments().merge(Moments.of(self.source.vectors(handles)))
        self.moments = torch.from_numpy(merged.pack()).to(self.moments.device)
        self.scored.append(torch.from_numpy(mask))
        self.handles.append(torch.from_numpy(handles.copy()))

    def compute(self) -> MetricResult:
        """The distance, its interval and the influences. Undefined (NaN) below two scored images."""
        scored = rows(self.scored, np.zeros(0, dtype=np.bool_))
        column = np.full(len(scored), np.nan)
        generated = self._moments()
        if generated.n < 2:
            return MetricResult(self.value(math.nan, (math.nan, math.nan), generated.n), {self.name: column})
        reference = self.reference.moments(self.source)
        influence = influence_function(generated, reference)
        column[scored] = np.concatenate([influence(block) for block in blocks(self.source, self._handles())])
        error = clustered_mean(column[scored], self.cluster_keys()[scored])
        estimate = error.moved_to(frechet_distance(generated, reference))
        return MetricResult(self.value(estimate.value, estimate.interval(), generated.n), {self.name: column})

    def protocol_values(self) -> Mapping[str, Scalar]:
        """The extractor, the reference and its size; features are float32, sums float64."""
        return {
            **self.extractor.identity(),
            "reference.sha256": self.reference.sha256,
            "reference.n_requested": self.reference.num_images,
            "precision": "float32 features, float64 moments",
        }

    def _handles(self) -> Handles:
        parts = self.handles if isinstance(self.handles, list) else [self.handles]
        return np.concatenate([part.cpu().numpy() for part in parts])

    def _moments(self) -> Moments:
        packed: NDArray[np.float64] = self.moments.cpu().numpy()
        return Moments.unpack(packed, self.extractor.dim)


def merge_packed(stacked: Tensor) -> Tensor:
    """Packed moments of several shards [shards, 1 + d + d*d] -> those of all of them together."""
    packed = stacked.cpu().numpy()
    # 1 + d + d*d = k for the dimension d.
    dim = (math.isqrt(4 * packed.shape[1] - 3) - 1) // 2
    total = Moments.empty(dim)
    for shard in packed:
        total = total.merge(Moments.unpack(shard, dim))
    return torch.from_numpy(total.pack()).to(stacked.device)
