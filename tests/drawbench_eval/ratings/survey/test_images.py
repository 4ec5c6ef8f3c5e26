import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from drawbench_eval.files import sha256_bytes
from drawbench_eval.ratings.survey import Contestant
from drawbench_eval.ratings.survey.images import SPOILT_SIDE, ImageSettings, encode, image_path, write_images
from drawbench_eval.ratings.survey.trials import Shown
from drawbench_eval.samples import SampleSet


def noise(width: int, height: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)


def decoded(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data))


@pytest.mark.parametrize(
    ("size", "shown"),
    [((512, 256), (128, 64)), ((256, 512), (64, 128)), ((100, 90), (100, 90)), ((4096, 8), (128, 1))],
)
def test_the_longer_side_has_a_limit_and_the_shape_stays(
    size: tuple[int, int], shown: tuple[int, int]
) -> None:
    picture = decoded(encode(noise(*size), max_side=128, quality=90))
    assert (picture.size, picture.format, picture.mode) == (shown, "JPEG", "RGB")


def test_colours_stay_and_so_does_every_byte() -> None:
    x = np.linspace(0, 255, 64)
    image = np.stack([np.tile(x, (48, 1)), np.tile(x[::-1], (48, 1)), np.full((48, 64), 90)], axis=-1)
    pixels = np.rint(image).astype(np.uint8)
    data = encode(pixels, max_side=64, quality=90)
    assert np.abs(np.asarray(decoded(data), dtype=int) - pixels).max() < 12
    assert encode(pixels, max_side=64, quality=90) == data


def test_a_spoilt_image_has_the_size_and_almost_none_of_the_detail() -> None:
    image = noise(96, 80)
    data = encode(image, max_side=64, quality=95, spoilt=True)
    spoilt = np.asarray(decoded(data), dtype=float)
    whole = np.asarray(decoded(encode(image, max_side=64, quality=95)), dtype=float)
    assert spoilt.shape == whole.shape
    # What is left is what so few pixels can hold.
    few = decoded(data).resize((SPOILT_SIDE, SPOILT_SIDE), Image.Resampling.BOX).resize((64, 53))
    assert np.abs(np.asarray(few, dtype=float) - spoilt).mean() < 4
    assert spoilt.std() < 0.4 * whole.std()


def test_nothing_in_a_file_says_where_it_is_from(tmp_path: Path, contestants: list[Contestant]) -> None:
    one = contestants[0].samples
    sample = one.samples[0]
    about = PngInfo()
    about.add_text("parameters", "made by zorgdiffusion")
    image = Image.open(one.folder / sample.path)
    image.save(tmp_path / "x.png", pnginfo=about)
    data = (tmp_path / "x.png").read_bytes()
    named = SampleSet(folder=tmp_path, samples=(replace(sample, path="x.png", sha256=sha256_bytes(data)),))
    shown = Shown(contestant="zorgdiffusion", sample=named.samples[0], max_side=64)
    assert write_images([shown], {"zorgdiffusion": named}, tmp_path / "out", quality=90) == {}
    (written,) = (tmp_path / "out").iterdir()
    assert written == image_path(tmp_path / "out", shown)
    assert b"zorg" in data
    assert b"zorg" not in written.read_bytes()
    assert set(decoded(written.read_bytes()).info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


def test_codes_tell_images_apart(contestants: list[Contestant]) -> None:
    sample = contestants[0].samples.samples[0]
    shown = Shown(contestant="x", sample=sample, max_side=64)
    others = [
        replace(shown, contestant="y"),
        replace(shown, max_side=65),
        replace(shown, spoilt=True),
        replace(shown, sample=replace(sample, sha256="0" * 64)),
        replace(shown, sample=replace(sample, sample_id="z")),
    ]
    assert len({image.code for image in [shown, *others]}) == 6
    assert len(shown.code) == 12


def test_images_that_cannot_be_shown_are_named(tmp_path: Path, contestants: list[Contestant]) -> None:
    one = contestants[0].samples
    sample = one.samples[0]
    gone, broken = replace(sample, path="gone.png"), replace(one.samples[1], sha256="0" * 64)
    shown = [Shown(contestant="x", sample=sample, max_side=64) for sample in (gone, broken, one.samples[2])]
    reasons = write_images(shown, {"x": one}, tmp_path, quality=90)
    assert reasons[shown[0].code].startswith("missing: ")
    assert "its content is not the one in manifest.csv" in reasons[shown[1].code]
    assert [path.name for path in tmp_path.iterdir()] == [f"{shown[2].code}.jpg"]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("set_side", 31, "set_side: 31 is not 32 to 4096 pixels"),
        ("single_side", 5000, "single_side: 5000 is not 32 to 4096"),
        ("quality", 0, "quality: 0 is not 1 to 100"),
    ],
)
def test_limits(name: str, value: int, message: str) -> None:
    values = {"set_side": 256, "single_side": 768, "quality": 90, name: value}
    with pytest.raises(ValueError, match=message):
        ImageSettings(**values)
