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
from imagen_ref.cascade import Cascade, checkpoint_files, encoder_files
from imagen_ref.samplers import SamplerSettings
from imagen_ref.stage import Stage
from imagen_ref.text.load import load_encoder

# Raised when the same settings and weights give other images than before.
VERSION = 1
STAGES = ("base", "sr64")


@dataclass(frozen=True, kw_only=True)
class StageFile:
    """A stage's .safetensors."""

    path: Path


@dataclass(frozen=True, kw_only=True)
class StageFiles:
    """The files of a cascade of two stages."""

    base: StageFile
    sr64: StageFile


@dataclass(frozen=True, kw_only=True)
class EncoderFolder:
    """A Hugging Face folder of a text encoder, and how many tokens of a prompt are kept."""

    path: Path
    max_length: int = 128


@dataclass(frozen=True, kw_only=True)
class ImagenSettings:
    """The `model` group of an Imagen cascade.

    path: a packaged model's name or a folder; text_encoder: one of the encoders that lie in it. Or else
    `stages` and `encoder`: a file for each stage and the encoder's folder, whose paths may hold the name
    `text_encoder`. sr64 is the first super-resolution, whatever its side.
    """

    path: str | None = None
    text_encoder: str
    base: SamplerSettings
    sr64: SamplerSettings
    stages: StageFiles | None = None
    encoder: EncoderFolder | None = None

    def __post_init__(self) -> None:
        if (self.path is None) == (self.stages is None):
            raise ValueError(
                "path: a folder of stages is needed, or stages.base.path, stages.sr64.path and encoder.path, "
                "but not both"
            )
        if (self.stages is None) != (self.encoder is None):
            raise ValueError("encoder: stages and encoder go together; write model.encoder.path=FOLDER")

    @property
    def samplers(self) -> dict[str, SamplerSettings]:
        """Stage name -> its settings, in order."""
        return {name: getattr(self, name) for name in STAGES}


class ImagenGenerator:
    """Samples a cascade. Weights are checked and hashed at once, and loaded for the first image."""

    guidance_kind = "cfg"

    def __init__(self, settings: ImagenSettings, *, device: str, precision: str) -> None:
        self.settings, self.device, self.precision = settings, device, precision
        name = Path(settings.path).name if settings.path is not None else f"imagen-{settings.text_encoder}"
        self.label = f"{name}-w{settings.base.guidance_weight:g}-{settings.base.threshold}"
        files = _files(settings)
        self.weights = {name: _checked_sha256(path) for name, path in files.items()}
        self.identity = _identity(settings, self.weights, precision)
        kinds = [
            [stage, values.sampler, values.num_steps, values.guidance_weight == 1]
            for stage, values in settings.samplers.items()
        ]
        # Networks of other sizes take another time.
        sizes = [] if settings.stages is None else [path.stat().st_size for path in files.values()]
        self.cost_key = digest([*kinds, *sizes])

    @cached_property
    def cascade(self) -> Cascade:
        """The loaded stages and text encoder."""
        chosen = self.settings
        if chosen.stages is None or chosen.encoder is None:
            assert chosen.path is not None
            return Cascade.load(
                chosen.path, text_encoder=chosen.text_encoder, device=self.device, precision=self.precision
            )
        encoder = load_encoder(chosen.encoder.path, max_length=chosen.encoder.max_length, device=self.device)
        files = (chosen.stages.base.path, chosen.stages.sr64.path)
        stages = [Stage.load(path, device=self.device) for path in files]
        return Cascade(encoder, stages, precision=self.precision)

    def generate(
        self, requests: Sequence[Request], *, batch_size: int, on_image: Callable[[int], None]
    ) -> list[NDArray[np.uint8]]:
        """One image [side, side, 3] of the last stage's side a request, in order."""
        names = [stage.config.name for stage in self.cascade.stages]
        images = self.cascade.sample(
            [request.prompt for request in requests],
            seeds=[request.seed for request in requests],
            settings=dict(zip(names, self.settings.samplers.values(), strict=True)),
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


def _files(settings: ImagenSettings) -> dict[str, Path]:
    """The weight files of the encoder and of each stage, by name."""
    if settings.stages is None or settings.encoder is None:
        assert settings.path is not None
        return checkpoint_files(settings.path, text_encoder=settings.text_encoder)
    return {
        **encoder_files(settings.text_encoder, settings.encoder.path),
        "base": settings.stages.base.path,
        "sr64": settings.stages.sr64.path,
    }


def _identity(settings: ImagenSettings, weights: Mapping[str, str], precision: str) -> dict[str, Any]:
    """Short names mean the base stage, `model.aug_level` the first super-resolution."""
    base, sr64 = _said(settings.base), _said(settings.sr64)
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


def _said(settings: SamplerSettings) -> dict[str, Any]:
    """The fields, without the guidance interval where it is everything, as before there was one."""
    values = asdict(settings)
    if (settings.guidance_t_min, settings.guidance_t_max) == (0, 1):
        del values["guidance_t_min"], values["guidance_t_max"]
    return values


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
