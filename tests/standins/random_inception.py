"""Random weights in the real file's layout, calibrated so that features are alive.

With default initialisation features are near 1e-8 and every FID near 1e-13: no test could fail. Here every
BatchNorm is set from the activations of images, layer by layer, and the last layer is scaled until pool
features have a spread of about 1.
"""

import io
from pathlib import Path
from unittest import mock

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from drawbench_eval.features.preprocess import preprocess


def textures(count: int, *, sides: tuple[int, ...] = (64,), seed: int = 0) -> list[NDArray[np.uint8]]:
    """Images of blurred noise with a colour each: uint8 [side, side or 3/4 side, 3]."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        side = sides[index % len(sides)]
        shape = (side, side * 3 // 4 if len(sides) > 1 and index % 3 == 0 else side)
        grain = int(rng.integers(2, 9))
        coarse = rng.normal(size=(shape[0] // grain + 2, shape[1] // grain + 2, 3))
        fine = coarse.repeat(grain, axis=0).repeat(grain, axis=1)[: shape[0], : shape[1]]
        made.append(np.clip(rng.uniform(60, 200, 3) + rng.uniform(10, 60) * fine, 0, 255).astype(np.uint8))
    return made


def random_inception(path: Path, *, seed: int = 0, images: int = 24) -> Path:
    """Writes the weights file and gives its path."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with (
        mock.patch.object(torch, "load", return_value={}),
        mock.patch.object(nn.Module, "load_state_dict", return_value=None),
    ):
        network = FeatureExtractorInceptionV3("x", ["2048"], feature_extractor_weights_path=io.BytesIO())
    rng = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            fan = module.weight[0].numel()
            module.weight.data.normal_(0, (2 / fan) ** 0.5, generator=rng)
        if isinstance(module, nn.BatchNorm2d):
            module.register_forward_pre_hook(_calibrate)
    batch = np.stack(
        [preprocess(image, "clean") for image in textures(images, sides=(64, 96, 80), seed=seed)]
    )
    with torch.no_grad():
        x = torch.from_numpy(batch)
        blocks = [child for name, child in network.named_children() if name != "fc"]
        features = nn.Sequential(*blocks, nn.Flatten(1))(x)
    # Averages over 64 positions are narrower than what is averaged.
    scale = 1.0 / float(features.std(dim=0).mean())
    for name, module in network.Mixed_7c.named_modules():
        last = name.endswith(".bn") and any(part in name for part in ("1x1", "2a", "2b", "3a", "3b", "pool"))
        if last:
            module.weight.data *= scale
            module.bias.data *= scale
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(network.state_dict(), path)
    return path


def _calibrate(norm: nn.BatchNorm2d, inputs: tuple[torch.Tensor]) -> None:
    (x,) = inputs
    norm.running_mean.copy_(x.mean(dim=(0, 2, 3)))
    norm.running_var.copy_(x.var(dim=(0, 2, 3)).clamp_min(1e-6))
