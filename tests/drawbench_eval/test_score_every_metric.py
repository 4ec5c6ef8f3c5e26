"""Every metric in three lines, from tensors and from two folders, on random weights in the real layouts."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from random_inception import random_inception, textures
from tiny_clip import NAME, make_clip
from transformers import Dinov2Config, Dinov2Model

from drawbench_eval.features.clip import ClipSettings
from drawbench_eval.metrics.base import MetricValue
from drawbench_eval.metrics.registry import known_metrics
from drawbench_eval.prompt import Prompt
from drawbench_eval.scenes.suite import prompt_set
from drawbench_eval.score import score
from drawbench_eval.weights import WeightsSettings

NUM, NUM_REFERENCE = 14, 16
PROMPTS = prompt_set()
# Two images a prompt.
ASKED = [PROMPTS.prompts[20 * (index // 2)] for index in range(NUM)]

pytestmark = pytest.mark.filterwarnings("ignore:QuickGELU mismatch:UserWarning")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("weights")
    make_clip(folder / "clip")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = Dinov2Config(hidden_size=16, num_hidden_layers=1, num_attention_heads=2, patch_size=14)
        Dinov2Model(config).save_pretrained(folder / "dinov2")
    inception = random_inception(folder / "inception.pth", images=8)
    return {
        "weights": WeightsSettings(inception=inception, dinov2=folder / "dinov2", allow_unverified=True),
        "clip": ClipSettings(model=NAME, pretrained=str(folder / "clip" / "clip.pt"), activation="gelu"),
    }


def test_from_tensors_and_from_two_folders(models: dict[str, Any], tmp_path: Path) -> None:
    sets = {"samples": textures(NUM, seed=1), "photographs": textures(NUM_REFERENCE, seed=2)}
    for name, pictures in sets.items():
        (tmp_path / name).mkdir()
        for index, picture in enumerate(pictures):
            stem = f"{ASKED[index].id}_{index % 2}" if name == "samples" else f"{index:02d}"
            Image.fromarray(picture).save(tmp_path / name / f"{stem}.png")
    images, photographs = (torch.from_numpy(np.stack(s)).permute(0, 3, 1, 2) for s in sets.values())
    metrics, common = known_metrics(), {**models, "store": tmp_path / "store"}
    of_tensors = score(images, reference=photographs, metrics=metrics, prompts=ASKED, **common)
    of_folders = score(
        tmp_path / "samples",
        reference=tmp_path / "photographs",
        metrics=metrics,
        prompts=PROMPTS,
        pattern="{prompt_id}_{sample}.png",
        **common,
    )
    assert list(of_tensors) == list(of_folders) == list(metrics)
    for name in metrics:
        a, b = of_tensors[name], of_folders[name]
        assert math.isnan(a.value) == (name == "fid_infinity"), name
        assert a.n == b.n == NUM, name
        # Most prompts of the folder have no image: two each are missing, and counted.
        assert (a.num_unscored, b.num_unscored) == (0, 2 * len(PROMPTS.prompts) - NUM), name
        # Kept features are bits; this one runs its network anew, on other batches.
        rounding = 1e-6 if name == "scenes_clip_score" else 1e-9
        assert b.value == pytest.approx(a.value, rel=rounding, nan_ok=True), name
        assert b.ci95 == pytest.approx(a.ci95, rel=rounding, nan_ok=True), name
    assert of_tensors["fid_infinity"].notes == (
        f"undefined at {NUM} images, {NUM // 2} prompts; it takes 10240 and 10",
    )


def pair(prompts: list[str | Prompt]) -> MetricValue:
    metrics = {"diversity": {"extractor": "scenes"}}
    return score(np.stack(textures(4, seed=3)), metrics=metrics, prompts=prompts)["diversity"]


def test_images_of_equal_texts_are_images_of_one_prompt() -> None:
    by_text = pair(["a red circle", "a red circle", "a blue square", "a blue square"])
    assert by_text.value > 0
    a, b = Prompt(id="a", text="a red circle"), Prompt(id="b", text="a red circle")
    assert pair([a, a, b, b]).value == pytest.approx(by_text.value, rel=1e-12)
    assert math.isnan(pair(["a", "b", "c", "d"]).value)
    with pytest.raises(ValueError, match="prompts: id 'a' stands for 'a red circle' and for 'a star'"):
        pair([a, Prompt(id="a", text="a star"), b, b])
