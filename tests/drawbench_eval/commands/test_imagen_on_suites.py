"""The main way, end to end: a cascade 64 -> 256 of one's own on COCO captions and DrawBench, to the PDF."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from command_line import Run
from drawbench_copy import write_drawbench
from PIL import Image
from random_inception import random_inception, textures
from tiny_clip import make_clip
from tiny_t5 import make_t5

from drawbench_eval.files import sha256_file
from imagen_ref.efficient_unet import EfficientUNetConfig
from imagen_ref.stage import StageConfig, save_stage
from imagen_ref.text.t5 import T5Encoder
from imagen_ref.unet import UNetConfig

ENCODERS = ("small", "large")

pytestmark = pytest.mark.filterwarnings("ignore:QuickGELU mismatch:UserWarning")


def make_checkpoint(folder: Path, name: str, *, width: int) -> None:
    """A tiny-width cascade at the real sides, trained with the encoder `name`."""
    make_t5(folder / "encoders" / name, d_model=width, num_layers=1)
    identity = T5Encoder(folder / "encoders" / name, max_length=6).identity
    base = UNetConfig(
        side=64, channels=32, channel_mult=(1, 1), num_res_blocks=1, attention_sides=(), head_dim=32,
        text_dim=width, text_width=32,
    )  # fmt: skip
    sr = EfficientUNetConfig(
        side=256, channels=(32, 32, 32, 32), num_res_blocks=(1, 1, 1, 1), stem_channels=32, num_heads=1,
        text_dim=width, text_width=32,
    )  # fmt: skip
    stages = (
        StageConfig(name="base", network=base, text_encoder=identity),
        StageConfig(name="sr64", network=sr, low_res_side=64, text_encoder=identity),
    )
    (folder / name).mkdir()
    torch.manual_seed(width)
    for config in stages:
        state = {k: 0.1 * torch.randn_like(v) for k, v in config.make_network().state_dict().items()}
        save_stage(folder / name / f"{config.name}.safetensors", config, state)


@pytest.fixture
def model(tmp_path: Path) -> tuple[str, ...]:
    """Two checkpoints, one an encoder, and the settings under which the encoder's name picks its own."""
    for width, name in zip((32, 64), ENCODERS, strict=True):
        make_checkpoint(tmp_path / "own", name, width=width)
    return (
        "model=imagen",
        "model.stages.base.path=own/${model.text_encoder}/base.safetensors",
        "model.stages.sr64.path=own/${model.text_encoder}/sr64.safetensors",
        "model.encoder.path=own/encoders/${model.text_encoder}",
        "model.encoder.max_length=6",
        *("model.num_steps=1", "model.sr64.num_steps=1", "precision=float32"),
    )


def records(results: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(results.glob("runs/*/run.json"))]


def report(run: Run, folder: Path, *settings: str) -> None:
    done = run("report", *settings, f"output={folder}")
    assert done.code == 0, done.err
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF")


def test_fid_and_clip_score_on_coco_through_to_the_pdf(
    run: Run, model: tuple[str, ...], tmp_path: Path
) -> None:
    inception = random_inception(tmp_path / "inception.pth", images=6)
    ids = [42, 73, 133]
    (tmp_path / "val2014").mkdir()
    for identity, image in zip(ids, textures(3, sides=(300, 280)), strict=True):
        Image.fromarray(image).save(tmp_path / "val2014" / f"COCO_val2014_{identity:012d}.jpg")
    captions = pd.DataFrame({"image_id": ids, "id": [7, 8, 9], "caption": ["a red circle", "a", "two"]})
    captions.to_csv(tmp_path / "captions.csv", index=False)
    done = run(
        "evaluate",
        *model,
        *("prompts=coco30k", "prompts.path=captions.csv", "prompts.size=3"),
        *("reference=coco_val2014", "reference.path=val2014", "reference.num_images=3"),
        *("metrics=[fid,clip_score]", f"weights.inception={inception}"),
        *make_clip(tmp_path / "clip"),
        "model.text_encoder=small",
    )
    assert done.code == 0, done.err
    (record,) = records(tmp_path / "results")
    assert all(np.isfinite(record["metrics"][name]["value"]) for name in ("fid", "clip_score"))
    assert record["metrics"]["fid"]["n"] == 3
    images = sorted(tmp_path.glob("results/runs/*/samples/**/*.png"))
    assert len(images) == 3
    with Image.open(images[0]) as image:
        assert image.size == (256, 256)
    report(run, tmp_path / "page")


def test_an_encoder_sweep_on_drawbench_picks_each_its_own_checkpoint(
    run: Run, model: tuple[str, ...], tmp_path: Path
) -> None:
    write_drawbench(tmp_path / "drawbench.csv")
    suite = ("prompts=drawbench", "prompts.path=drawbench.csv", "prompts.limit=2", "reference=none")
    asked = (*model, *suite, "metrics=[clip_score]", *make_clip(tmp_path / "clip"))
    for name in ENCODERS:
        done = run("evaluate", *asked, f"model.text_encoder={name}")
        assert done.code == 0, done.err
    found = records(tmp_path / "results")
    weights = {one["factors"]["model.text_encoder"]: one["factors"]["model.weights.base"] for one in found}
    assert weights == {name: sha256_file(tmp_path / "own" / name / "base.safetensors") for name in ENCODERS}
    assert len({one["metrics"]["clip_score"]["value"] for one in found}) == 2
    # The points of a sweep over both are these very runs. It would compute others in a process that does not
    # know the tests' CLIP.
    done = run("evaluate", "-m", *asked, f"model.text_encoder={','.join(ENCODERS)}", "forecast=true")
    assert done.code == 0, done.err
    assert "2 points, 4 images (2 points complete, 4 images there already)" in done.out
    report(run, tmp_path / "page")
