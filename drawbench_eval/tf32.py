"""float32 that is float32 on a GPU too."""

import torch


def turn_tf32_off() -> None:
    """Products and convolutions of float32 keep its 23 bits; TF32's 10 move a feature by a thousandth."""
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False
