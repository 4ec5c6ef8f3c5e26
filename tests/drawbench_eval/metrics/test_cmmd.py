import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbench_eval.features.bank import DirectFeatures
from drawbench_eval.metrics.base import EvalMetric
from drawbench_eval.metrics.cmmd import Cmmd
from drawbench_eval.stats import kernels
from drawbench_eval.stats.clustered import clustered_mean, t_quantile
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


def make(folder: Path, **changed: Any) -> EvalMetric:
    parts = {"source": DirectFeatures(FakeExtractor()), "reference": reference(folder)} | changed
    return Cmmd(prompt_set=PROMPT_SET, conditions={}, **parts)


def unit(pictures: list[Pixels]) -> Array:
    rows = FakeExtractor().extract(pictures).astype(float)
    return np.array([row / math.sqrt(math.fsum(row**2)) for row in rows])


def grid(a: Array, b: Array) -> Array:
    return np.array([[math.exp(-math.fsum((p - q) ** 2) / (2 * 10.0**2)) for q in b] for p in a])


def colored(seed: int, count: int) -> list[Pixels]:
    """Pictures of unlike hues: at length 1 those of `images` are nearly one vector."""
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (1, 1, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1) for _ in range(count)]


def test_the_value_is_a_thousand_times_the_biased_statistic_of_unit_vectors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kernels, "BLOCK", 7)
    pictures = colored(1, 30)
    value, columns = fed(make(tmp_path), pictures).compute()
    x, y = unit(pictures), unit(images(99, 40))
    within_x, within_y, across = grid(x, x), grid(y, y), grid(x, y)
    expected = 1000 * (within_x.mean() + within_y.mean() - 2 * across.mean())
    # Unit vectors are kept in float32: 1e-7 of each, and squared distances are 100 times as small as sigma's.
    assert value.value == pytest.approx(expected, rel=1e-5)
    assert expected > 0.1
    of_x = 2000 * (within_x.mean(1) - within_x.mean() - across.mean(1) + across.mean())
    of_y = 2000 * (within_y.mean(1) - within_y.mean() - across.mean(0) + across.mean())
    np.testing.assert_allclose(columns["cmmd"], of_x, rtol=1e-4, atol=1e-5)
    by_prompt = clustered_mean(of_x, [prompt_of(i).id for i in range(30)]).standard_error
    reach = t_quantile(9, 0.95) * math.hypot(by_prompt, of_y.std(ddof=1) / math.sqrt(40))
    assert value.ci95 == pytest.approx((expected - reach, expected + reach), rel=1e-4)
    without_the_diagonal = 1000 * (
        (within_x.sum() - 30) / (30 * 29) + (within_y.sum() - 40) / (40 * 39) - 2 * across.mean()
    )
    assert abs(without_the_diagonal / expected - 1) > 1e-3


def test_only_directions_count(tmp_path: Path) -> None:
    class Longer(FakeExtractor):
        def extract(self, pictures):  # type: ignore[no-untyped-def]
            vectors = super().extract(pictures)
            return vectors * np.float32(8.0) if len(pictures) == 30 else vectors

    pictures = colored(1, 30)
    longer = fed(make(tmp_path, source=DirectFeatures(Longer())), pictures).compute()
    plain = fed(make(tmp_path), pictures).compute()
    assert longer.value.value == pytest.approx(plain.value.value, rel=1e-9)


def test_the_reference_itself_is_at_distance_zero(tmp_path: Path) -> None:
    itself = reference(tmp_path)
    value = fed(make(tmp_path, reference=itself), [itself.draw(i) for i in range(40)]).compute().value
    assert value.value == pytest.approx(0.0, abs=1e-9)


def test_one_image_is_undefined_and_says_so(tmp_path: Path) -> None:
    value = fed(make(tmp_path), [None, *images(1, 1)]).compute().value
    assert math.isnan(value.value)
    assert (value.n, value.num_unscored) == (1, 1)
    assert value.notes == ("undefined at 1 and 40 reference images; it takes 2 of each",)


def test_the_protocol_names_kernel_scale_and_estimator(tmp_path: Path) -> None:
    values = make(tmp_path).protocol().values
    assert values["kernel"] == "exp(-|x-y|^2 / (2 10^2)), unit vectors"
    assert values["estimator"] == "V-statistic over all pairs"
    assert values["scale"] == 1000.0
