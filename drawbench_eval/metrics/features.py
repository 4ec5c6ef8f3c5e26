"""What the metrics of feature vectors share: images are taken once, and the state is one handle an image."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbench_eval.features.bank import FeatureSource, Handles, Vectors, blocks
from drawbench_eval.features.base import Pixels
from drawbench_eval.metrics.base import EvalMetric, MetricValue, present, rows
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.protocol import Scalar
from drawbench_eval.references import AnyReference, Reference


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
    """A metric of images against a reference set.

    Raises ValueError for statistics of another extractor.
    """

    reference: AnyReference
    sizes: list[Tensor]

    def __init__(
        self,
        *,
        source: FeatureSource,
        reference: AnyReference,
        prompt_set: PromptSet,
        conditions: Mapping[str, Scalar],
    ) -> None:
        super().__init__(source=source, prompt_set=prompt_set, conditions=conditions)
        try:
            reference.check(source.extractor)
        except ValueError as error:
            raise ValueError(f"metrics: {self.name}: {error}") from error
        self.reference = reference
        self.add_state("sizes", default=[], dist_reduce_fx="cat")

    def score(self, images: Sequence[Pixels | None], prompts: Sequence[Prompt]) -> None:
        """Takes the features of the images that are there, and notes their sizes."""
        super().score(images, prompts)
        sizes = [image.shape[:2] for image in images if image is not None]
        self.sizes.append(torch.tensor(sizes, dtype=torch.int32).reshape(-1, 2))

    def value(
        self, value: float, ci95: tuple[float, float], n: int, notes: Sequence[str] = ()
    ) -> MetricValue:
        """The metric's value; a note says where images and reference are not of one size."""
        said = [] if math.isnan(value) else self._unlike_sizes()
        return super().value(value, ci95, n, [*notes, *said])

    def _unlike_sizes(self) -> list[str]:
        here = {(int(height), int(width)) for height, width in rows(self.sizes, _NO_SIZES)}
        there = self.reference.sizes(self.source)
        # Sets of photographs of many sizes are alike.
        if not here or not there or here == there or min(len(here), len(there)) > 1:
            return []
        sizes = f"the images are {_said(here)} and the reference's {_said(there)}"
        return [f"{sizes}: what crop or resize does to one side alone is in the value"]

    def protocol_values(self) -> Mapping[str, Scalar]:
        """The extractor, the reference and its size."""
        return {**super().protocol_values(), **self.reference.identity()}


class ReferenceImagesMetric(ReferenceMetric):
    """A metric that needs the features of every image of the reference.

    Raises ValueError for mere statistics.
    """

    reference: Reference

    def __init__(
        self,
        *,
        source: FeatureSource,
        reference: AnyReference,
        prompt_set: PromptSet,
        conditions: Mapping[str, Scalar],
    ) -> None:
        if not isinstance(reference, Reference):
            raise ValueError(
                f"metrics: {self.name} needs images and reference=statistics has only their mean and "
                "covariance; write reference=folder reference.path=FOLDER, or leave it out"
            )
        super().__init__(source=source, reference=reference, prompt_set=prompt_set, conditions=conditions)

    def reference_vectors(self) -> Vectors:
        """The reference's features, float32 [m, d], in memory at once."""
        return np.concatenate(
            list(blocks(self.source, self.reference.handles(self.source))) or [self.empty()]
        )


_NO_SIZES = np.zeros((0, 2), dtype=np.int32)


def _said(sizes: Collection[tuple[int, int]]) -> str:
    """Width x height, as image tools say it."""
    if len(sizes) > 1:
        return f"of {len(sizes)} sizes"
    ((height, width),) = sizes
    return f"{width}x{height}"
