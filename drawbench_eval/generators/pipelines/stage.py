"""One stage of DeepFloyd IF: what is set, what is read of its pipeline, and how it is called."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from drawbench_eval.files import stable_seed
from drawbench_eval.generators.base import Request
from drawbench_eval.generators.pipelines.batches import Batches, seeded
from drawbench_eval.generators.pipelines.files import PipelineFiles, find_files
from drawbench_eval.generators.pipelines.guidance import check_weight
from drawbench_eval.generators.pipelines.library import quiet
from drawbench_eval.generators.pipelines.loading import load, place
from drawbench_eval.generators.pipelines.schedulers import (
    Scheduler,
    Threshold,
    choose_scheduler,
    threshold_options,
)
from drawbench_eval.generators.pipelines.tokens import check_tokenizers

# Stage -> its pipeline, and what is not read of it: text is encoded once, only the final image is checked,
# and the mark in its corner is for show.
PIPELINES = {
    "base": ("IFPipeline", ("watermarker",)),
    "sr64": (
        "IFSuperResolutionPipeline",
        ("tokenizer", "text_encoder", "safety_checker", "feature_extractor", "watermarker"),
    ),
    "sr256": ("StableDiffusionUpscalePipeline", ("safety_checker", "feature_extractor", "watermarker")),
}
# The schedule by which the image that a stage starts from is noised.
NOISING = {"sr64": "image_noising_scheduler", "sr256": "low_res_scheduler"}
# The upscaler refuses more; the default of its class.
MAX_NOISE_LEVEL = 350


@dataclass(frozen=True, kw_only=True)
class StageSettings:
    """One stage. path: a name on the Hub, with its revision, or a folder. guidance_weight: w, 1 is none."""

    path: str
    guidance_weight: float
    num_steps: int
    revision: str | None = None
    scheduler: str | None = None
    scheduler_options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_weight(self.guidance_weight, key="guidance_weight")
        if self.num_steps < 1:
            raise ValueError(f"num_steps: {self.num_steps} is not at least 1")


@dataclass(frozen=True, kw_only=True)
class PixelStageSettings(StageSettings):
    """A stage in pixels. sample_max_value: the cap of dynamic thresholding; None is the paper's: no cap."""

    threshold: Threshold
    percentile: float
    sample_max_value: float | None


@dataclass(frozen=True, kw_only=True)
class SuperResolutionSettings(PixelStageSettings):
    """A stage in pixels that starts from an image, noised to `aug_level` of its schedule, 0 to below 1."""

    aug_level: float


@dataclass(frozen=True, kw_only=True)
class UpscalerSettings(StageSettings):
    """A stage in latents that starts from an image, noised to `aug_level` of its schedule."""

    aug_level: float


class Row(NamedTuple):
    """A request, its text's states [77, D], and the image [3,H,W] in [-1, 1] to start from, or None."""

    request: Request
    states: Tensor
    low_res: Tensor | None


class Stage:
    """A stage's files, checked and hashed, its scheduler, and its pipeline once it is loaded.

    Raises ValueError for a pipeline that cannot be had or is another one, and for settings not made for it.
    """

    def __init__(
        self,
        name: str,
        settings: StageSettings,
        *,
        variant: str | None,
        cache: Path | None,
        safety_checker: bool,
    ) -> None:
        self.name, self.settings, self.key = name, settings, f"model.{name}.path"
        wanted, left_out = PIPELINES[name]
        if name == "base" and not safety_checker:
            left_out = (*left_out, "safety_checker", "feature_extractor")
        self.files = find_files(
            settings.path,
            key=self.key,
            revision=settings.revision,
            variant=variant,
            cache=cache,
            leave_out=left_out,
        )
        if self.files.pipeline != wanted:
            raise ValueError(f"{self.key}: {settings.path} is a {self.files.pipeline}, not a {wanted}")
        check_tokenizers(self.files, key=self.key)
        self.scheduler = _scheduler(self.files, settings, f"model.{name}")
        self.noise_level = _noise_level(self.files, settings, name)
        self.batches = Batches()
        self.pipe: Any = None

    def bring(self, *, device: str, precision: str) -> None:
        """Have the pipeline on the device; it is loaded where it is not yet."""
        if self.pipe is None:
            text = ("tokenizer", "text_encoder") if self.name == "base" else ()
            self.pipe = load(self.files, key=self.key, precision=precision, leave_out=text)
            self.pipe.scheduler = self.scheduler.build(self.pipe)
        place(self.pipe, key=self.key, device=device, offload="none")

    def sample(self, rows: Sequence[Row], *, null: Tensor) -> list[Tensor]:
        """An image [3,H,W] in [-1, 1] a row, on the CPU; `null` are the states [77, D] of the empty prompt.

        The base's noise is seeded with the sample's seed, that of the others with a hash of it and the stage.
        """
        seeds = [row.request.seed for row in rows]
        if self.name != "base":
            seeds = [stable_seed(seed, self.name) for seed in seeds]
        call: dict[str, Any] = {
            "num_inference_steps": self.settings.num_steps,
            "guidance_scale": self.settings.guidance_weight,
            "generator": seeded(seeds),
            "output_type": "pt",
        }
        if self.noise_level is not None:
            low_res = torch.stack([row.low_res for row in rows if row.low_res is not None])
            call |= {"image": low_res, "noise_level": self.noise_level}
        if self.name == "sr256":
            # This pipeline takes and gives [0, 1]: it guesses [-1, 1] from the least value of a batch.
            call |= {"prompt": [row.request.prompt for row in rows], "image": call["image"] / 2 + 0.5}
        else:
            call["prompt_embeds"] = torch.stack([row.states for row in rows])
            if self.settings.guidance_weight != 1:
                call["negative_prompt_embeds"] = torch.stack([null] * len(rows))
        with quiet():
            images: Tensor = self.pipe(**call).images.float().cpu()
        return list((images * 2 - 1 if self.name == "sr256" else images).clamp(-1, 1))

    def identity(self) -> dict[str, Any]:
        """Short names mean the base stage, `model.aug_level` the first super-resolution."""
        values = {
            name: getattr(self.settings, name)
            for name in (
                "guidance_weight",
                "num_steps",
                "threshold",
                "percentile",
                "sample_max_value",
                "aug_level",
            )
            if hasattr(self.settings, name)
        }
        prefix = "model" if self.name == "base" else f"model.{self.name}"
        short = {"aug_level": "model"} if self.name == "sr64" else {}
        options = self.settings.scheduler_options
        return {
            **self.files.identity(f"model.{self.name}"),
            **{f"{short.get(name, prefix)}.{name}": value for name, value in values.items()},
            f"{prefix}.scheduler": self.scheduler.name,
            **{f"{prefix}.scheduler_options.{name}": value for name, value in options.items()},
        }


def _scheduler(files: PipelineFiles, settings: StageSettings, prefix: str) -> Scheduler:
    chosen = choose_scheduler(files, settings.scheduler, settings.scheduler_options, prefix=prefix)
    if not isinstance(settings, PixelStageSettings):
        return chosen
    ours = threshold_options(
        chosen.name, settings.threshold, settings.percentile, settings.sample_max_value, prefix=prefix
    )
    for name in ours.keys() & chosen.options.keys():
        raise ValueError(f"{prefix}.scheduler_options.{name}: write it as {prefix}.threshold")
    return Scheduler(name=chosen.name, options={**chosen.options, **ours})


def _noise_level(files: PipelineFiles, settings: StageSettings, name: str) -> int | None:
    """The time step of the noising schedule for `aug_level`; None for the base."""
    if not isinstance(settings, SuperResolutionSettings | UpscalerSettings):
        return None
    steps = int(files.config(NOISING[name]).get("num_train_timesteps", 1000))
    most = steps - 1
    if name == "sr256":
        most = min(most, int(files.index.get("max_noise_level", MAX_NOISE_LEVEL)))
    level = round(settings.aug_level * steps)
    if not 0 <= level <= most:
        key = "model.aug_level" if name == "sr64" else f"model.{name}.aug_level"
        raise ValueError(f"{key}: {settings.aug_level:g} is not from 0 to {most / steps:g}")
    return level
