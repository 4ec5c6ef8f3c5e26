"""`model.generator: imagen`: the cascades of imagen_ref."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from drawbench_eval.files import digest, sha256_file
from drawbench_eval.generators.base import Request
from imagen_ref.cascade import Cascade, checkpoint_files
from imagen_ref.samplers import SamplerSettings

# Raised when the same settings and weights give other images than before.
VERSION = 1
STAGES = ("base", "sr64")


@dataclass(frozen=True, kw_only=True)
class ImagenSettings:
    """The `model` group of an Imagen cascade.

    path: a packaged model's name or a folder; text_encoder: one of the encoders that lie in it.
    """

    path: str
    text_encoder: str
    base: SamplerSettings
    sr64: SamplerSettings

    @property
    def stages(self) -> dict[str, SamplerSettings]:
        """Stage name -> its settings, in order."""
        return {name: getattr(self, name) for name in STAGES}


class ImagenGenerator:
    """Samples a cascade. Weights are checked and hashed at once, and loaded for the first image."""

    guidance_kind = "cfg"

    def __init__(self, settings: ImagenSettings, *, device: str, precision: str) -> None:
        self.settings, self.device, self.precision = settings, device, precision
        self.label = (
            f"{Path(settings.path).name}-w{settings.base.guidance_weight:g}-{settings.base.threshold}"
        )
        files = checkpoint_files(settings.path, text_encoder=settings.text_encoder)
        self.weights = {name: _checked_sha256(path) for name, path in files.items()}
        self.identity = _identity(settings, self.weights, precision)
        kinds = [
            [stage, values.sampler, values.num_steps, values.guidance_weight == 1]
            for stage, values in settings.stages.items()
        ]
        self.cost_key = digest(kinds)

    @cached_property
    def cascade(self) -> Cascade:
        """The loaded stages and text encoder."""
        return Cascade.load(
            self.settings.path,
            text_encoder=self.settings.text_encoder,
            device=self.device,
            precision=self.precision,
        )

    def generate(
        self, requests: Sequence[Request], *, batch_size: int, on_image: Callable[[int], None]
    ) -> list[NDArray[np.uint8]]:
        """One image [64, 64, 3] a request, in order."""
        images = self.cascade.sample(
            [request.prompt for request in requests],
            seeds=[request.seed for request in requests],
            settings=self.settings.stages,
            batch_size=batch_size,
            on_images=on_image,
        )
        return list(images)

    def truncated_prompts(self, prompts: Sequence[str]) -> list[int]:
        """The indices of prompts with more tokens than the text encoder reads."""
        return self.cascade.encoder.truncated(prompts)


def make(settings: ImagenSettings, *, device: str, precision: str) -> ImagenGenerator:
    """The generator; raises ValueError naming a checkpoint that is missing, truncated or damaged."""
    return ImagenGenerator(settings, device=device, precision=precision)


def _identity(settings: ImagenSettings, weights: Mapping[str, str], precision: str) -> dict[str, Any]:
    """Short names mean the base stage, `model.aug_level` the first super-resolution."""
    base, sr64 = asdict(settings.base), asdict(settings.sr64)
    del base["aug_level"]
    return {
        "model.generator": "imagen",
        "model.version": VERSION,
        "model.text_encoder": settings.text_encoder,
        **{f"model.weights.{name}": sha256 for name, sha256 in weights.items()},
        **{f"model.{key}": value for key, value in base.items()},
        "model.aug_level": sr64.pop("aug_level"),
        **{f"model.sr64.{key}": value for key, value in sr64.items()},
        "precision": precision,
    }


def _checked_sha256(path: Path) -> str:
    """The hash of a safetensors file, after its length has been held against its header."""
    if not path.is_file():
        raise ValueError(
            f"model.path: {path} is not there; a folder with all stages and the text encoder is needed"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            file.keys()
    except SafetensorError as error:
        raise ValueError(f"model.path: {path} is damaged or cut short ({error})") from error
    return sha256_file(path)
