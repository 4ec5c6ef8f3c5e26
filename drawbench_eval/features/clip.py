"""CLIP through open_clip: image features of any architecture it knows, and the cosine of image and text.

The same weights give other numbers under another activation: OpenAI's were trained with QuickGELU, and
open_clip builds plain GELU when it is given a path to them. So the activation is stated (`clip.activation`),
forced, checked on the network that was built, and part of every protocol.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from drawbench_eval.features.base import Pixels, checked_rgb, filled_batches
from drawbench_eval.files import sha256_file
from drawbench_eval.images.loading import load_ahead
from drawbench_eval.tf32 import turn_tf32_off

Features = NDArray[np.float32]

_BATCH = {"cpu": 16, "cuda": 128}


@dataclass(frozen=True, kw_only=True)
class ClipSettings:
    """The `clip` group.

    model: an architecture of open_clip. pretrained: one of its tags (downloaded into `cache`), or a path.
    activation: what the weights were trained with.
    """

    model: str = "ViT-L-14"
    pretrained: str = "openai"
    activation: Literal["quickgelu", "gelu"] = "quickgelu"
    cache: Path | None = None


class Clip:
    """One model, loaded when the first image or text comes. Float32, TF32 off.

    Raises ValueError for an unknown architecture or tag, for weights that are not there, and where the
    activation cannot be the one stated.
    """

    def __init__(self, settings: ClipSettings, *, device: str = "cpu") -> None:
        import open_clip

        self.settings, self.device = settings, device
        known = open_clip.get_model_config(settings.model)
        if known is None:
            raise ValueError(f"clip.model: {settings.model} is not an architecture of open_clip")
        if known.get("quick_gelu") and settings.activation != "quickgelu":
            raise ValueError(f"clip.activation: {settings.activation}; {settings.model} has quickgelu")
        self.dim = int(known["embed_dim"])
        self.path = _weights_path(settings)
        self._is_file = Path(settings.pretrained).is_file()
        self.weights_sha256 = sha256_file(self.path)

    def identity(self) -> Mapping[str, str | int]:
        """Library, architecture, weights, activation and precision."""
        return {
            "extractor": "clip",
            "extractor.library": "open_clip",
            "extractor.model": self.settings.model,
            "extractor.pretrained": "file" if self._is_file else self.settings.pretrained,
            "extractor.weights_sha256": self.weights_sha256,
            "extractor.activation": self.settings.activation,
            "extractor.precision": "float32, no TF32",
        }

    def image_features(self, images: Sequence[Pixels]) -> Features:
        """uint8 RGB [H, W, 3] of any sizes -> float32 [n, dim], not of length 1."""
        size = _BATCH[torch.device(self.device).type]
        model, preprocess, _ = self._loaded
        parts = [np.zeros((0, self.dim), dtype=np.float32)]
        ready = load_ahead(
            lambda image: preprocess(Image.fromarray(checked_rgb(image, "clip"))).numpy(), images
        )
        for batch, count in filled_batches(ready, size):
            with torch.inference_mode():
                features = model.encode_image(torch.from_numpy(batch).to(self.device))
            parts.append(features[:count].float().cpu().numpy())
        return np.concatenate(parts)

    def text_features(self, texts: Sequence[str]) -> Features:
        """Texts -> float32 [n, dim], not of length 1. Over the limit the end token is kept."""
        size = _BATCH[torch.device(self.device).type]
        model, _, tokenizer = self._loaded
        parts = [np.zeros((0, self.dim), dtype=np.float32)]
        tokens = (tokenizer([text])[0].numpy() for text in texts)
        for batch, count in filled_batches(tokens, size):
            with torch.inference_mode():
                features = model.encode_text(torch.from_numpy(batch).to(self.device))
            parts.append(features[:count].float().cpu().numpy())
        result = np.concatenate(parts)
        if not np.isfinite(result).all():
            raise ValueError(f"clip: features of a text are not finite; the weights {self.path} are damaged")
        return result

    def is_cut(self, text: str) -> bool:
        """Whether the text, with its start and end, has more tokens than the model reads."""
        tokenizer = self._tokenizer
        return len(tokenizer.encode(text)) + 2 > int(tokenizer.context_length)

    @cached_property
    def _tokenizer(self) -> Any:
        import open_clip

        return open_clip.get_tokenizer(self.settings.model)

    @cached_property
    def _loaded(self) -> tuple[Any, Any, Any]:
        import open_clip

        turn_tf32_off()
        try:
            model, _, preprocess = open_clip.create_model_and_transforms(
                self.settings.model,
                pretrained=str(self.path),
                precision="fp32",
                device=self.device,
                force_quick_gelu=self.settings.activation == "quickgelu",
                weights_only=True,
                **_preprocessing(self.settings),
            )
        except Exception as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            raise ValueError(
                f"clip.pretrained: {self.path} is not {self.settings.model} ({first})"
            ) from error
        model.eval()
        built = activation_of(model)
        if built != self.settings.activation:
            raise ValueError(
                f"clip.activation: {self.settings.activation} was asked for and {built} was built"
            )
        return model, preprocess, self._tokenizer


@dataclass(frozen=True)
class ClipImage:
    """The extractor of `fd_clip` and `cmmd`: a CLIP's image side."""

    clip: Clip

    @property
    def name(self) -> str:
        return "clip"

    @property
    def dim(self) -> int:
        return self.clip.dim

    def identity(self) -> Mapping[str, str | int]:
        """The model, and open_clip's own preprocessing."""
        return {**self.clip.identity(), "extractor.resize": "open_clip: short side bicubic, centre crop"}

    def extract(self, images: Sequence[Pixels]) -> Features:
        """uint8 RGB images of any size -> float32 [n, dim]."""
        return self.clip.image_features(images)


def cosines(images: Features, texts: Features) -> Features:
    """The raw cosine of each image's features with its own text's: float32 [n]."""
    a = images / np.linalg.norm(images, axis=1, keepdims=True)
    b = texts / np.linalg.norm(texts, axis=1, keepdims=True)
    return np.asarray(np.einsum("nd,nd->n", a, b), dtype=np.float32)


def activation_of(model: Any) -> str:
    """What is built into both towers: quickgelu or gelu; "mixed" where they differ."""
    from open_clip.transformer import QuickGELU

    kinds = {type(module) for module in model.modules() if isinstance(module, QuickGELU | torch.nn.GELU)}
    if kinds == {QuickGELU}:
        return "quickgelu"
    return "gelu" if kinds == {torch.nn.GELU} else "mixed"


def _preprocessing(settings: ClipSettings) -> dict[str, Any]:
    """A path carries no preprocessing of its own: OpenAI's is stated where the tag would have brought it."""
    import open_clip

    config = open_clip.get_pretrained_cfg(settings.model, settings.pretrained) or {}
    return {
        "image_mean": config.get("mean", open_clip.OPENAI_DATASET_MEAN),
        "image_std": config.get("std", open_clip.OPENAI_DATASET_STD),
        "image_interpolation": config.get("interpolation", "bicubic"),
        "image_resize_mode": config.get("resize_mode", "shortest"),
    }


def _weights_path(settings: ClipSettings) -> Path:
    import open_clip

    path = Path(settings.pretrained)
    if path.is_file():
        return path
    config = open_clip.get_pretrained_cfg(settings.model, settings.pretrained)
    if not config:
        tags = ", ".join(open_clip.list_pretrained_tags_by_model(settings.model)) or "none"
        raise ValueError(
            f"clip.pretrained: {settings.pretrained} is neither a file nor a tag; tags are {tags}"
        )
    known = open_clip.get_model_config(settings.model) or {}
    trained = "quickgelu" if config.get("quick_gelu") or known.get("quick_gelu") else "gelu"
    if settings.activation != trained:
        raise ValueError(
            f"clip.activation: {settings.activation}; {settings.pretrained} was trained with {trained}"
        )
    cache = None if settings.cache is None else str(settings.cache)
    try:
        return Path(open_clip.download_pretrained(config, cache_dir=cache))
    except Exception as error:
        raise ValueError(
            f"clip.pretrained: {settings.pretrained} cannot be fetched ({type(error).__name__}); "
            "fetch it elsewhere and give clip.pretrained=PATH"
        ) from error
