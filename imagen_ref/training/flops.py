"""What training costs in floating-point operations, so that networks of unlike size can be compared."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from imagen_ref.loss import predict
from imagen_ref.stage import StageConfig

# The backward pass computes a gradient of weights and one of inputs, each as dear as the forward pass.
PASSES = 3


def flops_per_image(network: Any, stage: StageConfig, *, tokens: int) -> int:
    """Operations (a multiplication and an addition are two) of learning from one image with so many tokens.

    Counted from the shapes of matrix products, convolutions and attention in one forward pass of the stage's
    network.
    """
    device, side = next(network.parameters()).device, stage.on_crops.side
    image, level = torch.zeros(1, 3, side, side, device=device), torch.zeros(1, device=device)
    states = torch.zeros(1, tokens, stage.network.text_dim, device=device)
    mask = torch.ones(1, tokens, dtype=torch.bool, device=device)
    low_res = (None, None) if stage.low_res_side is None else (image, level)
    counter = FlopCounterMode(display=False)
    # Not every fast attention is counted; the plain one is, so that every device gives the same number.
    with counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
        predict(network, image, level, states, mask, *low_res)
    return PASSES * int(counter.get_total_flops())
