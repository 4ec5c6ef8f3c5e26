"""What every metric is: a torchmetrics metric whose value has n, unscored, interval and protocol beside it.

Rows are kept as they were fed; every sum over them is float64. Shards merge exactly: rows keep the order of
the updates, and a merged shard's rows follow one's own, so that shards of consecutive ids, merged in their
order, give rows in id order.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torchmetrics import Metric

from drawbench_eval.files import stable_seed
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.protocol import Protocol, Scalar

Pixels = NDArray[np.uint8]
Number = TypeVar("Number", bound=np.generic)


class MetricValue(NamedTuple):
    """A number as run records keep it; NaN where it or its interval is undefined.

    `protocol` is the protocol's id. `notes` are said beside the number wherever it is shown.

    A named tuple, because torchmetrics refuses frozen dataclasses as results.
    """

    value: float
    ci95: tuple[float, float]
    n: int
    num_unscored: int
    higher_is_better: bool
    unit: str
    protocol: str
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The form of run.json: null for what is undefined."""
        low, high = (None if math.isnan(bound) else bound for bound in self.ci95)
        value = None if math.isnan(self.value) else self.value
        return {**self._asdict(), "value": value, "ci95": [low, high], "notes": list(self.notes)}


class MetricResult(NamedTuple):
    """The value, and per-sample columns by their full names, each [number of samples fed], NaN = unscored."""

    value: MetricValue
    columns: Mapping[str, NDArray[np.floating[Any]]]


class EvalMetric(Metric):
    """A metric over images and the prompts that they were asked for.

    None stands for an image that is not there.

    `conditions` are protocol values that the caller knows and the metric does not, such as `guidance_kind`.
    """

    full_state_update = False
    is_differentiable = False

    name: ClassVar[str]
    # Raised when the golden output changes.
    version: ClassVar[int]
    # Whether the prompts' texts are read: then images without prompts cannot be scored.
    needs_text: ClassVar[bool] = False
    # Whether the value is a mean over samples: then its expectation is the same for any number of them.
    is_mean: ClassVar[bool] = False
    unit: str
    higher_is_better: bool

    clusters: list[Tensor]

    def __init__(self, *, prompt_set: PromptSet, conditions: Mapping[str, Scalar]) -> None:
        super().__init__()
        self.prompts_sha256 = prompt_set.sha256
        self.conditions = dict(conditions)
        self.add_state("clusters", default=[], dist_reduce_fx="cat")

    def update(self, images: Sequence[Pixels | None], prompts: Sequence[Prompt]) -> None:
        """Adds samples: uint8 RGB [H, W, 3] each, or None, and its prompt.

        A rank without samples adds none (`update([], [])`): `compute` syncs what every rank holds.
        """
        if len(images) != len(prompts):
            raise ValueError(
                f"{self.name}: {len(images)} images for {len(prompts)} prompts; there must be one for each"
            )
        keys = [stable_seed(prompt.id) for prompt in prompts]
        self.score(images, prompts)
        self.clusters.append(torch.tensor(keys, dtype=torch.int64))

    @abstractmethod
    def score(self, images: Sequence[Pixels | None], prompts: Sequence[Prompt]) -> None:
        """Adds the samples to the metric's own states: a row for each image, NaN or masked where unscored."""

    @abstractmethod
    def compute(self) -> MetricResult:
        """The value over all samples fed so far, and the per-sample columns."""

    @abstractmethod
    def protocol_values(self) -> Mapping[str, Scalar]:
        """The metric's own part of its protocol, flat."""

    def protocol(self) -> Protocol:
        """What makes this number comparable.

        `n_requested` counts the samples fed, missing images included.
        """
        values: dict[str, Scalar] = {
            "metric": self.name,
            "version": self.version,
            "prompts_sha256": self.prompts_sha256,
            "n_requested": len(self.cluster_keys()),
        }
        return Protocol(name=self.name, values=values | self.conditions | dict(self.protocol_values()))

    def merge_state(self, incoming_state: dict[str, Any] | Metric) -> None:
        """Adds another shard's samples after one's own (torchmetrics alone would put them before)."""
        incoming = incoming_state.metric_state if isinstance(incoming_state, Metric) else incoming_state
        lists = {name: state for name, state in self.metric_state.items() if isinstance(state, list)}
        super().merge_state(incoming_state)
        for name, rows in lists.items():
            setattr(self, name, [*rows, *incoming[name]])
        # torchmetrics leaves a value that was computed before the merge in its cache.
        self._computed = None
        self._update_count += 1

    def cluster_keys(self) -> NDArray[np.int64]:
        """One integer for each sample fed, equal for samples of one prompt."""
        return rows(self.clusters, np.zeros(0, dtype=np.int64))

    def value(
        self, value: float, ci95: tuple[float, float], n: int, notes: Sequence[str] = ()
    ) -> MetricValue:
        """The metric's value with everything that belongs beside it.

        What was fed and is not in n is unscored.
        """
        return MetricValue(
            value=value,
            ci95=ci95,
            n=n,
            num_unscored=len(self.cluster_keys()) - n,
            higher_is_better=self.higher_is_better,
            unit=self.unit,
            protocol=self.protocol().id,
            notes=tuple(notes),
        )


def rows(state: list[Tensor] | Tensor, empty: NDArray[Number]) -> NDArray[Number]:
    """A per-sample state as one array, whether it is a list of updates or was joined by a sync.

    `empty` for no rows.
    """
    parts = [state] if isinstance(state, Tensor) else state
    joined = np.concatenate([part.cpu().numpy() for part in parts]) if parts else empty
    return joined.astype(empty.dtype)


def present(images: Sequence[Pixels | None]) -> list[int]:
    """The positions of the images that are there."""
    return [index for index, image in enumerate(images) if image is not None]
