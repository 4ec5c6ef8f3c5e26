import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbench_eval.features.bank import DirectFeatures
from drawbench_eval.metrics.neighborhood import Coverage, Density, NeighborhoodMetric, Precision, Recall
from drawbench_eval.protocol import compare
from drawbench_eval.stats.clustered import clustered_mean, share_interval
from tests.drawbench_eval.metrics.fakes import (
    PROMPT_SET,
    FakeExtractor,
    Pixels,
    fed,
    images,
    prompt_of,
    reference,
)

Array = NDArray[np.float64]
METRICS = {metric.name: metric for metric in (Precision, Recall, Density, Coverage)}


def make(name: str, folder: Path, **changed: Any) -> NeighborhoodMetric:
    parts = {"source": DirectFeatures(FakeExtractor()), "reference": reference(folder)} | changed
    return METRICS[name](prompt_set=PROMPT_SET, conditions={}, **parts)


def apart(a: Array, b: Array) -> Array:
    return np.array([[np.linalg.norm(p - q) for q in b] for p in a])


def naive(x: Array, y: Array, k: int) -> dict[str, Array]:
    """Per vector, from whole tables of distances; the nearest of one's own set is oneself."""
    ball_x, ball_y = np.sort(apart(x, x), axis=1)[:, k], np.sort(apart(y, y), axis=1)[:, k]
    across = apart(x, y)
    return {
        "precision": (across < ball_y[None]).any(axis=1),
        "density": (across < ball_y[None]).sum(axis=1) / k,
        "recall": (across < ball_x[:, None]).any(axis=0),
        "coverage": (across < ball_y[None]).any(axis=0),
    }


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize("k", [1, 2])
def test_values_columns_and_intervals_are_those_of_the_definitions(name: str, k: int, tmp_path: Path) -> None:
    pictures = [*images(1, 24), *(image // 2 + 128 for image in images(2, 6))]
    value, columns = fed(make(name, tmp_path, k=k), [*pictures, None]).compute()
    x = FakeExtractor().extract(pictures).astype(float)
    y = FakeExtractor().extract(images(99, 40)).astype(float)
    expected = naive(x, y, k)[name]
    assert value.value == pytest.approx(expected.mean(), rel=1e-12)
    assert np.std(expected) > 0
    assert (value.n, value.num_unscored) == (30, 1)
    assert value.higher_is_better is True
    if name in ("precision", "density"):
        np.testing.assert_allclose(columns[name], [*expected, math.nan], rtol=1e-15)
        mean = clustered_mean(expected, [prompt_of(i).id for i in range(30)])
    else:
        assert dict(columns) == {}
        mean = clustered_mean(expected, np.arange(40))
    interval = mean.interval() if name == "density" else share_interval(mean)
    assert value.ci95 == pytest.approx(interval, rel=1e-12)


def bright_and_dark(count: int) -> list[Pixels]:
    """Half of the pictures are nearly black and half nearly white."""
    rng = np.random.default_rng(3)
    return [
        rng.integers(0, 30, (8, 8, 3), dtype=np.uint8) + np.uint8(200 * (index % 2)) for index in range(count)
    ]


def test_a_model_that_draws_half_of_the_reference_has_precision_and_no_recall(tmp_path: Path) -> None:
    drawn = bright_and_dark(40)
    both = replace(reference(tmp_path), draw=drawn.__getitem__)
    found = {
        name: fed(make(name, tmp_path, reference=both, k=3), drawn[::2]).compute().value.value
        for name in METRICS
    }
    assert found["precision"] == 1.0
    assert found["recall"] <= 0.5
    assert found["coverage"] == 0.5
    assert found["density"] > 0.8


def test_a_model_that_draws_twice_as_much_as_the_reference_has_recall_and_no_precision(
    tmp_path: Path,
) -> None:
    drawn = bright_and_dark(80)
    dark = replace(reference(tmp_path), draw=drawn[::2].__getitem__)
    found = {
        name: fed(make(name, tmp_path, reference=dark, k=3), drawn).compute().value.value for name in METRICS
    }
    assert found["precision"] == 0.5
    assert found["recall"] == 1.0
    assert found["coverage"] == 1.0
    assert found["density"] < 0.7


@pytest.mark.parametrize("name", METRICS)
@pytest.mark.parametrize(("count", "kept"), [(5, 40), (6, 5)])
def test_a_side_without_a_fifth_neighbour_is_undefined_and_says_so(
    name: str, count: int, kept: int, tmp_path: Path
) -> None:
    metric = make(name, tmp_path, reference=reference(tmp_path, count=kept))
    value = fed(metric, [*images(1, count), None]).compute().value
    assert math.isnan(value.value)
    assert all(map(math.isnan, value.ci95))
    assert (value.n, value.num_unscored) == (count, 1)
    assert value.notes == (
        f"undefined at {count} and {kept} reference images; with k = 5 it takes 6 of each",
    )
    enough = make(name, tmp_path, reference=reference(tmp_path, count=6))
    assert math.isfinite(fed(enough, images(1, 6)).compute().value.value)


@pytest.mark.parametrize("name", METRICS)
def test_k_is_part_of_the_protocol_and_at_least_one(name: str, tmp_path: Path) -> None:
    assert compare(make(name, tmp_path).protocol(), make(name, tmp_path, k=3).protocol()) == ["k"]
    with pytest.raises(ValueError, match=f"metrics.{name}.k: 0 is not at least 1"):
        make(name, tmp_path, k=0)
