"""A maker of every metric there is, on stand-ins for its networks: a new metric needs one line in METRICS."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from fakes import (
    PROMPT_SET,
    FakeClip,
    FakeExtractor,
    Pixels,
    images,
    reference,
)

from drawbench_eval.features.bank import DirectFeatures, FeatureSource, StoredFeatures
from drawbench_eval.metrics.base import EvalMetric
from drawbench_eval.metrics.clip_score import ClipScore
from drawbench_eval.metrics.cmmd import Cmmd
from drawbench_eval.metrics.diversity import Diversity
from drawbench_eval.metrics.fd_clip import FdClip
from drawbench_eval.metrics.fd_dinov2 import FdDinov2
from drawbench_eval.metrics.fd_scenes import FdScenes
from drawbench_eval.metrics.features import ReferenceMetric
from drawbench_eval.metrics.fid import Fid
from drawbench_eval.metrics.fid_infinity import FidInfinity
from drawbench_eval.metrics.kid import Kid
from drawbench_eval.metrics.neighborhood import Coverage, Density, Precision, Recall
from drawbench_eval.metrics.scenes_accuracy import Judgement, ScenesAccuracy
from drawbench_eval.metrics.scenes_clip_score import ScenesClipScore
from drawbench_eval.store import Store

Maker = Callable[[], EvalMetric]


class _Clip:
    weights_sha256 = "c1"

    def image_features(self, pixels: Pixels) -> Any:
        mean = pixels.mean(axis=(1, 2), dtype=np.float64)
        return (mean / np.linalg.norm(mean, axis=1, keepdims=True)).astype(np.float32)

    def text_features(self, texts: list[str]) -> Any:
        rows = np.array([[1.0, len(text) % 3, int(text[-1]) % 4] for text in texts])
        return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def _judge(image: Pixels, facts: Mapping[str, Any]) -> Judgement:
    bright = bool(image.mean() > 70)
    return Judgement(
        holds={"color": bright == facts["bright"], "count": bright}, unreadable=bool(image.max() < 80)
    )


def _of_reference(metric: type[ReferenceMetric], *, kept: bool = False, **own: Any) -> Any:
    def make(folder: Path, **conditions: str) -> Maker:
        def source() -> FeatureSource:
            return StoredFeatures(FakeExtractor(), Store(folder)) if kept else DirectFeatures(FakeExtractor())

        return lambda: metric(
            source=source(),
            reference=reference(folder),
            prompt_set=PROMPT_SET,
            conditions=conditions,
            **own,
        )

    return make


def _diversity(folder: Path, **conditions: str) -> Maker:
    return lambda: Diversity(
        source=DirectFeatures(FakeExtractor()), prompt_set=PROMPT_SET, conditions=conditions
    )


def _clip_score(folder: Path, **conditions: str) -> Maker:
    return lambda: ClipScore(
        clip=FakeClip(),
        source=DirectFeatures(FakeExtractor()),
        prompt_set=PROMPT_SET,
        conditions=conditions,
    )


def _clip(folder: Path, **conditions: str) -> Maker:
    # The fake reads 8x8 images: the side check belongs to the extractor's own tests.
    return lambda: ScenesClipScore(scorer=_Clip(), batch_size=4, prompt_set=PROMPT_SET, conditions=conditions)


def _accuracy(folder: Path, **conditions: str) -> Maker:
    return lambda: ScenesAccuracy(judge=_judge, prompt_set=PROMPT_SET, conditions=conditions)


METRICS = {
    "fid": _of_reference(Fid),
    "fd_clip": _of_reference(FdClip),
    "fd_dinov2": _of_reference(FdDinov2),
    "fid_infinity": _of_reference(FidInfinity),
    "fid_infinity kept": _of_reference(FidInfinity, kept=True),
    "fd_scenes": _of_reference(FdScenes),
    "fd_scenes kept": _of_reference(FdScenes, kept=True),
    "kid": _of_reference(Kid),
    "kid kept": _of_reference(Kid, kept=True),
    "cmmd": _of_reference(Cmmd),
    "precision": _of_reference(Precision, k=2),
    "recall": _of_reference(Recall, k=2),
    "density": _of_reference(Density, k=2),
    "coverage": _of_reference(Coverage, k=2),
    "diversity": _diversity,
    "clip_score": _clip_score,
    "scenes_clip_score": _clip,
    "scenes_accuracy": _accuracy,
}

# The 29th of 30 is not there.
PICTURES: list[Pixels | None] = [*images(1, 28), None, *images(2, 1)]
