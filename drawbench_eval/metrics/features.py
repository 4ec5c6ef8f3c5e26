"""What the metrics of feature vectors share: images are taken once, and the state is one handle an image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbench_eval.features.bank import FeatureSource, Handles, Vectors, blocks
from drawbench_eval.features.base import Pixels
from drawbench_eval.metrics.base import EvalMetric, present, rows
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.protocol import Scalar
from drawbench_eval.references import Reference


class FeatureMetric(EvalMetric):
    """A metric of the features of images. Vectors are float32, every sum over them float64."""

    scored: list[Tensor]
    handles: list[Tensor]

    def __init__(
        self, *, source: FeatureSource, prompt_set: PromptSet, conditions: Mapping[str, Scalar]
    ) -> None:
        super().__init__(prompt_set=prompt_set, conditions=conditions)
        self.source = source
        self.add_state("scored", default=[], dist_reduce_fx="cat")
        self.add_state("handles", default=[], dist_reduce_fx="cat")

    def score(self, images: Sequence[Pixels | None], prompts: Sequence[Prompt]) -> None:  # noqa: ARG002  (sets, not pairs)
        """Takes the features of the images that are there."""
        handles = self.source.take([image for image in images if image is not None])
        mask = np.zeros(len(images), dtype=np.bool_)
        mask[present(images)] = True
        self.scored.append(torch.from_numpy(mask))
        self.handles.append(torch.from_numpy(handles.copy()))

    def protocol_values(self) -> Mapping[str, Scalar]:
        """The extractor; features are float32, sums float64."""
        return {**self.source.extractor.identity(), "precision": "float32 features, float64 sums"}

    def scored_rows(self) -> NDArray[np.bool_]:
        """Which of the samples fed have features: [number of samples]."""
        return rows(self.scored, np.zeros(0, dtype=np.bool_))

    def all_handles(self) -> Handles:
        """The handles of all scored samples."""
        parts = self.handles if isinstance(self.handles, list) else [self.handles]
        arrays = [part.cpu().numpy() for part in parts if len(part)]
        return np.concatenate(arrays) if arrays else self.source.take([])

    def all_vectors(self) -> Vectors:
        """The features of all scored samples, float32 [n, d], in memory at once."""
        return np.concatenate(list(blocks(self.source, self.all_handles())) or [self.empty()])

    def empty(self) -> Vectors:
        """No vectors."""
        return np.zeros((0, self.source.extractor.dim), dtype=np.float32)

    def scored_clusters(self) -> NDArray[np.int64]:
        """The prompt of every scored sample, as an integer."""
        return self.cluster_keys()[self.scored_rows()]

    def column(self, values: NDArray[np.floating] | NDArray[np.bool_] | float) -> NDArray[np.float64]:
        """Values of the scored samples as a column of all samples, NaN where unscored."""
        scored = self.scored_rows()
        column = np.full(len(scored), np.nan)
        column[scored] = values
        return column


class ReferenceMetric(FeatureMetric):
    """A metric of images against a reference set."""

    def __init__(
        self,
        *,
        source: FeatureSource,
        reference: Reference,
        prompt_set: PromptSet,
        conditions: Mapping[str, Scalar],
    ) -> None:
        super().__init__(source=source, prompt_set=prompt_set, conditions=conditions)
        self.reference = reference

    def protocol_values(self) -> Mapping[str, Scalar]:
        """The extractor, the reference and its size."""
        return {**super().protocol_values(), **self.reference.identity()}

    def reference_vectors(self) -> Vectors:
        """The reference's features, float32 [m, d], in memory at once."""
        return np.concatenate(
            list(blocks(self.source, self.reference.handles(self.source))) or [self.empty()]
        )
