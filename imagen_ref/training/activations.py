"""Activation checkpointing (Chen et al. 2016): blocks keep only their inputs and run again going back."""

from __future__ import annotations

from functools import partial

from torch import nn
from torch.utils.checkpoint import checkpoint

from imagen_ref.layers import ResBlock, TextAttention


def checkpoint_activations(network: nn.Module) -> None:
    """Makes every residual block and attention of the network forget what it can compute again.

    Gradients stay the same; names and values of the weights too.
    """
    for module in network.modules():
        if isinstance(module, ResBlock | TextAttention):
            # No block draws random numbers, so none have to be put back.
            module.forward = partial(  # type: ignore[method-assign]
                checkpoint, module.forward, use_reentrant=False, preserve_rng_state=False
            )
