import io
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drawbench_eval.images.decode import MAX_PIXELS, decode

COCO = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "images" / "coco_val2017_sample"

COLORS = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
GRAY = COLORS[..., 0]
# 128 and 129 lie on either side of a half; 65280 is where keeping the high byte and rounding differ.
SIXTEEN = np.array([[0, 128, 129, 257], [256, 32768, 65280, 65535]], dtype=np.uint16)
SIXTEEN_AS_EIGHT = np.array([[0, 0, 1, 1], [1, 128, 254, 255]], dtype=np.uint8)


def encoded(image: NDArray[Any] | Image.Image, image_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture = image if isinstance(image, Image.Image) else Image.fromarray(image)
    picture.save(buffer, format=image_format, **options)
    return buffer.getvalue()


def png(width: int, height: int, depth: int, color_type: int, rows: bytes) -> bytes:
    """A PNG written by hand."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def three(gray: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.stack([gray] * 3, axis=-1)


def oriented(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif


def palette_image() -> tuple[Image.Image, NDArray[np.uint8]]:
    """An image of palette entries, and the colours that they stand for."""
    entries = np.random.default_rng(1).integers(0, 256, (256, 3), dtype=np.uint8)
    picture = Image.fromarray(GRAY)
    picture.putpalette(entries.tobytes())
    return picture, entries[GRAY]


@pytest.mark.parametrize("image_format", ["PNG", "BMP", "TIFF", "PPM"])
def test_color_comes_back_as_it_was_stored(image_format: str) -> None:
    image = decode(encoded(COLORS, image_format), "a")
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, COLORS)


@pytest.mark.parametrize("image_format", ["PNG", "BMP", "TIFF", "PPM"])
def test_gray_becomes_three_equal_channels(image_format: str) -> None:
    np.testing.assert_array_equal(decode(encoded(GRAY, image_format), "a"), three(GRAY))


def test_one_bit_becomes_black_and_white() -> None:
    bits = GRAY > 127
    np.testing.assert_array_equal(decode(encoded(bits, "PNG"), "a"), three(bits * np.uint8(255)))


@pytest.mark.parametrize("transparency", [None, 3, bytes(range(256))])
def test_a_palette_becomes_its_colors_whether_or_not_they_are_transparent(transparency: object) -> None:
    picture, colors = palette_image()
    options = {} if transparency is None else {"transparency": transparency}
    np.testing.assert_array_equal(decode(encoded(picture, "PNG", **options), "a"), colors)


def test_alpha_is_dropped_and_not_blended() -> None:
    # Invisible pixels too keep their colours.
    alpha = np.arange(48, dtype=np.uint8).reshape(6, 8, 1) * 5
    np.testing.assert_array_equal(decode(encoded(np.dstack([COLORS, alpha]), "PNG"), "a"), COLORS)
    np.testing.assert_array_equal(decode(encoded(np.dstack([GRAY, alpha]), "PNG"), "a"), three(GRAY))
    lossless = encoded(np.dstack([COLORS, alpha]), "WEBP", lossless=True, exact=True)
    np.testing.assert_array_equal(decode(lossless, "a"), COLORS)


def test_one_transparent_color_stays_that_color() -> None:
    chosen = tuple(int(value) for value in COLORS[2, 3])
    np.testing.assert_array_equal(decode(encoded(COLORS, "PNG", transparency=chosen), "a"), COLORS)
    gray = encoded(GRAY, "PNG", transparency=int(GRAY[0, 0]))
    np.testing.assert_array_equal(decode(gray, "a"), three(GRAY))


def test_cmyk_is_ink_on_white() -> None:
    inks = np.random.default_rng(2).integers(0, 256, (6, 8, 4), dtype=np.uint8)
    picture = Image.frombytes("CMYK", (8, 6), inks.tobytes())
    light = 255.0 - inks
    expected = np.rint(light[..., :3] * light[..., 3:] / 255)
    np.testing.assert_array_equal(decode(encoded(picture, "TIFF"), "a"), expected)


def test_a_cmyk_jpeg_is_not_inverted() -> None:
    # Such files hold 255 for no ink, against what the format says; readers must know.
    picture = Image.new("CMYK", (16, 16), (0, 200, 40, 30))
    image = decode(encoded(picture, "JPEG", quality=100), "a").astype(int)
    expected = np.array([255, 55, 215]) * 225 / 255
    assert np.abs(image - expected).max() <= 3


@pytest.mark.parametrize("image_format", ["PNG", "TIFF", "PPM"])
def test_sixteen_bit_gray_is_scaled_and_not_clipped(image_format: str) -> None:
    np.testing.assert_array_equal(decode(encoded(SIXTEEN, image_format), "a"), three(SIXTEEN_AS_EIGHT))


def test_sixteen_bit_gray_is_scaled_in_either_byte_order() -> None:
    big_endian = Image.frombytes("I;16B", (4, 2), SIXTEEN.astype(">u2").tobytes())
    assert Image.open(io.BytesIO(encoded(big_endian, "TIFF"))).mode == "I;16B"
    np.testing.assert_array_equal(decode(encoded(big_endian, "TIFF"), "a"), three(SIXTEEN_AS_EIGHT))


def test_sixteen_bit_gray_is_turned_upright_too() -> None:
    data = encoded(SIXTEEN, "PNG", exif=oriented(6))
    np.testing.assert_array_equal(decode(data, "a"), np.rot90(three(SIXTEEN_AS_EIGHT), -1))


@pytest.mark.parametrize(("color_type", "channels"), [(2, 3), (4, 2), (6, 4)])
def test_sixteen_bit_color_is_within_one_of_the_scaled_value(color_type: int, channels: int) -> None:
    values = np.random.default_rng(3).integers(0, 65536, (5, 7, channels)).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in values)
    image = decode(png(7, 5, 16, color_type, rows), "a")
    shown = np.repeat(values[..., :1], 3, axis=-1) if channels == 2 else values[..., :3]
    np.testing.assert_array_equal(image, shown >> 8)
    assert np.abs(image - np.rint(shown / 257)).max() <= 1


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_pixels_without_a_stated_range_are_refused(dtype: type) -> None:
    data = encoded(np.full((4, 4), 200, dtype=dtype), "TIFF")
    with pytest.raises(ValueError, match=r"^a\.tif: .*32-bit pixels have no stated range"):
        decode(data, "a.tif")


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, COLORS),
        (2, COLORS[:, ::-1]),
        (3, COLORS[::-1, ::-1]),
        (4, COLORS[::-1]),
        (5, COLORS.swapaxes(0, 1)),
        (6, np.rot90(COLORS, -1)),
        (7, COLORS[::-1, ::-1].swapaxes(0, 1)),
        (8, np.rot90(COLORS, 1)),
    ],
)
def test_orientation_from_exif_is_applied(orientation: int, upright: NDArray[np.uint8]) -> None:
    data = encoded(COLORS, "PNG", exif=oriented(orientation))
    np.testing.assert_array_equal(decode(data, "a"), upright)


def test_a_camera_held_sideways_gives_an_upright_photograph() -> None:
    stored = np.zeros((16, 32, 3), dtype=np.uint8)
    stored[:, :16] = (255, 0, 0)
    stored[:, 16:] = (0, 0, 255)
    image = decode(encoded(stored, "JPEG", exif=oriented(6)), "a")
    assert image.shape == (32, 16, 3)
    # What was left is at the top.
    assert image[:8, :, 0].min() > 200
    assert image[-8:, :, 2].min() > 200


def test_of_an_animation_the_first_frame_counts() -> None:
    first, second = Image.new("RGB", (4, 4), (255, 0, 0)), Image.new("RGB", (4, 4), (0, 0, 255))
    data = encoded(first, "GIF", save_all=True, append_images=[second])
    assert getattr(Image.open(io.BytesIO(data)), "n_frames", 1) == 2
    np.testing.assert_array_equal(decode(data, "a"), np.full((4, 4, 3), (255, 0, 0)))


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "BMP", "GIF", "WEBP"])
def test_one_pixel_is_an_image(image_format: str) -> None:
    image = decode(encoded(Image.new("RGB", (1, 1), (255, 255, 255)), image_format), "a")
    np.testing.assert_array_equal(image, np.full((1, 1, 3), 255))


@pytest.mark.parametrize(
    ("image_format", "options"),
    [
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("PNG", {}),
        ("BMP", {}),
        ("GIF", {}),
        ("WEBP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("PPM", {}),
    ],
)
@pytest.mark.parametrize("share", [0.2, 0.5, 0.9])
def test_a_truncated_image_is_refused(image_format: str, options: dict[str, object], share: float) -> None:
    noise = np.random.default_rng(4).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    data = encoded(noise, image_format, **options)
    assert decode(data, "whole").shape == (40, 40, 3)
    with pytest.raises(ValueError, match=r"^half: not a readable image \(") as caught:
        decode(data[: int(len(data) * share)], "half")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [b"GIF89a", b"<html>404</html>", b"\x89PNG\r\n\x1a\n" + b"\0" * 50, b"P6\n"])
def test_what_is_no_image_is_refused_by_name(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"^b/a\.png: not a readable image \(") as caught:
        decode(data, "b/a.png")
    # No address of a buffer, which would differ from run to run.
    assert " at 0x" not in str(caught.value)


def test_an_empty_file_is_called_empty() -> None:
    with pytest.raises(ValueError, match=r"^a\.png: an empty file \(0 bytes\)"):
        decode(b"", "a.png")


def test_damaged_pixels_in_a_png_are_noticed() -> None:
    data = bytearray(encoded(COLORS, "PNG", compress_level=0))
    data[data.index(COLORS[0, :1].tobytes())] ^= 1
    with pytest.raises(ValueError, match=r"^a: not a readable image"):
        decode(bytes(data), "a")


def test_the_limit_of_pixels_is_inclusive() -> None:
    data = encoded(COLORS, "PNG")
    np.testing.assert_array_equal(decode(data, "a", max_pixels=48), COLORS)
    with pytest.raises(ValueError, match=r"^a: .*8x6 pixels; at most 47 are read"):
        decode(data, "a", max_pixels=47)


@pytest.mark.parametrize("side", [8193, 10_000, 60_000])
def test_a_decompression_bomb_is_refused_by_its_header(side: int) -> None:
    # No row follows the header: had the pixels been asked for, the file would be called truncated.
    with pytest.raises(ValueError, match="truncated"):
        decode(png(100, 100, 8, 2, b""), "small.png")
    with pytest.raises(ValueError, match=r"^bomb\.png: not a readable image .*pixels") as caught:
        decode(png(side, 8192, 8, 2, b""), "bomb.png")
    assert "truncated" not in str(caught.value)


def test_pillows_own_warning_does_not_let_a_bomb_through() -> None:
    with (
        pytest.warns(Image.DecompressionBombWarning),
        pytest.raises(ValueError, match=f"at most {MAX_PIXELS}"),
    ):
        decode(png(10_000, 10_000, 8, 2, b""), "bomb.png")


def test_threads_decode_alike_and_leave_the_filters_of_warnings_alone() -> None:
    picture, colors = palette_image()
    large = np.random.default_rng(5).integers(0, 256, (200, 200, 3), dtype=np.uint8)
    files = [
        (encoded(COLORS, "PNG", exif=oriented(8)), np.rot90(COLORS, 1)),
        (encoded(picture, "PNG", transparency=bytes(256)), colors),
        (encoded(large, "PNG"), large),
        (encoded(SIXTEEN, "PNG"), three(SIXTEEN_AS_EIGHT)),
    ] * 20
    before = list(warnings.filters)
    with ThreadPoolExecutor(8) as pool:
        images = list(pool.map(lambda file: decode(file[0], "a"), files))
    for image, (_, expected) in zip(images, files, strict=True):
        np.testing.assert_array_equal(image, expected)
    assert list(warnings.filters) == before


@pytest.mark.shared_data
@pytest.mark.skipif(not COCO.exists(), reason="needs ../shared/data")
def test_photographs_of_many_sizes_decode_and_one_of_them_is_gray() -> None:
    files = [path.read_bytes() for path in sorted(COCO.glob("*.jpg"))]
    images = [decode(data, "a") for data in files]
    assert len(images) == 159
    assert all(image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8 for image in images)
    assert len({image.shape for image in images}) > 20
    modes = [Image.open(io.BytesIO(data)).mode for data in files]
    assert modes.count("L") == 1
    gray = modes.index("L")
    np.testing.assert_array_equal(images[gray], three(np.asarray(Image.open(io.BytesIO(files[gray])))))
    # Two more were stored in colour but show none.
    assert sum(bool((image == image[..., :1]).all()) for image in images) == 3
