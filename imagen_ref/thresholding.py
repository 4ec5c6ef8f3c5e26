"""Thresholding of x0 after guidance: none, static, dynamic (Imagen, section 2.3 and App. A).

A mode is one function (x0 float32 [B,C,H,W], percentile, interpolation) -> x0 and one line in THRESHOLDS.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

INTERPOLATIONS = ("linear", "lower", "higher", "nearest")


def quantile(values: Tensor, percentile: float, interpolation: str) -> Tensor:
    """The `percentile`-quantile of each row: [B,N] -> [B].

    The convention is NumPy's: with the N values of a row sorted ascending and numbered from 0, the quantile
    sits at position h = percentile (N - 1). `lower` takes the value at floor(h), `higher` at ceil(h),
    `nearest` at the closer of the two (a tie goes to the even number), `linear` interpolates between them.
    The paper does not say which it used. By topk: torch.quantile refuses more than 2^24 elements, a full sort
    is 30 times slower at percentile 0.995, and kthvalue takes minutes on unlucky orders of large images.
    """
    last = values.shape[1] - 1
    position = percentile * last
    below, above = math.floor(position), math.ceil(position)
    # column i of `largest` holds position last - i
    largest = values.topk(last - below + 1, dim=1).values
    low, high = largest[:, last - below], largest[:, last - above]
    if interpolation == "lower":
        return low
    if interpolation == "higher":
        return high
    if interpolation == "nearest":
        return low if round(position) == below else high
    return torch.lerp(low, high, position - below)


def _none(x0: Tensor, _percentile: float, _interpolation: str) -> Tensor:
    return x0


def _static(x0: Tensor, _percentile: float, _interpolation: str) -> Tensor:
    return x0.clamp(-1.0, 1.0)


def _dynamic(x0: Tensor, percentile: float, interpolation: str) -> Tensor:
    s = quantile(x0.abs().flatten(start_dim=1), percentile, interpolation)
    # s is not capped from above: a cap of 1 would turn this into static clipping.
    s = s.clamp(min=1.0).view(-1, 1, 1, 1)
    return x0.clamp(-s, s) / s


THRESHOLDS: dict[str, Callable[[Tensor, float, str], Tensor]] = {
    "none": _none,
    "static": _static,
    "dynamic": _dynamic,
}


def check_threshold(mode: str, percentile: float, interpolation: str) -> None:
    """ValueError for an unknown mode or interpolation, or a percentile that is no fraction in (0, 1]."""
    if mode not in THRESHOLDS:
        raise ValueError(f"threshold={mode!r} does not exist: write one of {', '.join(THRESHOLDS)}")
    if 1 < percentile <= 100:
        raise ValueError(
            f"percentile={percentile:g} is above 1, percentile is a fraction: write {percentile / 100:.10g}"
        )
    if not 0 < percentile <= 1:
        raise ValueError(
            f"percentile={percentile:g}: write a fraction above 0 and up to 1 (the paper's is 0.995)"
        )
    if interpolation not in INTERPOLATIONS:
        known = ", ".join(INTERPOLATIONS)
        raise ValueError(f"interpolation={interpolation!r} does not exist: write one of {known}")


def threshold(x0: Tensor, mode: str, percentile: float, interpolation: str) -> Tensor:
    """x0 [B,C,H,W] brought into range by `mode`, in float32, each sample by itself.

    none leaves it; static clips to [-1, 1]; dynamic takes s = max(1, p-quantile of |x0| over the sample's
    C, H and W), clips to [-s, s] and divides by s. Only dynamic reads `percentile` and `interpolation`.
    """
    check_threshold(mode, percentile, interpolation)
    return THRESHOLDS[mode](x0.float(), percentile, interpolation)
