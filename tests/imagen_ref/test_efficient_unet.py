from dataclasses import replace

import pytest
import torch
from torch import Tensor

from imagen_ref.efficient_unet import EfficientUNet, EfficientUNetConfig
from imagen_ref.layers import ResBlock, TextAttention
from imagen_ref.stage import Stage
from imagen_ref.text.embedding import null_embedding

CONFIG = EfficientUNetConfig(
    side=32,
    channels=(8, 16, 24),
    num_res_blocks=(1, 2, 4),
    stem_channels=8,
    num_heads=2,
    text_dim=6,
    text_width=8,
)


def meta(config: EfficientUNetConfig) -> EfficientUNet:
    with torch.device("meta"):
        return EfficientUNet(config)


def test_more_blocks_where_the_side_is_small_and_attention_at_the_lowest_alone() -> None:
    network = meta(CONFIG)
    blocks = [module.conv_in.out_channels for module in network.modules() if isinstance(module, ResBlock)]
    # Down, up, and the one at full side.
    assert blocks == [8] + [16] * 2 + [24] * 4 + [24] * 4 + [16] * 2 + [8] + [8]
    attention = [module for module in network.modules() if isinstance(module, TextAttention)]
    assert [(layer.query.out_channels, layer.num_heads) for layer in attention] == [(24, 2), (24, 2)]


def test_text_alone_can_be_attended_to() -> None:
    layers = [m for m in meta(replace(CONFIG, over_self=False)).modules() if isinstance(m, TextAttention)]
    assert [layer.key_value for layer in layers] == [None, None]


def test_downsampling_comes_before_and_upsampling_after_the_convolutions() -> None:
    """Every residual block of level k works at side / 2^(k+1) (appendix B.1), the last at full side."""
    network = EfficientUNet(CONFIG)
    sides: list[int] = []

    def note(module: torch.nn.Module, args: tuple[Tensor], out: Tensor) -> None:
        sides.append(out.shape[-1])

    for module in network.modules():
        if isinstance(module, ResBlock):
            module.register_forward_hook(note)
    z = torch.zeros(1, 3, 32, 32)
    out = network(z, torch.zeros(1), network.condition(null_embedding(1, 6)), z, torch.zeros(1))
    assert sides == [16] + [8] * 2 + [4] * 4 + [4] * 4 + [8] * 2 + [16] + [32]
    assert out.shape == z.shape


@pytest.mark.parametrize("side", [8, 24, 32])
def test_runs_at_other_sides(sr: Stage, side: int) -> None:
    z = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    level = torch.zeros(2)
    out = sr.network(z, level, sr.network.condition(null_embedding(2, 12)), z, level)
    assert out.shape == z.shape
    assert out.isfinite().all()


def test_low_resolution_image_is_required(sr: Stage) -> None:
    z = torch.zeros(1, 3, 16, 16)
    with pytest.raises(AssertionError):
        sr.network(z, torch.zeros(1), sr.network.condition(null_embedding(1, 12)))
