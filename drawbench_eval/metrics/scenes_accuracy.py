"""`scenes_accuracy`: the share of images in which every fact of the caption holds, read by the oracle."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from drawbench_eval.metrics.base import EvalMetric, MetricResult, Pixels, rows
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.protocol import Scalar
from drawbench_eval.stats.clustered import clustered_mean, share_interval

# The kinds of fact that a caption can claim: a column each, null where a caption claims none of the kind.
KINDS = ("color", "shape", "count", "size", "relation", "text", "background", "absent")


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """Which kinds of claimed facts hold in one image, and whether it could be read at all."""

    holds: Mapping[str, bool]
    unreadable: bool


Judge = Callable[[Pixels, Mapping[str, Any]], Judgement]


class ScenesAccuracy(EvalMetric):
    """Share in [0, 1].

    An unreadable image is wrong in all that its caption claims; a prompt without facts is unscored.
    """

    name = "scenes_accuracy"
    version = 1
    unit = "share"
    higher_is_better = True
    needs_text = True
    is_mean = True

    verdicts: list[Tensor]

    def __init__(self, *, judge: Judge, prompt_set: PromptSet, conditions: Mapping[str, Scalar]) -> None:
        super().__init__(prompt_set=prompt_set, conditions=conditions)
        self.judge = judge
        self.facts_sha256 = prompt_set.facts_sha256
        self.add_state("verdicts", default=[], dist_reduce_fx="cat")

    def score(self, images: Sequence[Pixels | None], prompts: Sequence[Prompt]) -> None:
        """Judges each image that is there and whose prompt claims facts."""
        table = np.full((len(images), 2 + len(KINDS)), np.nan)
        for row, image, prompt in zip(table, images, prompts, strict=True):
            if image is not None and prompt.facts is not None:
                row[:] = _row(prompt, self.judge(image, prompt.facts))
        self.verdicts.append(torch.from_numpy(table))

    def compute(self) -> MetricResult:
        """The share, its Wilson interval at the sample size that clustering leaves, and the verdicts."""
        table = rows(self.verdicts, np.zeros((0, 2 + len(KINDS))))
        names = [self.name, f"{self.name}.unreadable", *(f"{self.name}.{kind}" for kind in KINDS)]
        columns = dict(zip(names, table.T.copy(), strict=True))
        scored = ~np.isnan(columns[self.name])
        share = clustered_mean(columns[self.name][scored], self.cluster_keys()[scored])
        return MetricResult(self.value(share.value, share_interval(share), share.n), columns)

    def protocol_values(self) -> Mapping[str, Scalar]:
        """The oracle, and the facts that it judges by."""
        return {
            "extractor": "scenes_oracle",
            "facts_sha256": self.facts_sha256,
            "unreadable": "counted as wrong",
        }


def scenes_judge(image: Pixels, facts: Mapping[str, Any]) -> Judgement:
    """The embedded world's oracle: what it reads in the image, held against the caption's facts."""
    from drawbench_eval.scenes.facts import Facts, check
    from drawbench_eval.scenes.oracle import read

    reading = read(image)
    return Judgement(holds=check(Facts.from_json(facts), reading), unreadable=reading.unreadable is not None)


def _row(prompt: Prompt, judgement: Judgement) -> list[float]:
    """One row of verdicts: all facts, unreadable, then the kinds.

    All NaN where the caption claims nothing.
    """
    unknown = [kind for kind in judgement.holds if kind not in KINDS]
    if unknown:
        raise ValueError(
            f"prompt {prompt.id!r}: facts of kind {unknown[0]!r}; known kinds are {', '.join(KINDS)}"
        )
    if not judgement.holds:
        return [np.nan] * (2 + len(KINDS))
    readable = not judgement.unreadable
    kinds = [
        float(judgement.holds[kind] and readable) if kind in judgement.holds else np.nan for kind in KINDS
    ]
    return [float(all(judgement.holds.values()) and readable), float(judgement.unreadable), *kinds]
