"""Inception-v3 of 2015-12-05, the network behind every FID: images of any size -> float32 [n, 2048].

The network is torch-fidelity's (Apache-2.0); its weights file is the same that torchmetrics reads. What
differs between tools is the resize to 299 x 299: `preprocess.py`.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from drawbench_eval.features.base import Pixels, checked_rgb, filled_batches
from drawbench_eval.features.fast import Forward, forward_of
from drawbench_eval.features.preprocess import RESIZES, SIDE, preprocess
from drawbench_eval.images.loading import load_ahead
from drawbench_eval.tf32 import turn_tf32_off
from drawbench_eval.weights import WeightsFile, load_state

DIM = 2048

_BATCH = {"cpu": 16, "cuda": 64}


@dataclass(frozen=True)
class Inception:
    """The extractor. The network is loaded when the first image comes, so kept features cost no loading."""

    weights: WeightsFile
    resize: str = "clean"
    device: str = "cpu"
    runtime: str = "auto"

    def __post_init__(self) -> None:
        if self.resize not in RESIZES:
            raise ValueError(f"resize: {self.resize} is not one of {', '.join(RESIZES)}")

    @property
    def name(self) -> str:
        return "inception"

    @property
    def dim(self) -> int:
        return DIM

    def identity(self) -> Mapping[str, str | int]:
        """Network, weights (and whether they are the published ones), resize mode, precision."""
        return {
            "extractor": "inception-2015-12-05",
            "extractor.layer": "pool 2048",
            "extractor.weights_sha256": self.weights.sha256,
            "extractor.weights": "published" if self.weights.verified else "unverified",
            "extractor.resize": self.resize,
            "extractor.side": SIDE,
            "extractor.precision": "float32, no TF32",
        }

    def extract(self, images: Sequence[Pixels]) -> NDArray[np.float32]:
        """uint8 RGB [H, W, 3] of any and of mixed sizes -> float32 [n, 2048]."""
        ready = load_ahead(lambda image: preprocess(checked_rgb(image, self.name), self.resize), images)
        parts = [np.zeros((0, DIM), dtype=np.float32)]
        for batch, count in filled_batches(ready, self._batch_size):
            parts.append(self._forward(batch)[:count])
        return np.concatenate(parts)

    @property
    def _batch_size(self) -> int:
        return _BATCH[torch.device(self.device).type]

    @cached_property
    def _forward(self) -> Forward:
        turn_tf32_off()
        example = np.zeros((self._batch_size, 3, SIDE, SIDE), dtype=np.float32)
        return forward_of(pool_network(self.weights), example, runtime=self.runtime, device=self.device)


def pool_network(weights: WeightsFile) -> nn.Sequential:
    """torch-fidelity's blocks up to the pool: float32 [n, 3, 299, 299] in about -1..1 -> [n, 2048].

    Raises ValueError where the file does not hold this network's tensors, or holds numbers not finite.
    """
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    # Its constructor would unpickle anything: it is given what has been read as tensors, saved anew.
    buffer = io.BytesIO()
    state = load_state(weights.path)
    for name, tensor in state.items():
        if not torch.isfinite(tensor).all():
            raise ValueError(f"{weights.path}: {name} is not finite; the file is damaged")
    torch.save(state, buffer)
    buffer.seek(0)
    try:
        network = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=buffer)
    except RuntimeError as error:
        first = str(error).splitlines()[-1].strip()
        raise ValueError(f"{weights.path}: not the weights of Inception-v3 2015-12-05 ({first})") from error
    blocks = [child for name, child in network.named_children() if name != "fc"]
    return nn.Sequential(*blocks, nn.Flatten(1)).eval()
