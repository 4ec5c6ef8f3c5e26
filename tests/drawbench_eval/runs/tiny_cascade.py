"""A cascade with random weights, small enough for tests, as a folder that `model.path` can name."""

import json
from pathlib import Path

import torch
from tiny_t5 import make_t5

from imagen_ref.efficient_unet import EfficientUNetConfig
from imagen_ref.stage import StageConfig, save_stage
from imagen_ref.text.t5 import T5Encoder
from imagen_ref.unet import UNetConfig


def make_cascade(folder: Path) -> Path:
    """16 -> 64 with a one-layer T5 that reads at most six tokens."""
    torch.manual_seed(0)
    encoder_folder = folder / "t5_middle"
    make_t5(encoder_folder, d_model=32, num_layers=1)
    identity = T5Encoder(encoder_folder, max_length=6).identity
    base = StageConfig(
        name="base",
        network=UNetConfig(
            side=16,
            channels=32,
            channel_mult=(1, 1),
            num_res_blocks=1,
            attention_sides=(8,),
            head_dim=32,
            text_dim=32,
            text_width=32,
        ),
        text_encoder=identity,
    )
    sr64 = StageConfig(
        name="sr64",
        network=EfficientUNetConfig(
            side=64,
            channels=(32, 32),
            num_res_blocks=(1, 1),
            stem_channels=32,
            num_heads=1,
            text_dim=32,
            text_width=32,
        ),
        low_res_side=16,
        text_encoder=identity,
    )
    for config in (base, sr64):
        state = {
            name: 0.1 * torch.randn_like(value) for name, value in config.make_network().state_dict().items()
        }
        save_stage(folder / f"{config.name}.safetensors", config, state)
    stages = {config.name: f"{config.name}.safetensors" for config in (base, sr64)}
    content = {"text_encoders": {"t5_middle": {"max_length": 6, "stages": stages}}}
    (folder / "cascade.json").write_text(json.dumps(content))
    return folder
