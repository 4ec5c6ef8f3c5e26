"""What every metric must hold, whichever it is: a new metric needs one line in METRICS."""

import copy
import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawbench_eval.features.bank import DirectFeatures, FeatureSource, StoredFeatures
from drawbench_eval.metrics.base import EvalMetric
from drawbench_eval.metrics.clip_score import ClipScore
from drawbench_eval.metrics.cmmd import Cmmd
from drawbench_eval.metrics.diversity import Diversity
from drawbench_eval.metrics.fd_scenes import FdScenes
from drawbench_eval.metrics.features import ReferenceMetric
from drawbench_eval.metrics.kid import Kid
from drawbench_eval.metrics.neighborhood import Coverage, Density, Precision, Recall
from drawbench_eval.metrics.scenes_accuracy import Judgement, ScenesAccuracy
from drawbench_eval.metrics.scenes_clip_score import ScenesClipScore
from drawbench_eval.protocol import compare
from drawbench_eval.store import Store
from tests.drawbench_eval.metrics.fakes import (
    PROMPT_SET,
    FakeClip,
    FakeExtractor,
    Pixels,
    fed,
    images,
    merged,
    prompt_of,
    reference,
)

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


# Means over the reference's images, not over samples: no column, and an interval from the reference alone.
OVER_THE_REFERENCE = ("recall", "coverage")


@pytest.fixture(params=list(METRICS))
def make(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Maker:
    monkeypatch.setattr("drawbench_eval.features.scenes.SIDE", 8)
    return METRICS[request.param](tmp_path)


PICTURES: list[Pixels | None] = [*images(1, 28), None, *images(2, 1)]


def test_shards_merge_to_what_one_process_computes_row_by_row(make: Maker) -> None:
    whole = fed(make(), PICTURES).compute()
    for cuts in ([1], [7, 8, 20], [29]):
        together = merged(make, PICTURES, cuts).compute()
        assert together.value.value == pytest.approx(whole.value.value, rel=1e-9)
        assert together.value.ci95 == pytest.approx(whole.value.ci95, rel=1e-9)
        assert together.value[2:] == whole.value[2:]
        assert list(together.columns) == list(whole.columns)
        for name, column in whole.columns.items():
            np.testing.assert_allclose(together.columns[name], column, rtol=1e-6, atol=1e-8, err_msg=name)


@pytest.mark.parametrize("chunk", [1, 7])
def test_the_size_of_updates_changes_nothing(make: Maker, chunk: int) -> None:
    whole, pieces = fed(make(), PICTURES).compute(), fed(make(), PICTURES, chunk).compute()
    assert pieces.value.value == pytest.approx(whole.value.value, rel=1e-9)
    assert pieces.value[2:] == whole.value[2:]


def test_a_merge_after_a_compute_is_seen(make: Maker) -> None:
    first, second = fed(make(), PICTURES[:12]), make()
    second.update(PICTURES[12:], [prompt_of(i) for i in range(12, len(PICTURES))])
    early = first.compute()
    first.merge_state(second)
    assert first.compute().value.n == 29
    assert first.compute().value.value != early.value.value


def test_missing_images_are_unscored_counted_and_stay_in_the_columns(make: Maker) -> None:
    result = fed(make(), PICTURES).compute()
    assert result.value.n == 29
    assert result.value.num_unscored == 1
    for name, column in result.columns.items():
        assert column.shape == (30,), name
        assert np.isnan(column[28]), name
    if make().name not in OVER_THE_REFERENCE:
        assert not np.isnan(np.delete(result.columns[make().name], 28)).any()
    without = make()
    keep = [i for i in range(30) if i != 28]
    without.update([PICTURES[i] for i in keep], [prompt_of(i) for i in keep])
    assert without.compute().value.value == pytest.approx(result.value.value, rel=1e-12)
    assert without.compute().value.num_unscored == 0
    # A run that lost an image is not the same protocol as one that asked for fewer: n requested differs.
    assert without.protocol().id != result.value.protocol


def test_the_interval_holds_the_value_and_needs_two_prompts(make: Maker) -> None:
    value = fed(make(), PICTURES).compute().value
    assert value.ci95[0] < value.value <= value.ci95[1]
    single = make()
    single.update(images(1, 5), [prompt_of(0)] * 5)
    lonely = single.compute().value
    assert math.isfinite(lonely.value)
    assert lonely.n == 5
    if make().name not in OVER_THE_REFERENCE:
        assert all(map(math.isnan, lonely.ci95))
        assert lonely.to_json()["ci95"] == [None, None]


def test_nothing_scored_is_undefined_and_says_so(make: Maker) -> None:
    metric = make()
    metric.update([None, None], [prompt_of(0), prompt_of(1)])
    value = metric.compute().value
    assert math.isnan(value.value)
    assert (value.n, value.num_unscored) == (0, 2)
    assert json.loads(json.dumps(value.to_json(), allow_nan=False))["value"] is None


def test_the_protocol_changes_with_conditions_and_prompts_but_not_with_the_images(
    make: Maker, tmp_path: Path
) -> None:
    metric = fed(make(), PICTURES)
    assert metric.compute().value.protocol == metric.protocol().id
    other_images = fed(make(), [None, *images(5, 29)])
    assert other_images.protocol().id == metric.protocol().id
    guided = fed(METRICS[make().name](tmp_path, guidance_kind="cfg")(), PICTURES)
    assert compare(guided.protocol(), metric.protocol()) == ["guidance_kind"]
    assert compare(fed(make(), PICTURES[:9]).protocol(), metric.protocol()) == ["n_requested"]


def test_a_reset_metric_is_as_new_and_a_copy_is_its_own(make: Maker) -> None:
    metric = fed(make(), PICTURES)
    value = metric.compute().value
    copied = copy.deepcopy(metric)
    metric.reset()
    fed(metric, PICTURES)
    assert metric.compute().value == value
    assert copied.compute().value == value


def test_images_and_prompts_come_in_pairs(make: Maker) -> None:
    with pytest.raises(ValueError, match="2 images for 1 prompts"):
        make().update(images(0, 2), [prompt_of(0)])
