import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drawbench_eval.images.prepare import Preparation

RESAMPLING = {
    "nearest": Image.Resampling.NEAREST,
    "box": Image.Resampling.BOX,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
}


def image(height: int, width: int, seed: int = 0) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def naive(pixels: NDArray[np.uint8], size: int, name: str) -> NDArray[np.uint8]:
    """The middle square by slices, each channel resized by Pillow on its own."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = pixels[top : top + side, left : left + side]
    channels = [Image.fromarray(square[..., c]).resize((size, size), RESAMPLING[name]) for c in range(3)]
    return np.stack([np.asarray(channel) for channel in channels], axis=-1)


@pytest.mark.parametrize("name", sorted(RESAMPLING))
@pytest.mark.parametrize("shape", [(480, 640), (641, 427), (256, 300), (100, 90), (1, 1), (1, 7)])
def test_the_middle_square_is_resized_as_pillow_does(name: Any, shape: tuple[int, int]) -> None:
    pixels = image(*shape)
    prepared = Preparation(size=256, crop="center", filter=name).apply(pixels)
    assert prepared.dtype == np.uint8
    np.testing.assert_array_equal(prepared, naive(pixels, 256, name))


def test_making_smaller_averages_what_it_leaves_out() -> None:
    pixels = image(512, 512)
    blocks = pixels.reshape(256, 2, 256, 2, 3).mean(axis=(1, 3))
    prepared = Preparation(size=256, filter="box").apply(pixels)
    # Rows and columns are rounded one after the other.
    assert np.abs(prepared - blocks).max() <= 1


@pytest.mark.parametrize(
    ("shape", "rows", "columns"),
    [
        ((4, 7), slice(0, 4), slice(1, 5)),
        ((7, 4), slice(1, 5), slice(0, 4)),
        ((4, 6), slice(0, 4), slice(1, 5)),
        ((5, 5), slice(0, 5), slice(0, 5)),
    ],
)
def test_the_middle_square_alone_keeps_its_pixels(
    shape: tuple[int, int], rows: slice, columns: slice
) -> None:
    pixels = image(*shape)
    np.testing.assert_array_equal(Preparation(crop="center").apply(pixels), pixels[rows, columns])


def test_squash_changes_the_aspect_ratio() -> None:
    pixels = image(30, 50)
    prepared = Preparation(size=20, crop="squash", filter="lanczos").apply(pixels)
    expected = Image.fromarray(pixels).resize((20, 20), Image.Resampling.LANCZOS)
    np.testing.assert_array_equal(prepared, np.asarray(expected))


def test_a_resize_that_would_change_the_aspect_ratio_unasked_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^50x30 is not square and crop is none; choose crop=center or"):
        Preparation(size=20).apply(image(30, 50))
    assert Preparation(size=20).apply(image(50, 50)).shape == (20, 20, 3)


@pytest.mark.parametrize("name", sorted(RESAMPLING))
def test_an_image_of_the_right_size_keeps_its_pixels(name: Any) -> None:
    pixels = image(32, 32)
    np.testing.assert_array_equal(Preparation(size=32, crop="center", filter=name).apply(pixels), pixels)


@pytest.mark.parametrize("quality", [30, 95])
def test_jpeg_gives_what_a_jpeg_file_with_halved_chroma_holds(quality: int) -> None:
    pixels = np.asarray(Image.fromarray(image(9, 9)).resize((45, 61), Image.Resampling.BICUBIC))

    def written(subsampling: int) -> NDArray[np.uint8]:
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, format="JPEG", quality=quality, subsampling=subsampling)
        return np.asarray(Image.open(buffer))

    prepared = Preparation(codec="jpeg", quality=quality).apply(pixels)
    np.testing.assert_array_equal(prepared, written(2))
    assert not np.array_equal(prepared, written(0))
    assert not np.array_equal(prepared, pixels)


def test_the_codec_comes_after_the_resize() -> None:
    pixels = image(60, 40)
    resized = Preparation(size=24, crop="center").apply(pixels)
    both = Preparation(size=24, crop="center", codec="jpeg", quality=60).apply(pixels)
    np.testing.assert_array_equal(both, Preparation(codec="jpeg", quality=60).apply(resized))
    assert not np.array_equal(both, resized)


def test_nothing_to_do_gives_the_image_itself() -> None:
    pixels = image(3, 5)
    assert Preparation().is_identity
    assert Preparation(crop="squash").is_identity
    assert Preparation().apply(pixels) is pixels
    for other in (Preparation(size=5), Preparation(crop="center"), Preparation(codec="jpeg")):
        assert not other.is_identity


def test_identity_names_what_is_used_and_leaves_the_rest_null() -> None:
    assert Preparation().identity("samples") == {
        "samples.size": None,
        "samples.crop": "none",
        "samples.filter": None,
        "samples.codec": "none",
    }
    every = Preparation(size=256, crop="center", filter="lanczos", codec="jpeg", quality=75)
    assert every.identity("reference") == {
        "reference.size": 256,
        "reference.crop": "center",
        "reference.filter": "lanczos",
        "reference.codec": "jpeg q75 4:2:0",
    }


def test_preparations_of_one_identity_give_the_same_pixels() -> None:
    pixels = image(20, 20)
    same = [Preparation(), Preparation(crop="squash", filter="box", quality=3), Preparation(filter="lanczos")]
    for preparation in same:
        assert preparation.identity("a") == Preparation().identity("a")
        np.testing.assert_array_equal(preparation.apply(pixels), pixels)


def test_preparations_of_other_pixels_have_another_identity() -> None:
    pixels = image(20, 30)
    different = [
        Preparation(),
        Preparation(crop="center"),
        Preparation(size=10, crop="center"),
        Preparation(size=11, crop="center"),
        Preparation(size=10, crop="squash"),
        Preparation(size=10, crop="center", filter="box"),
        Preparation(codec="jpeg"),
        Preparation(codec="jpeg", quality=50),
    ]
    prepared = {preparation.apply(pixels).tobytes() for preparation in different}
    identities = {tuple(preparation.identity("a").items()) for preparation in different}
    assert len(prepared) == len(identities) == len(different)


@pytest.mark.parametrize("size", [0, -1, 4097])
def test_a_size_out_of_range_is_refused(size: int) -> None:
    with pytest.raises(ValueError, match=f"^size: {size}; it must be 1 to 4096"):
        Preparation(size=size)


@pytest.mark.parametrize("quality", [0, 101])
def test_a_quality_out_of_range_is_refused(quality: int) -> None:
    with pytest.raises(ValueError, match=f"^quality: {quality}; it must be 1 to 100"):
        Preparation(quality=quality)
