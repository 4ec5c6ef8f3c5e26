"""What a network's forward runs in; all around it is float32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

PRECISIONS = ("float32", "bfloat16")


def autocast_dtype(precision: str) -> torch.dtype | None:
    """What a network's forward runs in; None is the dtype of its weights. ValueError for another name."""
    if precision not in PRECISIONS:
        raise ValueError(f"precision={precision!r} does not exist: write one of {', '.join(PRECISIONS)}")
    return torch.bfloat16 if precision == "bfloat16" else None


@contextmanager
def cast_once(network: Any, dtype: torch.dtype | None) -> Iterator[None]:
    """Within it the network's convolutions have their weights in `dtype`; None leaves them as they are.

    Autocast would make the same casts at every step: frozen weights are not in its cache. The results are the
    same bits. One thread at a time may use the network.
    """
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)] if dtype else []
    weights = [(weight, weight.data) for module in convolutions for weight in module.parameters()]
    try:
        for weight, full in weights:
            weight.data = full.to(dtype)
        yield
    finally:
        for weight, full in weights:
            weight.data = full
