from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from drawbench_eval.features.preprocess import RESIZES, SIDE, clean, preprocess

Matrix = NDArray[np.float64]

# Height and width: smaller, larger and one of each, even and odd, and the sizes at which resizing stops.
SHAPES = ((17, 40), (64, 64), (96, 131), (480, 333), (700, 90), (299, 299), (299, 150), (1, 1), (1, 37))


def image(shape: tuple[int, int], seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


def filtered(length: int, side: int, kernel: Callable[[float], float], support: float) -> Matrix:
    """The weights [side, length] of an antialiased resize: a kernel around each output pixel's centre."""
    scale = length / side
    reach = max(scale, 1.0)
    weights = np.zeros((side, length))
    for output in range(side):
        centre = (output + 0.5) * scale
        first = max(int(centre - support * reach + 0.5), 0)
        last = min(int(centre + support * reach + 0.5), length)
        for index in range(first, last):
            weights[output, index] = kernel((index + 0.5 - centre) / reach)
        weights[output] /= weights[output].sum()
    return weights


def interpolated(length: int, side: int, offset: float) -> Matrix:
    """The weights [side, length] of a plain bilinear resize whose pixel centres lie at `offset`."""
    weights = np.zeros((side, length))
    for output in range(side):
        position = max((output + offset) * length / side - offset, 0.0)
        low = int(position)
        weights[output, low] += 1 - (position - low)
        weights[output, min(low + 1, length - 1)] += position - low
    return weights


def cubic(x: float) -> float:
    """Keys's cubic with a = -1/2, which is Pillow's bicubic."""
    x = abs(x)
    if x < 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2 if x < 2 else 0.0


def triangle(x: float) -> float:
    return max(1 - abs(x), 0.0)


NAIVE: dict[str, Callable[[int, int], Matrix]] = {
    "clean": lambda length, side: filtered(length, side, cubic, 2.0),
    "tf1": lambda length, side: interpolated(length, side, 0.0),
    "torch": lambda length, side: interpolated(length, side, 0.5),
    "torch_antialias": lambda length, side: filtered(length, side, triangle, 1.0),
}


def naive(pixels: NDArray[np.uint8], mode: str, side: int = SIDE) -> Matrix:
    """[3, side, side] in 0..255, in float64, by matrices of weights."""
    rows, columns = NAIVE[mode](pixels.shape[0], side), NAIVE[mode](pixels.shape[1], side)
    return np.einsum("yh,hwc,xw->cyx", rows, pixels.astype(np.float64), columns, optimize=True).clip(0, 255)


@pytest.mark.parametrize("mode", RESIZES)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_resize_is_its_formula(mode: str, shape: tuple[int, int]) -> None:
    resized = RESIZES[mode](image(shape))
    assert resized.dtype == np.float32
    assert resized.shape == (3, SIDE, SIDE)
    # Positions in float32, as in the peers, are off by 3e-5 of a pixel, across which values may step by 255.
    tolerance = 1e-4 if mode == "clean" else 0.02
    np.testing.assert_allclose(resized, naive(image(shape), mode), rtol=0, atol=tolerance)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_tf1_has_the_very_bits_of_torch_fidelity(shape: tuple[int, int]) -> None:
    pixels = torch.from_numpy(image(shape).transpose(2, 0, 1).astype(np.float32))[None]
    theirs = interpolate_bilinear_2d_like_tensorflow1x(pixels, size=(SIDE, SIDE), align_corners=False)
    np.testing.assert_array_equal(RESIZES["tf1"](image(shape)), theirs[0].numpy())


@pytest.mark.parametrize(
    ("mode", "black", "middle", "white"),
    [
        ("clean", -1.0, 0.0, 127 / 128),
        ("tf1", -1.0, 0.0, 127 / 128),
        ("torch", -1.0, 128 / 127.5 - 1, 1.0),
        ("torch_antialias", -1.0, 0.0, 127 / 128),
    ],
)
def test_a_mode_has_its_range(mode: str, black: float, middle: float, white: float) -> None:
    for level, expected in ((0, black), (128, middle), (255, white)):
        ready = preprocess(np.full((40, 30, 3), level, dtype=np.uint8), mode)
        assert ready.dtype == np.float32
        np.testing.assert_allclose(ready, expected, atol=2e-6)


@pytest.mark.parametrize("mode", RESIZES)
def test_channels_rows_and_columns_keep_their_places(mode: str) -> None:
    pixels = np.zeros((40, 60, 3), dtype=np.uint8)
    pixels[:20, :, 0], pixels[:, 45:, 2] = 250, 200
    red, green, blue = RESIZES[mode](pixels)
    assert red[:140].min() > 240
    assert red[160:].max() < 10
    assert green.max() == 0
    assert blue[:, :210].max() < 10
    assert blue[:, 235:].min() > 190


@pytest.mark.parametrize("shape", [(64, 64), (480, 333)], ids=str)
def test_no_two_modes_agree_away_from_299(shape: tuple[int, int]) -> None:
    resized = {mode: RESIZES[mode](image(shape)) for mode in RESIZES}
    pairs = [(a, b) for a in resized for b in resized if a < b]
    gaps = {(a, b): float(np.abs(resized[a] - resized[b]).mean()) for a, b in pairs}
    # Enlarged, an antialiased bilinear resize is a plain one.
    same = ("torch", "torch_antialias")
    assert (gaps.pop(same) > 1) == (shape[0] > SIDE)
    assert min(gaps.values()) > 1, gaps


@pytest.mark.parametrize("mode", RESIZES)
def test_at_299_pixels_stay_as_they_are(mode: str) -> None:
    pixels = image((SIDE, SIDE))
    np.testing.assert_allclose(RESIZES[mode](pixels), pixels.transpose(2, 0, 1), atol=1e-3)


@pytest.mark.parametrize("mode", RESIZES)
def test_a_view_of_another_image_is_read_in_its_own_order(mode: str) -> None:
    view = image((50, 70))[::-1, ::2, ::-1]
    np.testing.assert_array_equal(RESIZES[mode](view), RESIZES[mode](np.ascontiguousarray(view)))


def test_clean_goes_to_other_sides_and_never_leaves_0_to_255() -> None:
    checks = np.where(np.indices((30, 44)).sum(axis=0)[..., None] % 2, 255, 0).astype(np.uint8)
    pixels = np.repeat(checks, 3, axis=2)
    resized = clean(pixels, 224)
    assert resized.shape == (3, 224, 224)
    assert resized.min() == 0
    assert resized.max() == 255
    np.testing.assert_allclose(resized, naive(pixels, "clean", 224), atol=1e-4)
