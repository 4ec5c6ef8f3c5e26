import numpy as np
import pytest
import torch
from torch import Tensor

from imagen_ref.resize import resize, to_float, to_uint8


def image(side: int) -> Tensor:
    return torch.rand(2, 3, side, side, generator=torch.Generator().manual_seed(side)) * 2 - 1


def triangle_weights(old: int, new: int) -> np.ndarray:
    """[new, old]: a triangle around each new pixel's centre, widened by the scale when shrinking."""
    support = max(old / new, 1.0)
    centres = (np.arange(new)[:, None] + 0.5) * old / new - 0.5
    weights = np.clip(1 - np.abs(np.arange(old)[None] - centres) / support, 0, None)
    return np.asarray(weights / weights.sum(1, keepdims=True))


@pytest.mark.parametrize(("old", "new"), [(64, 16), (16, 64), (50, 17), (17, 23), (24, 1)])
def test_equals_the_naive_triangle_filter(old: int, new: int) -> None:
    x, weights = image(old), triangle_weights(old, new)
    expected = np.einsum("ih,bchw,jw->bcij", weights, x.double().numpy(), weights)
    np.testing.assert_allclose(resize(x, new).numpy(), expected, atol=2e-6)


def test_same_side_is_the_same_image() -> None:
    assert torch.equal(resize(image(16), 16), image(16))


def test_float32_whatever_comes_in() -> None:
    assert resize(image(16).to(torch.bfloat16), 8).dtype == torch.float32
    assert resize(image(16).double(), 16).dtype == torch.float32


def test_images_that_are_not_square_are_refused() -> None:
    with pytest.raises(ValueError, match="image of 20x10 pixels: crop it to a square first"):
        resize(torch.zeros(1, 3, 10, 20), 8)


def test_all_256_levels_survive_the_round_trip() -> None:
    levels = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).expand(1, 16, 16, 3)
    assert torch.equal(to_uint8(to_float(levels)), levels)


def test_layout_and_range() -> None:
    pixels = torch.zeros(1, 2, 2, 3, dtype=torch.uint8)
    pixels[0, 0, 1, 2] = 255
    x = to_float(pixels)
    assert x.shape == (1, 3, 2, 2)
    assert x[0, 2, 0, 1] == 1.0
    assert x.sum() == 1.0 - 11.0


def test_eight_bits_round_and_clip() -> None:
    x = torch.tensor([-7.0, -1.0, 99.4 / 127.5 - 1, 99.6 / 127.5 - 1, 1.0, torch.inf]).view(1, 1, 1, 6)
    assert to_uint8(x.expand(1, 3, 1, 6))[0, 0, :, 0].tolist() == [0, 0, 99, 100, 255, 255]


def test_nan_and_float_pixels_are_refused() -> None:
    x = image(4)
    x[1, 0, 0, 0] = torch.nan
    with pytest.raises(ValueError, match="images 1 of the batch hold NaN"):
        to_uint8(x)
    with pytest.raises(AssertionError):
        to_float(torch.zeros(1, 2, 2, 3))
