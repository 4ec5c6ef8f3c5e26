"""The 256 -> 1024 stage at tiny width: it learns from 64 -> 256 crops and samples at full size."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from imagen_ref.crops import random_crops
from imagen_ref.efficient_unet import EfficientUNetConfig
from imagen_ref.layers import TextAttention
from imagen_ref.loss import diffusion_loss, draw
from imagen_ref.resize import resize, to_float, to_uint8
from imagen_ref.samplers import SamplerSettings
from imagen_ref.stage import Stage, StageConfig, save_stage
from imagen_ref.text.embedding import TextEncoder

STEPS = 24


def stripes(count: int) -> Tensor:
    """Smooth images uint8 [count, 1024, 1024, 3], each at its own angle and period."""
    line = torch.linspace(0, 30, 1024)
    angles = torch.linspace(0.2, 1.4, count)[:, None, None]
    waves = torch.sin(angles.cos() * line[None, :, None] + angles.sin() * line[None, None])
    return to_uint8(0.8 * torch.stack([waves, -waves, waves.abs() - 0.5], dim=1))


def test_learns_from_crops_and_samples_at_full_size(encoder: TextEncoder, tmp_path: Path) -> None:
    network = EfficientUNetConfig(
        side=1024,
        channels=(8, 8, 16, 16),
        num_res_blocks=(1, 1, 1, 1),
        stem_channels=8,
        num_heads=2,
        over_self=False,
        text_dim=encoder.dim,
        text_width=16,
    )
    config = StageConfig(
        name="sr1024",
        network=network,
        low_res_side=256,
        crop_side=256,
        prediction="v",
        schedule="linear",
        text_encoder=encoder.identity,
    )
    crops = config.on_crops
    assert (crops.side, crops.low_res_side, crops.schedule) == (256, 64, "linear")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trained = config.make_network()
    assert sum(isinstance(module, TextAttention) for module in trained.modules()) == 2
    images, text = stripes(2), encoder.encode(["stripes", "other stripes"])

    def loss_of(seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        random = draw(crops, 2, text_dropout=0.1, generator=generator)
        batch = random_crops(images, crops.side, factor=4, generator=generator)
        return diffusion_loss(trained, crops, batch, text, random)

    before = loss_of(STEPS).item()
    optimizer = torch.optim.Adam(trained.parameters(), lr=5e-3)
    for step in range(STEPS):
        optimizer.zero_grad()
        loss_of(step).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    assert loss_of(STEPS).item() < 0.7 * before
    path = tmp_path / "sr1024.safetensors"
    save_stage(path, config, trained.state_dict())
    stage = Stage.load(path)
    assert stage.config == config
    low_res = to_uint8(resize(to_float(images), 256)).numpy()
    settings = SamplerSettings(num_steps=2, guidance_weight=2.0, aug_level=0.1)
    image = stage.sample(text[:1], [0], settings, low_res=low_res[:1])
    assert (image.dtype, image.shape) == (np.uint8, (1, 1024, 1024, 3))
    assert image.std() > 5
    other = stage.sample(text[1:], [0], settings, low_res=low_res[:1])
    assert not np.array_equal(image, other)
