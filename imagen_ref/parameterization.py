"""What a network predicts: eps, x0 or v, and the way from each to the others.

z = alpha x + sigma eps and v = alpha eps - sigma x (Salimans & Ho 2022), with alpha^2 + sigma^2 = 1.
alpha and sigma are floats, or tensors that broadcast against the images.
"""

from torch import Tensor

PREDICTIONS = ("eps", "x0", "v")


def check_prediction(kind: str) -> None:
    """ValueError when `kind` is not one of PREDICTIONS."""
    if kind not in PREDICTIONS:
        raise ValueError(f"prediction={kind!r} does not exist: write one of {', '.join(PREDICTIONS)}")


def training_target(
    kind: str, x: Tensor, eps: Tensor, alpha: Tensor | float, sigma: Tensor | float
) -> Tensor:
    """What the network should answer for z = alpha x + sigma eps."""
    check_prediction(kind)
    if kind == "eps":
        return eps
    if kind == "x0":
        return x
    return alpha * eps - sigma * x


def to_x0(kind: str, out: Tensor, z: Tensor, alpha: Tensor | float, sigma: Tensor | float) -> Tensor:
    """The clean image that the network's answer `out` stands for."""
    check_prediction(kind)
    if kind == "eps":
        return (z - sigma * out) / alpha
    if kind == "x0":
        return out
    return alpha * z - sigma * out


def eps_from_x0(x0: Tensor, z: Tensor, alpha: Tensor | float, sigma: Tensor | float) -> Tensor:
    """The noise that belongs to x0: eps = (z - alpha x0) / sigma."""
    return (z - alpha * x0) / sigma
