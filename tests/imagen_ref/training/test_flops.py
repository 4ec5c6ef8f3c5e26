from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from imagen_ref.stage import StageConfig
from imagen_ref.text.embedding import TextEmbedding
from imagen_ref.training.flops import flops_per_image

TOKENS = 5


def flops_of(stage: StageConfig) -> int:
    return flops_per_image(stage.make_network(), stage, tokens=TOKENS)


def counted_by_hand(stage: StageConfig) -> int:
    """Twice the multiplications of every convolution and linear layer in a real forward pass."""
    network, total = stage.make_network(), 0

    def count(module: nn.Module, _inputs: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal total
        assert isinstance(module, nn.Conv2d | nn.Linear)
        total += 2 * out.numel() * module.weight[0].numel()

    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.register_forward_hook(count)
    text = TextEmbedding(
        states=torch.randn(1, TOKENS, stage.network.text_dim), mask=torch.ones(1, TOKENS, dtype=torch.bool)
    )
    image, level = torch.randn(1, 3, stage.side, stage.side), torch.zeros(1)
    low_res = (image, level) if stage.low_res_side else (None, None)
    network(image, level, network.condition(text), *low_res)
    return 3 * total


@pytest.mark.parametrize("kind", ["base", "sr"])
def test_is_three_times_the_layers_of_a_forward_pass(
    kind: str, base_config: StageConfig, sr_config: StageConfig
) -> None:
    stage = base_config if kind == "base" else sr_config
    layers, got = counted_by_hand(stage), flops_of(stage)
    # Products of queries with keys and of whitening are no layers.
    assert layers <= got < 1.1 * layers


def test_crops_cost_what_they_are(sr_config: StageConfig) -> None:
    whole, crops = flops_of(sr_config), flops_of(replace(sr_config, crop_side=8))
    assert 0.24 * whole < crops < 0.4 * whole
