from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbench_eval.features.bank import StoredFeatures
from drawbench_eval.metrics.fd_scenes import FdScenes
from drawbench_eval.metrics.features import ReferenceMetric
from drawbench_eval.metrics.kid import Kid
from drawbench_eval.metrics.scenes_accuracy import Judgement, ScenesAccuracy
from drawbench_eval.references import Reference, read_statistics
from drawbench_eval.runs.reading import read_references
from drawbench_eval.store import Store
from tests.drawbench_eval.metrics import fakes


def test_two_extractors_and_three_metrics_read_every_image_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("drawbench_eval.runs.progress.PLAIN_INTERVAL_S", 0.0)
    images, drawn = fakes.images(9, 40), Counter[int]()

    def draw(index: int) -> NDArray[np.uint8]:
        drawn[index] += 1
        return images[index]

    reference = Reference(name="fake", sha256="r", num_images=40, draw=draw, store=Store(tmp_path))
    sources = [StoredFeatures(fakes.FakeExtractor(weights=name), Store(tmp_path)) for name in ("w1", "w2")]

    def of(metric: type[ReferenceMetric], source: StoredFeatures) -> ReferenceMetric:
        return metric(source=source, reference=reference, prompt_set=fakes.PROMPT_SET, conditions={})

    metrics = {"a": of(FdScenes, sources[0]), "b": of(FdScenes, sources[1]), "c": of(Kid, sources[0])}
    read_references(metrics, title="mine")
    probes = Counter(range(0, 40, 2))
    assert drawn == Counter(range(40)) + probes
    assert "mine: reading the reference: 40 of 40 images" in capsys.readouterr().err
    for metric in metrics.values():
        fakes.fed(metric, fakes.images(1, 30)).compute()
    assert drawn == Counter(range(40)) + probes


def test_what_has_no_images_to_read_is_left_alone(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", mu=np.zeros(5), sigma=np.eye(5))
    metric = FdScenes(
        source=StoredFeatures(fakes.FakeExtractor(), Store(tmp_path)),
        reference=read_statistics(tmp_path / "a.npz"),
        prompt_set=fakes.PROMPT_SET,
        conditions={},
    )
    judged = ScenesAccuracy(
        judge=lambda _image, _facts: Judgement(holds={}, unreadable=False),
        prompt_set=fakes.PROMPT_SET,
        conditions={},
    )
    read_references({"a": metric, "b": judged}, title="mine")
    assert [path.name for path in tmp_path.iterdir()] == ["a.npz"]
