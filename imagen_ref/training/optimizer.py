"""The optimisers: Adafactor for the paper's base, Adam for its super-resolution (appendix F), AdamW for ours.

An optimiser is one function (parameters, rate, beta2, weight_decay) -> torch's and one line in OPTIMIZERS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from torch import nn, optim

BETA1 = 0.9
# Of an Adafactor kernel's gradients; its square is still a normal float32.
SMALLEST_MEAN_SQUARE = 1e-18

Make = Callable[[Iterable[nn.Parameter], float, float, float], optim.Optimizer]


def make_optimizer(
    name: str, parameters: Iterable[nn.Parameter], *, rate: float, beta2: float, weight_decay: float
) -> optim.Optimizer:
    """The optimiser of that name in OPTIMIZERS."""
    return OPTIMIZERS[name](parameters, rate, beta2, weight_decay)


def _adamw(parameters: Iterable[nn.Parameter], rate: float, beta2: float, decay: float) -> optim.Optimizer:
    return optim.AdamW(parameters, lr=rate, betas=(BETA1, beta2), weight_decay=decay, fused=True)


def _adam(parameters: Iterable[nn.Parameter], rate: float, beta2: float, _decay: float) -> optim.Optimizer:
    return optim.Adam(parameters, lr=rate, betas=(BETA1, beta2), eps=1e-8, fused=True)


def _adafactor(
    parameters: Iterable[nn.Parameter], rate: float, _beta2: float, decay: float
) -> optim.Optimizer:
    """Adafactor (Shazeer & Stern 2018) without momentum, decay 1 - t^-0.8, updates clipped at an RMS of 1.

    torch multiplies the rate by max(eps2, RMS of the weights). At eps2 = 1 that is the rate itself for all
    weights of an RMS up to 1: an absolute rate, as the paper's 1e-4, which is Adam's too, must be one (an
    assumption: the paper does not say).

    By default torch divides by mean squares of at least the precision of float32, 1e-7, which those of a
    network's gradients lie below: steps would grow where gradients are small.
    """
    return optim.Adafactor(parameters, lr=rate, eps=(SMALLEST_MEAN_SQUARE, 1.0), weight_decay=decay)


OPTIMIZERS: dict[str, Make] = {"adamw": _adamw, "adafactor": _adafactor, "adam": _adam}
