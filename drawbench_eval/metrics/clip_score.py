"""`clip_score`: the cosine of image and prompt by CLIP. One name, eight scales: the view is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbench_eval.features.bank import FeatureSource
from drawbench_eval.features.clip import Clip, cosines
from drawbench_eval.metrics.base import EvalMetric, MetricResult, Pixels, present, rows
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.protocol import Scalar
from drawbench_eval.stats.clustered import clustered_mean

# View -> (factor, whether negative cosines count as 0, unit).
VIEWS = {
    "cosine": (1.0, False, "cosine"),
    "x100": (100.0, False, "100 x cosine"),
    "clipscore_w2.5": (2.5, True, "2.5 x cosine"),
}
CLIPSCORE_PREFIX = "A photo depicts "


class ClipScore(EvalMetric):
    """Mean over pairs of a view of the raw cosine of image and text.

    view: `cosine`; `x100`, as torchmetrics prints it; `clipscore_w2.5`, 2.5 max(cosine, 0) for each pair
    (Hessel et al. 2021, arXiv:2104.08718, who put "A photo depicts " before the text: `prefix`). The column
    `clip_score` is always the raw cosine.
    """

    name = "clip_score"
    version = 1
    higher_is_better = True
    needs_text = True
    is_mean = True

    cosine: list[Tensor]
    cut: list[Tensor]

    def __init__(
        self,
        *,
        clip: Clip,
        source: FeatureSource,
        view: str = "cosine",
        prefix: str = "",
        prompt_set: PromptSet,
        conditions: Mapping[str, Scalar],
    ) -> None:
        if view not in VIEWS:
            raise ValueError(f"metrics.clip_score.view: {view} is not one of {', '.join(VIEWS)}")
        super().__init__(prompt_set=prompt_set, conditions=conditions)
        self.clip, self.source, self.view, self.prefix = clip, source, view, prefix
        self.unit = VIEWS[view][2]
        self.add_state("cosine", default=[], dist_reduce_fx="cat")
        self.add_state("cut", default=[], dist_reduce_fx="cat")

    def score(self, images: Sequence[Pixels | None], prompts: Sequence[Prompt]) -> None:
        """Adds the cosine of each image that is there with its own text."""
        there = present(images)
        texts = [self.prefix + prompts[index].text_to_score for index in there]
        distinct = list(dict.fromkeys(texts))
        row = {text: index for index, text in enumerate(distinct)}
        handles = self.source.take([image for image in images if image is not None])
        text_features = self.clip.text_features(distinct)
        column = np.full(len(images), np.nan, dtype=np.float32)
        column[there] = cosines(self.source.vectors(handles), text_features[[row[text] for text in texts]])
        self.cosine.append(torch.from_numpy(column))
        cut = [self.clip.is_cut(self.prefix + prompt.text_to_score) for prompt in prompts]
        self.cut.append(torch.tensor(cut, dtype=torch.bool))

    def compute(self) -> MetricResult:
        """The view's mean, its interval clustered by prompt, the raw cosines, and which texts were cut."""
        cosine = rows(self.cosine, np.zeros(0, dtype=np.float32))
        cut = rows(self.cut, np.zeros(0, dtype=np.bool_))
        scored = ~np.isnan(cosine)
        mean = clustered_mean(viewed(cosine[scored], self.view), self.cluster_keys()[scored])
        notes = [] if scored.any() else ["undefined: no image was scored"]
        if cut.any():
            count = len(np.unique(self.cluster_keys()[cut]))
            notes.append(
                f"{count} prompts are longer than CLIP reads and were cut, keeping the end token "
                "(column clip_score.cut)"
            )
        columns: dict[str, NDArray[np.floating]] = {
            self.name: cosine,
            f"{self.name}.cut": np.where(scored, cut, np.nan).astype(np.float32),
        }
        return MetricResult(self.value(mean.value, mean.interval(), mean.n, notes), columns)

    def protocol_values(self) -> Mapping[str, Scalar]:
        """The model, the view, the prefix and what happens to long prompts."""
        return {
            **self.source.extractor.identity(),
            "view": self.view,
            "prefix": self.prefix,
            "truncation": "end token kept",
            "precision": "float32 per pair",
        }


def viewed(cosine: NDArray[np.float32], view: str) -> NDArray[np.float64]:
    """A view of raw cosines, pair by pair."""
    factor, clipped, _ = VIEWS[view]
    values = cosine.astype(np.float64)
    return factor * (np.maximum(values, 0.0) if clipped else values)
