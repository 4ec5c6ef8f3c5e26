import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbench_eval.features.bank import DirectFeatures
from drawbench_eval.metrics.base import EvalMetric
from drawbench_eval.metrics.kid import Kid
from drawbench_eval.protocol import compare
from drawbench_eval.stats import kernels
from drawbench_eval.stats.clustered import clustered_mean, t_quantile
from tests.drawbench_eval.metrics.fakes import PROMPT_SET, FakeExtractor, fed, images, prompt_of, reference

Array = NDArray[np.float64]


def make(folder: Path, **changed: Any) -> EvalMetric:
    parts = {"source": DirectFeatures(FakeExtractor()), "reference": reference(folder)} | changed
    return Kid(prompt_set=PROMPT_SET, conditions={}, **parts)


def cubic(a: Array, b: Array) -> float:
    return float((a @ b / len(a) + 1) ** 3)


def naive(x: Array, y: Array) -> float:
    within = [
        np.mean([cubic(z[i], z[j]) for i, j in itertools.permutations(range(len(z)), 2)]) for z in (x, y)
    ]
    return float(sum(within) - 2 * np.mean([cubic(a, b) for a in x for b in y]))


def test_the_value_is_the_mean_over_all_pairs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "BLOCK", 8)
    pictures = images(1, 20)
    value = fed(make(tmp_path), [*pictures, None]).compute().value
    x = FakeExtractor().extract(pictures).astype(float)
    y = FakeExtractor().extract(images(99, 40)).astype(float)
    assert value.value == pytest.approx(naive(x, y), rel=1e-9)
    assert (value.n, value.num_unscored) == (20, 1)
    assert value.higher_is_better is False
    assert value.notes == ()


def test_the_interval_adds_the_errors_of_both_sides_and_clusters_the_images_by_prompt(
    tmp_path: Path,
) -> None:
    pictures = images(1, 30)
    value, columns = fed(make(tmp_path), pictures).compute()
    x = FakeExtractor().extract(pictures).astype(float)
    y = FakeExtractor().extract(images(99, 40)).astype(float)
    across = np.array([[cubic(a, b) for b in y] for a in x])
    within = [np.array([[cubic(a, b) for b in z] for a in z]) for z in (x, y)]
    means = [(grid.sum(1) - np.diag(grid)) / (len(grid) - 1) for grid in within]
    of_x = 2 * (means[0] - means[0].mean() - across.mean(1) + across.mean())
    of_y = 2 * (means[1] - means[1].mean() - across.mean(0) + across.mean())
    np.testing.assert_allclose(columns["kid"], of_x, rtol=1e-8)
    by_prompt = clustered_mean(of_x, [prompt_of(i).id for i in range(30)]).standard_error
    error = math.hypot(by_prompt, of_y.std(ddof=1) / math.sqrt(40))
    reach = t_quantile(9, 0.95) * error
    assert value.ci95 == pytest.approx((value.value - reach, value.value + reach), rel=1e-8)


def test_independent_images_of_one_distribution_are_within_the_interval_of_zero(tmp_path: Path) -> None:
    # Every image a prompt of its own would be the ideal; ten prompts of unlike images come close to it.
    value = fed(make(tmp_path), images(7, 30)).compute().value
    assert value.ci95[0] < 0 < value.ci95[1]
    darker = fed(make(tmp_path), [image // 4 for image in images(7, 30)]).compute().value
    assert darker.ci95[0] > 0


@pytest.mark.parametrize(("count", "kept"), [(1, 40), (5, 1)])
def test_one_image_on_either_side_is_undefined_and_says_so(tmp_path: Path, count: int, kept: int) -> None:
    metric = fed(make(tmp_path, reference=reference(tmp_path, count=kept)), [*images(1, count), None])
    value, columns = metric.compute()
    assert math.isnan(value.value)
    assert all(map(math.isnan, value.ci95))
    assert (value.n, value.num_unscored) == (count, 1)
    assert value.notes == (f"undefined at {count} and {kept} reference images; it takes 2 of each",)
    assert np.isnan(columns["kid"]).all()


def test_the_protocol_names_kernel_and_estimator(tmp_path: Path) -> None:
    protocol = make(tmp_path).protocol()
    assert protocol.values["kernel"] == "(x.y/d + 1)^3"
    assert protocol.values["estimator"] == "U-statistic over all pairs"
    other = make(tmp_path, reference=reference(tmp_path, seed=98)).protocol()
    assert compare(protocol, other) == ["reference.sha256"]
