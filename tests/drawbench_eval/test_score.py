"""Metrics from Python: one image in three forms is one score, or a clear error."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from drawbench_eval.images.pixels import as_pixels
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.metrics.base import MetricValue
from drawbench_eval.score import score

METRICS = {"fd_scenes": {}, "precision": {"extractor": "scenes"}, "diversity": {"extractor": "scenes"}}


def pictures(seed: int, count: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (count, 8, 8, 3), dtype=np.uint8)
    return coarse.repeat(8, axis=1).repeat(8, axis=2)


def value(images: object) -> MetricValue:
    return score(images, reference=pictures(1, 12), metrics=["fd_scenes"])["fd_scenes"]


def test_bytes_floats_and_pillow_images_are_one_score() -> None:
    images = pictures(0, 10)
    channels_first = torch.from_numpy(images).permute(0, 3, 1, 2)
    expected = value(images)
    assert expected.n == 10
    assert expected.value > 0
    assert value(channels_first) == expected
    assert value(channels_first.float() / 255) == expected
    assert value([Image.fromarray(image) for image in images]) == expected
    assert value(list(images)) == expected


def test_a_blank_image_is_counted_and_unscored() -> None:
    images = pictures(0, 10)
    found = value(np.concatenate([images, np.zeros((1, 64, 64, 3), np.uint8)]))
    assert (found.n, found.num_unscored) == (10, 1)
    assert found.value == value(images).value


@pytest.mark.parametrize(
    ("images", "said"),
    [
        (torch.zeros(2, 3, 8, 8) - 1, r"image 0: floats from -1 to -1; they must lie in \[0, 1\]"),
        (torch.full((2, 3, 8, 8), 200.0), r"image 0: floats from 200 to 200"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.int64), "image 0: int64; it must be uint8"),
        (torch.full((2, 3, 8, 8), float("nan")), "image 0: floats from nan to nan"),
        (np.zeros((2, 3, 8, 8), dtype=np.uint8), r"image 0: shape \[3, 8, 8\]; it must be RGB \[height"),
        (np.zeros((2, 8, 8), dtype=np.uint8), r"image 0: shape \[8, 8\]"),
        ([np.zeros((8, 8, 3), np.uint8), np.zeros((0, 8, 3), np.uint8)], r"image 1: shape \[0, 8, 3\]"),
    ],
)
def test_what_could_be_read_in_two_ways_is_refused(images: object, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        as_pixels(images)


def test_rounding_of_floats_is_undone_and_overshoot_is_clipped() -> None:
    (image,) = as_pixels([torch.full((3, 2, 2), 0.5)])
    assert image.dtype == np.uint8
    assert set(image.ravel().tolist()) == {128}
    (bright,) = as_pixels([torch.full((3, 2, 2), 1.0005)])
    assert set(bright.ravel().tolist()) == {255}


def test_two_folders_in_three_lines(tmp_path: Path) -> None:
    for name, images in (("a", pictures(0, 10)), ("b", pictures(1, 12))):
        (tmp_path / name).mkdir()
        for index, image in enumerate(images):
            Image.fromarray(image).save(tmp_path / name / f"{index}.png")
    values = score(tmp_path / "a", reference=tmp_path / "b", metrics=METRICS, store=tmp_path / "store")
    assert list(values) == list(METRICS)
    assert values["fd_scenes"].value == pytest.approx(value(pictures(0, 10)).value, rel=1e-9)
    assert values["fd_scenes"].n == 10
    assert any((tmp_path / "store" / "features").rglob("*.safetensors"))


def test_a_truncated_image_in_a_folder_is_unscored(tmp_path: Path) -> None:
    for index, image in enumerate(pictures(0, 5)):
        Image.fromarray(image).save(tmp_path / f"{index}.png")
    whole = (tmp_path / "3.png").read_bytes()
    (tmp_path / "3.png").write_bytes(whole[: len(whole) // 2])
    found = score(tmp_path, reference=pictures(1, 12), metrics=["fd_scenes"])["fd_scenes"]
    assert (found.n, found.num_unscored) == (4, 1)


def test_prompts_are_needed_where_they_are_read_and_come_one_an_image() -> None:
    with pytest.raises(ValueError, match="scenes_clip_score reads prompts and there are none"):
        score(pictures(0, 2), metrics=["scenes_clip_score"])
    with pytest.raises(ValueError, match="prompts: 2 images take as many texts"):
        score(pictures(0, 2), metrics=["scenes_clip_score"], prompts=["one"])
    texts = ["a red circle", "a blue square"]
    found = score(pictures(0, 2), metrics=["scenes_clip_score"], prompts=texts)["scenes_clip_score"]
    assert -1 <= found.value <= 1
    with pytest.raises(ValueError, match="images: there are none"):
        score([], metrics=["scenes_clip_score"], prompts=[])


def test_preparation_is_part_of_the_protocol() -> None:
    plain = value(pictures(0, 4))
    squashed = Preparation(size=64, crop="squash", codec="jpeg")
    prepared = score(pictures(0, 4), reference=pictures(1, 12), metrics=["fd_scenes"], prepare=squashed)[
        "fd_scenes"
    ]
    assert prepared.protocol != plain.protocol
    assert prepared.value != plain.value
