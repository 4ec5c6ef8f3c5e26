from pathlib import Path

import numpy as np
import pytest
import torch

from drawbench_eval.scenes.scorer_check import Response, measure, report
from drawbench_eval.scenes.scorers import (
    CONTEXT,
    ImageNetwork,
    load_clip_scorer,
    load_image_scorer,
    save_scorer,
    to_input,
    tokenize,
)


def test_the_packaged_scorers_answer_graded_damage_in_the_right_direction() -> None:
    responses = measure(load_image_scorer(), load_clip_scorer(), num=300, seed=1)
    assert all(response.monotonic for response in responses), report(responses)


def test_monotonic_can_fail() -> None:
    assert Response("x", (0, 1), (0.0, 1.0), (0.5, 0.4)).monotonic
    assert not Response("x", (0, 1), (0.0, 0.0), (0.5, 0.4)).monotonic
    assert not Response("x", (0, 1), (0.0, 1.0), (0.4, 0.5)).monotonic
    assert "Not monotonic: x." in report([Response("x", (0, 1), (1.0, 0.0), (0.5, 0.4))])


def test_scores_do_not_depend_on_the_batch() -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
    clip, image = load_clip_scorer(), load_image_scorer()
    alone = np.concatenate([clip.image_features(images[k : k + 1]) for k in range(5)])
    assert np.abs(clip.image_features(images) - alone).max() < 1e-5
    alone = np.concatenate([image.features(images[k : k + 1]) for k in range(5)])
    assert np.abs(image.features(images) - alone).max() < 1e-3
    texts = ["a red circle", "a blue square left of a green star and a cyan ring", ""]
    together = clip.text_features(texts)
    assert np.abs(together - np.concatenate([clip.text_features([t]) for t in texts])).max() < 1e-5
    assert np.allclose(np.linalg.norm(together, axis=1), 1, atol=1e-5)


def test_a_long_text_keeps_its_end_token() -> None:
    tokenizer = load_clip_scorer()._tokenizer
    ids = tokenize(tokenizer, ["red " * 100, "red"])
    assert ids.shape == (2, CONTEXT)
    assert ids[0, -1] == 1
    assert (ids == 1).sum(dim=1).tolist() == [1, 1]


def test_save_and_load(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = ImageNetwork({"x": 3})
    path = tmp_path / "scorer.safetensors"
    save_scorer(path, network, {"heads": '{"x": 3}'})
    images = np.zeros((2, 64, 64, 3), np.uint8)
    with torch.no_grad():
        expected = network.half().float().features(to_input(images)).numpy()
    assert np.allclose(load_image_scorer(path).features(images), expected, atol=1e-5)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="damaged or cut short"):
        load_image_scorer(path)
    with pytest.raises(ValueError, match="there is no such file"):
        load_image_scorer(tmp_path / "elsewhere.safetensors")


@pytest.mark.parametrize("images", [np.zeros((1, 64, 64, 3), np.float32), np.zeros((1, 16, 16, 3), np.uint8)])
def test_only_uint8_images_of_the_right_side(images: np.ndarray) -> None:
    with pytest.raises(ValueError, match="uint8 images of 64x64"):
        to_input(images)
