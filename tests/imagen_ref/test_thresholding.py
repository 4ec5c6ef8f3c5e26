import numpy as np
import pytest
import torch
from torch import Tensor

from imagen_ref.thresholding import INTERPOLATIONS, THRESHOLDS, quantile, threshold


def images(scale: float) -> Tensor:
    return scale * torch.randn(4, 3, 5, 7, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(
    ("interpolation", "expected"), [("lower", 4.0), ("nearest", 4.0), ("linear", 4.2), ("higher", 5.0)]
)
def test_the_published_example(interpolation: str, expected: float) -> None:
    values = torch.tensor([[3.0, 1.0, 5.0, 2.0, 4.0]])
    assert quantile(values, 0.8, interpolation).item() == pytest.approx(expected)


@pytest.mark.parametrize("interpolation", INTERPOLATIONS)
@pytest.mark.parametrize("percentile", [0.005, 0.1, 0.5, 0.8, 0.95, 0.995, 1.0])
def test_quantile_equals_numpy(percentile: float, interpolation: str) -> None:
    values = images(1.0).flatten(1).double()
    # numpy's own type stub lists the methods one by one
    expected = np.quantile(values.numpy(), percentile, axis=1, method=interpolation)  # type: ignore[call-overload]
    np.testing.assert_allclose(quantile(values, percentile, interpolation).numpy(), expected, rtol=1e-12)


def test_nearest_breaks_ties_towards_the_even_position() -> None:
    assert quantile(torch.tensor([[0.0, 1.0]]), 0.5, "nearest").item() == 0.0
    assert quantile(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), 0.5, "nearest").item() == 2.0


def test_more_than_two_to_the_24_elements_a_sample() -> None:
    count = 2**24 + 3
    values = torch.arange(count, dtype=torch.float32).flip(0).view(1, -1) / count
    assert quantile(values, 0.995, "linear").item() == pytest.approx(0.995, abs=1e-6)


def test_golden_modes() -> None:
    x0 = torch.tensor([-5.0, 1.0, 2.0, 3.0, 4.0]).view(1, 1, 1, 5)
    expected = {
        "none": [-5.0, 1.0, 2.0, 3.0, 4.0],
        "static": [-1.0, 1.0, 1.0, 1.0, 1.0],
        "dynamic": [-1.0, 0.25, 0.5, 0.75, 1.0],
    }
    assert set(expected) == set(THRESHOLDS)
    for mode, values in expected.items():
        assert threshold(x0, mode, 0.8, "lower").flatten().tolist() == values
    linear = threshold(x0, "dynamic", 0.8, "linear").flatten()
    torch.testing.assert_close(linear, torch.tensor([-4.2, 1.0, 2.0, 3.0, 4.0]) / 4.2)


def test_dynamic_is_not_static_and_neither_is_none() -> None:
    results = [threshold(images(3.0), mode, 0.9, "linear") for mode in THRESHOLDS]
    for index, one in enumerate(results):
        for other in results[index + 1 :]:
            assert (one - other).abs().max() > 0.1


def test_dynamic_never_amplifies_and_equals_static_when_the_quantile_is_below_one() -> None:
    x0 = images(0.25)
    x0[0, 0, 0, 0] = 1.5
    assert torch.equal(threshold(x0, "dynamic", 0.9, "linear"), threshold(x0, "static", 0.9, "linear"))


@pytest.mark.parametrize("mode", THRESHOLDS)
def test_each_sample_by_itself(mode: str) -> None:
    x0 = images(1.0) * torch.tensor([0.1, 1.0, 3.0, 100.0]).view(-1, 1, 1, 1)
    together = threshold(x0, mode, 0.95, "linear")
    alone = torch.cat([threshold(row[None], mode, 0.95, "linear") for row in x0])
    assert torch.equal(together, alone)


def test_all_channels_share_one_s() -> None:
    x0 = images(1.0)[:1] * torch.tensor([1.0, 4.0, 9.0]).view(1, 3, 1, 1)
    s = np.quantile(x0.abs().numpy(), 0.9)
    expected = np.clip(x0.numpy(), -s, s) / s
    np.testing.assert_allclose(threshold(x0, "dynamic", 0.9, "linear").numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("mode", THRESHOLDS)
def test_result_is_float32_and_the_input_is_left_alone(mode: str) -> None:
    x0 = images(3.0).to(torch.bfloat16)
    before = x0.clone()
    assert threshold(x0, mode, 0.995, "linear").dtype == torch.float32
    assert torch.equal(x0, before)


@pytest.mark.parametrize(
    ("mode", "percentile", "interpolation", "message"),
    [
        ("dynamic", 99.5, "linear", r"percentile=99\.5 .* is a fraction: write 0\.995"),
        ("static", 95, "linear", r"percentile=95 .* is a fraction: write 0\.95"),
        ("dynamic", 0.0, "linear", r"percentile=0: write a fraction above 0"),
        ("dynamic", -0.1, "linear", r"percentile=-0\.1: write a fraction above 0"),
        ("dynamic", float("nan"), "linear", r"percentile=nan: write a fraction above 0"),
        ("clip", 0.995, "linear", r"threshold='clip' does not exist: write one of none, static, dynamic"),
        ("none", 0.995, "midpoint", r"interpolation='midpoint' does not exist: write one of linear, lower"),
    ],
)
def test_mistakes_are_named(mode: str, percentile: float, interpolation: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        threshold(images(1.0), mode, percentile, interpolation)
