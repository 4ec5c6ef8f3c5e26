from pathlib import Path

import numpy as np
import pytest
import scipy.linalg

from drawbench_eval.features.bank import DirectFeatures
from drawbench_eval.metrics.fd_scenes import FdScenes
from drawbench_eval.protocol import compare
from drawbench_eval.stats.clustered import clustered_mean, paired_difference
from tests.drawbench_eval.metrics.fakes import PROMPT_SET, FakeExtractor, fed, images, prompt_of, reference

REFERENCE_FEATURES = FakeExtractor().extract(images(99, 40)).astype(np.float64)


def make(folder: Path, **changed: object) -> FdScenes:
    parts = {"source": DirectFeatures(FakeExtractor()), "reference": reference(folder)} | changed
    return FdScenes(prompt_set=PROMPT_SET, conditions={}, **parts)  # type: ignore[arg-type]


def test_the_value_is_the_textbook_distance(tmp_path: Path) -> None:
    pictures = images(1, 30)
    result = fed(make(tmp_path), pictures).compute()
    x = FakeExtractor().extract(pictures).astype(float)
    y = REFERENCE_FEATURES
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    gap = np.square(x.mean(0) - y.mean(0)).sum()
    expected = gap + np.trace(s1 + s2) - 2 * np.trace(scipy.linalg.sqrtm(s1 @ s2)).real
    assert result.value.value == pytest.approx(expected, rel=1e-9)
    assert result.value.higher_is_better is False


def test_the_reference_itself_is_at_distance_zero(tmp_path: Path) -> None:
    itself = reference(tmp_path)
    result = fed(make(tmp_path, reference=itself), [itself.draw(i) for i in range(40)]).compute()
    size = float(np.trace(np.cov(REFERENCE_FEATURES, rowvar=False)))
    assert result.value.value <= 1e-6 * size


def test_the_column_holds_influences_and_the_interval_is_theirs(tmp_path: Path) -> None:
    pictures = images(1, 30)
    result = fed(make(tmp_path), pictures).compute()
    column = result.columns["fd_scenes"]
    assert abs(column.sum()) < 1e-8 * np.abs(column).sum()
    error = clustered_mean(column, [prompt_of(i).id for i in range(30)])
    assert error.num_clusters == 10
    assert result.value.ci95 == pytest.approx(error.moved_to(result.value.value).interval(), rel=1e-9)
    # The image that costs most is one whose removal lowers the distance.
    worst = int(column.argmax())
    fewer = fed(make(tmp_path), [None if i == worst else image for i, image in enumerate(pictures)])
    assert fewer.compute().value.value < result.value.value


def test_two_runs_compare_pair_by_pair_from_their_columns(tmp_path: Path) -> None:
    pictures = [image // 2 + 100 for image in images(1, 30)]
    brighter = [image + 1 for image in pictures]
    a, b = fed(make(tmp_path), pictures).compute(), fed(make(tmp_path), brighter).compute()
    keys = [(prompt_of(i).id, i) for i in range(30)]
    paired = paired_difference(b.columns["fd_scenes"], keys, a.columns["fd_scenes"], keys).difference
    unpaired = clustered_mean(a.columns["fd_scenes"], [key[0] for key in keys])
    assert paired.standard_error < 0.5 * unpaired.standard_error


def test_fewer_images_than_dimensions_are_computed_exactly(tmp_path: Path) -> None:
    metric = make(tmp_path)
    metric.update(images(1, 3), [prompt_of(0), prompt_of(3), prompt_of(6)])
    result = metric.compute()
    x = FakeExtractor().extract(images(1, 3)).astype(float)
    y = REFERENCE_FEATURES
    s1, s2 = np.cov(x, rowvar=False), np.cov(y, rowvar=False)
    roots = np.sqrt(np.clip(np.linalg.eigvals(s1 @ s2).real, 0, None)).sum()
    expected = np.square(x.mean(0) - y.mean(0)).sum() + np.trace(s1 + s2) - 2 * roots
    assert result.value.value == pytest.approx(expected, rel=1e-6)


def test_one_image_has_no_distance(tmp_path: Path) -> None:
    metric = make(tmp_path)
    metric.update([*images(1, 1), None], [prompt_of(0), prompt_of(3)])
    result = metric.compute()
    assert np.isnan(result.value.value)
    assert (result.value.n, result.value.num_unscored) == (1, 1)


def test_the_protocol_names_reference_and_weights(tmp_path: Path) -> None:
    base = make(tmp_path).protocol()
    other_weights = make(tmp_path, source=DirectFeatures(FakeExtractor(weights="w2"))).protocol()
    other_reference = make(tmp_path, reference=reference(tmp_path, count=20, seed=98)).protocol()
    assert compare(base, other_weights) == ["extractor.weights_sha256"]
    assert compare(base, other_reference) == ["reference.n_requested", "reference.sha256"]


def test_an_extractor_of_another_dimension_is_refused(tmp_path: Path) -> None:
    class Wrong(FakeExtractor):
        def extract(self, images):  # type: ignore[no-untyped-def]
            return super().extract(images)[:, :3]

    with pytest.raises(ValueError, match=r"fake: features of shape \(2, 3\); must be \(2, 5\)"):
        make(tmp_path, source=DirectFeatures(Wrong())).update(images(0, 2), [prompt_of(0)] * 2)
