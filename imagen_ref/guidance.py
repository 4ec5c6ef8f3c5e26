"""Classifier-free guidance (Ho & Salimans 2021; Imagen, section 2.2)."""

from torch import Tensor


def guide(cond: Tensor, uncond: Tensor, w: float) -> Tensor:
    """The guided w cond + (1 - w) uncond, over all channels; w = 1 is no guidance and gives `cond` itself."""
    assert cond.shape == uncond.shape, "the two halves must be the same images"
    if w == 1:
        return cond
    return w * cond + (1 - w) * uncond
