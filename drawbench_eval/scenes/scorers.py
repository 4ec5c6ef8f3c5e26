"""The two scorers of the embedded world: an image network and a dual encoder.

The first is behind `fd_scenes`, the second behind `scenes_clip_score`.

Both are trained by `drawbench-eval train experiment=scenes/scorer_image` and `.../scorer_clip` and packaged
beside this file.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from tokenizers import Tokenizer
from torch import Tensor, nn

WEIGHTS = Path(__file__).parent / "weights"
SIDE = 64
FEATURES = 64
CONTEXT = 40
_BATCH = 128

Images = NDArray[np.uint8]
Features = NDArray[np.float32]


class ImageNetwork(nn.Module):
    """Pixels [B, 3, 64, 64] in [-1, 1] -> features [B, 64] and, from those, the heads of training."""

    def __init__(self, heads: Mapping[str, int]) -> None:
        super().__init__()
        widths = (24, 48, 80, 112)
        layers: list[nn.Module] = []
        channels = 3
        for width in widths:
            layers += [nn.Conv2d(channels, width, 3, stride=2, padding=1), nn.GroupNorm(8, width), nn.GELU()]
            layers += [nn.Conv2d(width, width, 3, padding=1), nn.GroupNorm(8, width), nn.GELU()]
            channels = width
        self.trunk = nn.Sequential(*layers)
        # Half of what the features see keeps its place on a 4x4 grid, half is pooled over the picture.
        self.placed = nn.Conv2d(channels, 16, 1)
        self.to_features = nn.Linear(16 * 16 + channels, FEATURES)
        self.norm = nn.LayerNorm(FEATURES, elementwise_affine=False)
        self.heads = nn.ModuleDict(
            {name: nn.Sequential(nn.GELU(), nn.Linear(FEATURES, size)) for name, size in heads.items()}
        )

    def features(self, x: Tensor) -> Tensor:
        """Features [B, 64], before any head."""
        h = self.trunk(x)
        joined = torch.cat([self.placed(h).flatten(1), h.mean(dim=(2, 3))], dim=1)
        features: Tensor = self.to_features(joined)
        return features

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Every head's answer."""
        features = self.norm(self.features(x))
        return {name: head(features) for name, head in self.heads.items()}


class ImageScorer:
    """uint8 images -> the features that `fd_scenes` compares."""

    def __init__(self, network: ImageNetwork, weights_sha256: str) -> None:
        self._network = network.eval()
        self.weights_sha256 = weights_sha256

    def features(self, images: Images, /) -> Features:
        """uint8 [N, 64, 64, 3] -> float32 [N, 64]."""
        return _batched(lambda x: self._network.features(x), images)


class ClipScorer:
    """uint8 images and texts -> vectors of length 1 in one space (open_clip's model in a small size)."""

    def __init__(self, model: Any, tokenizer: Tokenizer, weights_sha256: str) -> None:
        self._model = model.eval()
        self._tokenizer = tokenizer
        self.weights_sha256 = weights_sha256

    def image_features(self, images: Images, /) -> Features:
        """uint8 [N, 64, 64, 3] -> float32 [N, D]."""
        return _batched(lambda x: self._model.encode_image(x, normalize=True), images)

    @torch.no_grad()
    def text_features(self, texts: Sequence[str], /) -> Features:
        """N texts -> float32 [N, D]. A text over the limit keeps its end token."""
        rows = [
            self._model.encode_text(tokenize(self._tokenizer, texts[start : start + _BATCH]), normalize=True)
            for start in range(0, len(texts), _BATCH)
        ]
        features: Features = torch.cat(rows).float().numpy()
        return features


def tokenize(tokenizer: Tokenizer, texts: Sequence[str]) -> Tensor:
    """Token ids [N, CONTEXT], padded with 0 behind the end token 1, which is kept when a text is cut."""
    ids = torch.zeros(len(texts), CONTEXT, dtype=torch.long)
    for row, text in enumerate(texts):
        tokens = tokenizer.encode(text, add_special_tokens=False).ids[: CONTEXT - 1]
        ids[row, : len(tokens) + 1] = torch.tensor([*tokens, 1])
    return ids


def clip_model(vocab_size: int) -> Any:
    """open_clip's CLIP with a small residual image tower and a small text transformer."""
    from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg

    vision = CLIPVisionCfg(layers=(1, 1, 1, 1), width=24, head_width=64, image_size=SIDE)
    text = CLIPTextCfg(
        context_length=CONTEXT, vocab_size=vocab_size, width=128, heads=4, layers=3, pool_type="eos", eos_id=1
    )
    return CLIP(128, vision, text)


def load_image_scorer(path: Path | None = None) -> ImageScorer:
    """The packaged image scorer, or one from a file. Raises ValueError for a missing or damaged file."""
    state, metadata, sha256 = _read(path or WEIGHTS / "image_scorer.safetensors")
    network = ImageNetwork(json.loads(metadata["heads"]))
    network.load_state_dict(state)
    return ImageScorer(network, sha256)


def load_clip_scorer(path: Path | None = None) -> ClipScorer:
    """The packaged dual encoder, or one from a file. Raises ValueError for a missing or damaged file."""
    state, metadata, sha256 = _read(path or WEIGHTS / "clip_scorer.safetensors")
    tokenizer = Tokenizer.from_str(metadata["tokenizer"])
    model = clip_model(tokenizer.get_vocab_size())
    model.load_state_dict(state)
    return ClipScorer(model, tokenizer, sha256)


def save_scorer(path: Path, module: nn.Module, metadata: Mapping[str, str]) -> None:
    """Writes a scorer as float16 safetensors (integers as they are), atomically."""
    state = {
        name: (tensor.half() if tensor.is_floating_point() else tensor).detach().contiguous()
        for name, tensor in module.state_dict().items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.partial")
    save_file(state, temporary, metadata=dict(metadata))
    temporary.chmod(0o644)
    temporary.replace(path)


def to_input(images: Images) -> Tensor:
    """uint8 [N, 64, 64, 3] -> float32 [N, 3, 64, 64] in [-1, 1]; ValueError for another shape or dtype."""
    if images.dtype != np.uint8 or images.shape[1:] != (SIDE, SIDE, 3):
        got = f"{images.dtype} {images.shape}"
        raise ValueError(f"scenes scorers: uint8 images of {SIDE}x{SIDE} are needed, got {got}")
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 127.5 - 1


@torch.no_grad()
def _batched(encode: Callable[[Tensor], Tensor], images: Images) -> Features:
    rows = [encode(to_input(images[start : start + _BATCH])) for start in range(0, len(images), _BATCH)]
    features: Features = torch.cat(rows).float().numpy()
    return features


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str], str]:
    if not path.is_file():
        raise ValueError(f"scorer {path}: there is no such file; train it with drawbench-eval train")
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
            metadata = file.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"scorer {path}: cannot be read, it is damaged or cut short ({error})") from error
    state = {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    return state, metadata, hashlib.sha256(path.read_bytes()).hexdigest()
