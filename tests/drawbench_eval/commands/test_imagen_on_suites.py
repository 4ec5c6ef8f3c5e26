"""The main way, end to end: a cascade 64 -> 256 of one's own on COCO captions and DrawBench, to the PDF."""

import json
from pathlib import Path

import numpy as np
import open_clip
import pandas as pd
import pytest
import torch
from command_line import Run
from PIL import Image
from random_inception import random_inception, textures
from tiny_t5 import make_t5

from drawbench_eval.prompts import DRAWBENCH
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
        side=256, channels=(32, 32), num_res_blocks=(1, 1), stem_channels=32, num_heads=1, text_dim=width,
        text_width=32,
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


def make_clip(folder: Path) -> Path:
    config = {
        "embed_dim": 16,
        "vision_cfg": {"image_size": 64, "layers": 1, "width": 64, "head_width": 32, "patch_size": 16},
        "text_cfg": {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 1},
    }
    folder.mkdir()
    (folder / "suites-tiny.json").write_text(json.dumps(config))
    open_clip.add_model_config(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.create_model("suites-tiny")
    torch.save(model.state_dict(), folder / "clip.pt")
    return folder / "clip.pt"


def test_an_encoder_sweep_on_coco_and_drawbench_through_to_the_pdf(run: Run, tmp_path: Path) -> None:
    for width, name in zip((32, 64), ENCODERS, strict=True):
        make_checkpoint(tmp_path / "own", name, width=width)
    inception = random_inception(tmp_path / "inception.pth", images=6)
    clip = make_clip(tmp_path / "clip")
    ids = [42, 73, 133]
    (tmp_path / "val2014").mkdir()
    for identity, image in zip(ids, textures(3, sides=(300, 280)), strict=True):
        Image.fromarray(image).save(tmp_path / "val2014" / f"COCO_val2014_{identity:012d}.jpg")
    captions = pd.DataFrame({"image_id": ids, "id": [7, 8, 9], "caption": ["a red circle", "a", "two"]})
    captions.to_csv(tmp_path / "captions.csv", index=False)
    rows = [
        (f"a {category} {n}", category) for category, count in DRAWBENCH.counts.items() for n in range(count)
    ]
    pd.DataFrame(rows, columns=["Prompts", "Category"]).to_csv(tmp_path / "drawbench.csv", index=False)
    model = (
        "model=imagen",
        "model.stages.base.path=own/${model.text_encoder}/base.safetensors",
        "model.stages.sr64.path=own/${model.text_encoder}/sr64.safetensors",
        "model.encoder.path=own/encoders/${model.text_encoder}",
        "model.encoder.max_length=6",
        *("model.num_steps=1", "model.sr64.num_steps=1", "precision=float32"),
        *(f"weights.inception={inception}", "weights.allow_unverified=true"),
        *("clip.model=suites-tiny", f"clip.pretrained={clip}", "clip.activation=gelu"),
        f"model.text_encoder={','.join(ENCODERS)}",
    )
    coco = ("prompts=coco30k", "prompts.path=captions.csv", "prompts.size=3")
    reference = ("reference=coco_val2014", "reference.path=val2014", "reference.num_images=3")
    done = run("evaluate", "-m", *model, *coco, *reference, "metrics=[fid,clip_score]", "sweep=coco")
    assert done.code == 0, done.err
    drawbench = ("prompts=drawbench", "prompts.path=drawbench.csv", "prompts.limit=2", "reference=none")
    done = run("evaluate", "-m", *model, *drawbench, "metrics=[clip_score]", "sweep=drawbench")
    assert done.code == 0, done.err
    records = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("results/runs/*/run.json"))]
    assert sorted(len(record["metrics"]) for record in records) == [1, 1, 2, 2]
    weights = {
        record["factors"]["model.text_encoder"]: record["factors"]["model.weights.base"] for record in records
    }
    assert weights.keys() == set(ENCODERS)
    assert len(set(weights.values())) == 2
    on_coco = [record for record in records if "fid" in record["metrics"]]
    assert all(np.isfinite(record["metrics"]["fid"]["value"]) for record in on_coco)
    assert on_coco[0]["metrics"]["fid"]["value"] != on_coco[1]["metrics"]["fid"]["value"]
    with Image.open(next(tmp_path.glob("results/runs/*/samples/**/*.png"))) as image:
        assert image.size == (256, 256)
    for sweep in ("coco", "drawbench"):
        assert run("report", f"sweep={sweep}", f"output=pages/{sweep}").code == 0
        assert (tmp_path / "pages" / sweep / "report.pdf").read_bytes().startswith(b"%PDF")
