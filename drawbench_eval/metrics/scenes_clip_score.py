"""`scenes_clip_score`: how well image and caption agree, by the embedded world's dual encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from drawbench_eval.features.scenes import ClipScorer, cosines
from drawbench_eval.metrics.base import EvalMetric, MetricResult, Pixels, present, rows
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.protocol import Scalar
from drawbench_eval.stats.clustered import clustered_mean


class ScenesClipScore(EvalMetric):
    """Mean raw cosine in [-1, 1] of image and caption (its scoring text, if any), float32 per pair."""

    name = "scenes_clip_score"
    version = 1
    unit = "cosine"
    higher_is_better = True
    needs_text = True
    is_mean = True

    cosine: list[Tensor]

    def __init__(
        self, *, scorer: ClipScorer, batch_size: int, prompt_set: PromptSet, conditions: Mapping[str, Scalar]
    ) -> None:
        super().__init__(prompt_set=prompt_set, conditions=conditions)
        self.scorer = scorer
        self.batch_size = batch_size
        self.add_state("cosine", default=[], dist_reduce_fx="cat")

    def score(self, images: Sequence[Pixels | None], prompts: Sequence[Prompt]) -> None:
        """Adds the cosine of each image that is there with its caption."""
        there = present(images)
        column = np.full(len(images), np.nan, dtype=np.float32)
        column[there] = cosines(
            self.scorer,
            [image for image in images if image is not None],
            [prompts[index].text_to_score for index in there],
            batch_size=self.batch_size,
        )
        self.cosine.append(torch.from_numpy(column))

    def compute(self) -> MetricResult:
        """The mean, its interval clustered by prompt, and the cosines."""
        column = rows(self.cosine, np.zeros(0, dtype=np.float32))
        scored = ~np.isnan(column)
        mean = clustered_mean(column[scored], self.cluster_keys()[scored])
        return MetricResult(self.value(mean.value, mean.interval(), mean.n), {self.name: column})

    def protocol_values(self) -> Mapping[str, Scalar]:
        """The network and the form of the score."""
        return {
            "extractor": "scenes_clip",
            "extractor.weights_sha256": self.scorer.weights_sha256,
            "view": "raw cosine",
            "prefix": "",
            "precision": "float32",
        }
