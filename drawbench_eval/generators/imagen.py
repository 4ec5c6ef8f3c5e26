"""`model.generator: imagen`: the cascades of imagen_ref."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from drawbench_eval.files import digest, sha256_unchanged, stable_seed
from drawbench_eval.generators.base import Request
from drawbench_eval.scenes.encoder_probe import read_probe
from drawbench_eval.store import Arrays
from imagen_ref.cascade import Cascade, StageFile
from imagen_ref.cascade_files import CascadeFiles, EncoderSource, cascade_files, packaged, with_checkpoint
from imagen_ref.samplers import SamplerSettings
from imagen_ref.text.embedding import collate
from imagen_ref.training.series import behind

# Raised when the same settings and weights give other images than before.
VERSION = 1
STAGES = ("base", "sr64", "sr256")
# What a stage without a low-resolution image does not read.
UNREAD_BY_BASE = ("aug_level", "corruption")


@dataclass(frozen=True, kw_only=True)
class EncoderFolder:
    """A Hugging Face folder of a text encoder, the tokens kept of a prompt, and its weights' precision."""

    path: Path | None = None
    max_length: int = 128
    precision: Literal["float32", "bfloat16"] = "float32"


@dataclass(frozen=True, kw_only=True)
class StagePart:
    """A stage's .safetensors, None for no such stage, and its own text encoder where it has one."""

    path: Path | None = None
    encoder: EncoderFolder | None = None


@dataclass(frozen=True, kw_only=True)
class StageParts:
    """The files of a cascade: a base, and up to two super-resolutions.

    scenes/base.safetensors and scenes/sr64.safetensors are those of the packaged model.
    """

    base: StagePart
    sr64: StagePart | None = None
    sr256: StagePart | None = None

    def __post_init__(self) -> None:
        if self.base.path is None:
            raise ValueError("base.path: a cascade starts with a base; name its .safetensors")

    @property
    def present(self) -> dict[str, Path]:
        """Stage -> its file, in order."""
        parts = {name: getattr(self, name) for name in STAGES}
        return {
            name: packaged(part.path)
            for name, part in parts.items()
            if part is not None and part.path is not None
        }

    @property
    def own_encoders(self) -> dict[str, EncoderFolder]:
        """Stage -> its own encoder, where it has one."""
        parts = {name: getattr(self, name) for name in self.present}
        return {
            name: part.encoder
            for name, part in parts.items()
            if part.encoder is not None and part.encoder.path is not None
        }


@dataclass(frozen=True, kw_only=True)
class ImagenSettings:
    """The `model` group of an Imagen cascade.

    path: a packaged model's name or a folder; text_encoder: one of the encoders that lie in it. Or else
    `stages` and `encoder`: a file for each stage and the encoder's folder, whose paths may hold the name
    `text_encoder`. sr64 is the first super-resolution and sr256 the second, whatever their sides. checkpoint:
    a file that takes the place of the stage of equal sides, such as one of a training's series. last: the
    last stage that is run, by default the last there is. one_at_a_time: only one of encoder and networks is
    in memory at a time; the images are the same. low_res_seed: with a number all images of a prompt go back
    to the one base image that it draws (whatever the run's seed), and differ by super-resolution alone.
    """

    path: str | None = None
    text_encoder: str
    base: SamplerSettings
    sr64: SamplerSettings
    sr256: SamplerSettings | None = None
    stages: StageParts | None = None
    encoder: EncoderFolder | None = None
    checkpoint: Path | None = None
    last: str | None = None
    one_at_a_time: bool = False
    low_res_seed: int | None = None

    def __post_init__(self) -> None:
        if (self.path is None) == (self.stages is None):
            raise ValueError(
                "path: a folder of stages is needed, or stages.base.path, stages.sr64.path and encoder.path, "
                "but not both"
            )
        if (self.stages is None) != (self.encoder is None or self.encoder.path is None):
            raise ValueError("encoder: stages and encoder go together; write model.encoder.path=FOLDER")

    @property
    def files(self) -> CascadeFiles:
        """The encoder, and the file of each stage that is run, under the names of STAGES.

        Raises ValueError for a folder without cascade.json, one of more stages than there are settings for,
        a checkpoint that can be none of them or is not run, and a `last` that is none of them.
        """
        if self.stages is None:
            found = cascade_files(str(self.path), text_encoder=self.text_encoder)
            if len(found.stages) > len(STAGES):
                raise ValueError(
                    f"model.path: {self.path} has {len(found.stages)} stages; {len(STAGES)} is the most"
                )
            encoder, paths = found.encoder, dict(zip(STAGES, found.stages.values(), strict=False))
            ours = dict(zip(found.stages, STAGES, strict=False))
            own = {
                ours[name]: replace(source, name=f"{ours[name]}.encoder")
                for name, source in found.own_encoders.items()
            }
        else:
            assert self.encoder is not None
            encoder, paths = _source(self.text_encoder, self.encoder), self.stages.present
            own = {
                name: _source(f"{name}.encoder", folder) for name, folder in self.stages.own_encoders.items()
            }
        if self.checkpoint is not None:
            paths = with_checkpoint(paths, self.checkpoint)
        if self.last is not None and self.last not in paths:
            raise ValueError(f"model.last: {self.last} is not one of the stages {', '.join(paths)}")
        names = list(paths)
        run = {name: paths[name] for name in (names[: names.index(self.last) + 1] if self.last else names)}
        if self.low_res_seed is not None and len(run) == 1:
            raise ValueError(
                f"model.low_res_seed: {self.low_res_seed}, but no super-resolution is run: a prompt's images "
                "would all be one"
            )
        if self.checkpoint is not None and self.checkpoint not in run.values():
            raise ValueError(f"model.checkpoint: {self.checkpoint} comes after model.last={self.last}")
        own = {name: source for name, source in own.items() if name in run}
        return CascadeFiles(encoder=encoder, stages=run, own_encoders=own)

    def samplers(self, stages: Mapping[str, Path]) -> dict[str, SamplerSettings]:
        """Stage -> its settings, of those that are run. ValueError where a stage has none."""
        chosen = {name: getattr(self, name) for name in stages}
        for name, settings in chosen.items():
            if settings is None:
                raise ValueError(f"model.{name}: the model has this stage; its settings are needed")
        return chosen


class ImagenGenerator:
    """Samples a cascade. Weights are checked and hashed at once, and loaded for the first image."""

    guidance_kind = "cfg"

    def __init__(self, settings: ImagenSettings, *, device: str, precision: str) -> None:
        self.settings, self.device, self.precision = settings, device, precision
        name = Path(settings.path).name if settings.path is not None else f"imagen-{settings.text_encoder}"
        self.label = f"{name}-w{settings.base.guidance_weight:g}-{settings.base.threshold}"
        if settings.last is not None:
            self.label += f"-{settings.last}"
        if settings.checkpoint is not None:
            self.label += f"-{settings.checkpoint.stem}"
        self._files = settings.files
        self._samplers = settings.samplers(self._files.stages)
        files = self._files.weights()
        self.weights = {name: _checked_sha256(path) for name, path in files.items()}
        self.identity = {
            **_identity(settings, self._samplers, self.weights, precision),
            **_encoder_precisions(self._files),
        }
        kinds = [
            [stage, values.sampler, values.num_steps, values.guidance_weight == 1]
            for stage, values in self._samplers.items()
        ]
        # Networks of other sizes take another time.
        own = settings.stages is not None or settings.checkpoint is not None
        sizes = [path.stat().st_size for path in files.values()] if own else []
        self.cost_key = digest([*kinds, *sizes])

    @cached_property
    def provenance(self) -> dict[str, dict[str, Any]]:
        """What `model.checkpoint` has behind it, and what the base's text encoder tells of a scene."""
        known: dict[str, dict[str, Any]] = {}
        chosen, source = self.settings.checkpoint, self._files.encoder.source
        if chosen is not None:
            stage = next(name for name, path in self._files.stages.items() if path == chosen)
            known["training"] = {"stage": stage, "series": chosen.resolve().parent.name, **behind(chosen)}
        if isinstance(source, Path) and (told := read_probe(source)):
            known["text_facts"] = told
        return known

    @property
    def one_at_a_time(self) -> bool:
        """Whether a stage should be run for all images before the next."""
        return self.settings.one_at_a_time

    @cached_property
    def cascade(self) -> Cascade:
        """The stages, each read when it is first needed, and the text encoders."""
        parts = {name: StageFile(path, device=self.device) for name, path in self._files.stages.items()}
        return Cascade(
            self._files.encoder.load(self.device),
            list(parts.values()),
            precision=self.precision,
            one_at_a_time=self.settings.one_at_a_time,
            own_encoders={
                parts[name].config.name: source.load(self.device)
                for name, source in self._files.own_encoders.items()
            },
        )

    def generate(
        self, requests: Sequence[Request], *, batch_size: int, on_image: Callable[[int], None]
    ) -> list[NDArray[np.uint8]]:
        """One image [side, side, 3] of the last stage's side a request, in order."""
        names = [stage.config.name for stage in self.cascade.stages]
        images = self.cascade.sample(
            [request.prompt for request in requests],
            seeds=[request.seed for request in requests],
            base_seeds=self._seeds("base", requests),
            settings=dict(zip(names, self._samplers.values(), strict=True)),
            batch_size=batch_size,
            on_images=on_image,
        )
        return list(images)

    def truncated_prompts(self, prompts: Sequence[str]) -> list[int]:
        """The indices of prompts with more tokens than a text encoder of the cascade reads."""
        encoders = {id(one): one for one in map(self.cascade.encoder_of, self._config_names)}
        return sorted({index for encoder in encoders.values() for index in encoder.truncated(prompts)})

    @property
    def stage_settings(self) -> dict[str, dict[str, Any]]:
        """Stage -> all that can change its images but the text, the requests and what it starts from."""
        return {
            name: {
                "generator": "imagen",
                "version": VERSION,
                "weights": self.weights[name],
                "settings": _that_matter(settings, is_base=name == "base"),
                **(_low_res(self.settings) if name == "base" else {}),
                "precision": self.precision,
                "device": self.device.partition(":")[0],
            }
            for name, settings in self._samplers.items()
        }

    @property
    def stage_keys(self) -> dict[str, dict[str, Any]]:
        """Stage -> all that can change its images but the requests and the images that it starts from."""
        return {
            name: {**values, "encoder": self.text_key(name)} for name, values in self.stage_settings.items()
        }

    def text_key(self, stage: str) -> dict[str, Any]:
        """What makes the text states that this stage reads, apart from the prompts."""
        encoder = self.cascade.encoder_of(self._config_name(stage))
        # Its weights' hash is in its identity, so what it is called changes nothing.
        return {key: value for key, value in encoder.identity.items() if key not in ("name", "revision")}

    def encode(self, stage: str, requests: Sequence[Request]) -> Arrays:
        """The text states that this stage reads, unpadded one after the other, and where each ends."""
        text = self.cascade.encode([request.prompt for request in requests], stage=self._config_name(stage))
        states = text.states[text.mask].numpy()
        return {"states": states, "ends": text.mask.sum(1).cumsum(0).numpy()}

    def run_stage(
        self,
        stage: str,
        text: Arrays,
        requests: Sequence[Request],
        rows: slice,
        low_res: NDArray[np.uint8] | None,
    ) -> NDArray[np.uint8]:
        """This stage's images of `requests[rows]`, as `generate` makes them of all `requests`."""
        starts = [0, *text["ends"][:-1]]
        states = torch.from_numpy(text["states"].copy())
        whole = collate([states[a:b] for a, b in zip(starts, text["ends"], strict=True)])
        return self.cascade.sample_stage(
            self._config_name(stage),
            whole[rows],
            seeds=self._seeds(stage, requests[rows]),
            settings=self._samplers[stage],
            low_res=low_res,
        )

    def _seeds(self, stage: str, requests: Sequence[Request]) -> list[int]:
        number = self.settings.low_res_seed
        if stage == "base" and number is not None:
            return [stable_seed(number, request.prompt, 0) for request in requests]
        return [request.seed for request in requests]

    @property
    def _config_names(self) -> list[str]:
        return [stage.config.name for stage in self.cascade.stages]

    def _config_name(self, stage: str) -> str:
        """What the stage's checkpoint calls itself: sr64 may be one of 64 -> 256."""
        return self._config_names[list(self._samplers).index(stage)]


def make(settings: ImagenSettings, *, device: str, precision: str) -> ImagenGenerator:
    """The generator; raises ValueError naming a checkpoint that is missing, truncated or damaged."""
    return ImagenGenerator(settings, device=device, precision=precision)


def _source(name: str, folder: EncoderFolder) -> EncoderSource:
    assert folder.path is not None
    return EncoderSource(
        name=name, source=packaged(folder.path), max_length=folder.max_length, precision=folder.precision
    )


def _identity(
    settings: ImagenSettings,
    samplers: Mapping[str, SamplerSettings],
    weights: Mapping[str, str],
    precision: str,
) -> dict[str, Any]:
    """Short names mean the base stage, `model.aug_level` the first super-resolution."""
    said = {name: _said(values) for name, values in samplers.items()}
    base = said.pop("base")
    for unread in UNREAD_BY_BASE:
        base.pop(unread, None)
    short = {"model.aug_level": said["sr64"].pop("aug_level")} if "sr64" in said else {}
    return {
        "model.generator": "imagen",
        "model.version": VERSION,
        "model.text_encoder": settings.text_encoder,
        **{f"model.{key}": value for key, value in _low_res(settings).items()},
        **{f"model.weights.{name}": sha256 for name, sha256 in weights.items()},
        **{f"model.{key}": value for key, value in base.items()},
        **short,
        **{f"model.{name}.{key}": value for name, one in said.items() for key, value in one.items()},
        "precision": precision,
    }


def _encoder_precisions(files: CascadeFiles) -> dict[str, str]:
    """Of the text encoders that are not in float32: runs from before there was a choice keep their hash."""
    own = {f"stages.{stage}.encoder": source for stage, source in files.own_encoders.items()}
    return {
        f"model.{name}.precision": source.precision
        for name, source in {"encoder": files.encoder, **own}.items()
        if source.precision != "float32"
    }


def _low_res(settings: ImagenSettings) -> dict[str, Any]:
    """`low_res_seed` where there is one."""
    return {} if settings.low_res_seed is None else {"low_res_seed": settings.low_res_seed}


def _said(settings: SamplerSettings) -> dict[str, Any]:
    """The fields, without those that came later where they change nothing: runs keep their hash."""
    values = asdict(settings)
    if (settings.guidance_t_min, settings.guidance_t_max) == (0, 1):
        del values["guidance_t_min"], values["guidance_t_max"]
    if settings.corruption == 0:
        del values["corruption"]
    return values


def _that_matter(settings: SamplerSettings, *, is_base: bool) -> dict[str, Any]:
    """The fields that a stage reads: another value of one of the others gives the same images."""
    unread = {"eta" if settings.sampler == "ddpm" else "gamma"}
    if settings.threshold != "dynamic":
        unread |= {"percentile", "interpolation"}
    if is_base:
        unread.update(UNREAD_BY_BASE)
    return {key: value for key, value in _said(settings).items() if key not in unread}


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
    return sha256_unchanged(path)
