"""DINOv2 through transformers: images of any size -> the class token after the last norm, float32 [n, d].

Images are resized to 224 x 224 by Pillow's bicubic in float32 without quantising and normalised with
ImageNet's mean and deviation (Stein et al. 2023, arXiv:2306.04675, resize as clean-fid does).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from drawbench_eval.features.base import Pixels, checked_rgb, filled_batches
from drawbench_eval.features.preprocess import clean
from drawbench_eval.files import sha256_file
from drawbench_eval.images.loading import load_ahead
from drawbench_eval.tf32 import turn_tf32_off

NAME = "facebook/dinov2-large"
SIDE = 224

_MEAN = np.array([0.485, 0.456, 0.406], dtype=np.float32)[:, None, None]
_STD = np.array([0.229, 0.224, 0.225], dtype=np.float32)[:, None, None]
_BATCH = {"cpu": 8, "cuda": 64}


@dataclass(frozen=True)
class Dinov2:
    """The extractor of `fd_dinov2`. `folder` holds config.json and model.safetensors."""

    folder: Path
    device: str = "cpu"

    @property
    def name(self) -> str:
        return "dinov2"

    @cached_property
    def dim(self) -> int:
        """The width of the network: 1024 for ViT-L/14. Raises ValueError where it is not a DINOv2."""
        path = self.folder / "config.json"
        try:
            config = json.loads(path.read_text(encoding="utf-8"))
            kind, width = config["model_type"], int(config["hidden_size"])
        except (ValueError, TypeError, KeyError) as error:
            raise ValueError(
                f"weights.dinov2: {path} is not the configuration of a network ({error!r})"
            ) from error
        if kind != "dinov2":
            raise ValueError(f"weights.dinov2: {path} describes a network of type {kind}, not dinov2")
        return width

    @cached_property
    def weights_sha256(self) -> str:
        """The hash of the file of weights."""
        return sha256_file(self.folder / "model.safetensors")

    def identity(self) -> Mapping[str, str | int]:
        """Network, weights, preprocessing, precision."""
        return {
            "extractor": "dinov2",
            "extractor.layer": "class token",
            "extractor.width": self.dim,
            "extractor.weights_sha256": self.weights_sha256,
            "extractor.resize": f"clean {SIDE}",
            "extractor.precision": "float32, no TF32",
        }

    def extract(self, images: Sequence[Pixels]) -> NDArray[np.float32]:
        """uint8 RGB [H, W, 3] of any sizes -> float32 [n, dim]."""
        size = _BATCH[torch.device(self.device).type]
        ready = load_ahead(_preprocessed, images)
        parts = [np.zeros((0, self.dim), dtype=np.float32)]
        for batch, count in filled_batches(ready, size):
            with torch.inference_mode():
                states = self._model(pixel_values=torch.from_numpy(batch).to(self.device)).last_hidden_state
            parts.append(states[:count, 0].float().cpu().numpy())
        return np.concatenate(parts)

    @cached_property
    def _model(self) -> Any:
        from safetensors import SafetensorError
        from transformers import Dinov2Model

        turn_tf32_off()
        try:
            loaded: Any = Dinov2Model.from_pretrained(
                self.folder, dtype=torch.float32, use_safetensors=True, output_loading_info=True
            )
        except (OSError, RuntimeError, ValueError, SafetensorError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ValueError(f"weights.dinov2: {self.folder} cannot be loaded ({first})") from error
        model, report = loaded
        if report["missing_keys"]:  # transformers would fill them with random numbers
            raise ValueError(
                f"weights.dinov2: {self.folder} has no {min(report['missing_keys'])} "
                f"(and {len(report['missing_keys']) - 1} more are missing)"
            )
        return model.eval().to(self.device)


def _preprocessed(image: Pixels) -> NDArray[np.float32]:
    scaled = clean(checked_rgb(image, "dinov2"), SIDE) / np.float32(255)
    return (scaled - _MEAN) / _STD


def dinov2(path: Path | None, *, cache: Path | None, device: str) -> Dinov2:
    """The extractor from a local folder, or from the Hub's facebook/dinov2-large.

    Raises ValueError where neither can be had.
    """
    if path is None:
        from huggingface_hub import snapshot_download

        try:
            path = Path(
                snapshot_download(NAME, cache_dir=cache, allow_patterns=["config.json", "model.safetensors"])
            )
        except Exception as error:
            raise ValueError(
                f"weights.dinov2: {NAME} cannot be fetched ({type(error).__name__}); "
                "give weights.dinov2=FOLDER with its config.json and model.safetensors"
            ) from error
    for name in ("config.json", "model.safetensors"):
        if not (path / name).is_file():
            raise ValueError(f"weights.dinov2: {path} has no {name}")
    return Dinov2(path, device)
