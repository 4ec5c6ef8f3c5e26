"""An exponential moving average of a network's weights."""

from __future__ import annotations

import torch
from torch import Tensor, nn


def ema_decay(step: int, decay: float) -> float:
    """The decay at a step (counted from 0): ramped up, so that early averages forget the initial weights."""
    return min(decay, (1 + step) / (10 + step))


@torch.no_grad()
def update_ema(average: dict[str, Tensor], network: nn.Module, *, step: int, decay: float) -> None:
    """Update average <- d average + (1 - d) weights, in place, in float32."""
    weights = [tensor.float() for tensor in network.state_dict().values()]
    torch._foreach_lerp_(list(average.values()), weights, 1 - ema_decay(step, decay))
