"""`model.generator: diffusers`: any text-to-image pipeline of the library, from the Hub or a folder."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.files import digest
from drawbench_eval.generators.base import Finished, Request, in_order
from drawbench_eval.generators.folder import label_of
from drawbench_eval.generators.pipelines.batches import Batches, seeded, to_uint8
from drawbench_eval.generators.pipelines.files import find_files
from drawbench_eval.generators.pipelines.guidance import Kind, choose_guidance
from drawbench_eval.generators.pipelines.library import class_named, quiet
from drawbench_eval.generators.pipelines.loading import check_offload, load, place
from drawbench_eval.generators.pipelines.safety import VERDICTS, note_struck, struck_by_checker
from drawbench_eval.generators.pipelines.schedulers import choose_scheduler
from drawbench_eval.generators.pipelines.tokens import check_tokenizers, max_length_of, truncated

# Raised when the same settings and weights give other images than before.
VERSION = 1
# Arguments of a pipeline's call that are set here, and by no one else.
OWN_ARGUMENTS = (
    "prompt",
    "generator",
    "num_inference_steps",
    "num_images_per_prompt",
    "output_type",
    "return_dict",
    "latents",
)


@dataclass(frozen=True, kw_only=True)
class PipelineSettings:
    """The `model` group of a pipeline.

    path: a name on the Hub or a folder; revision, variant, cache: of the Hub's. guidance_kind: None takes
    what the pipeline is known for. guidance_weight: w, for cfg; distilled_guidance: the network's input, for
    distilled; None takes the pipeline's default. guidance_argument: its name in the call, for pipelines that
    are not known here. num_steps: None takes the pipeline's default. scheduler: a class of diffusers, None
    takes the pipeline's own. call: further arguments of the call; None leaves one out. dtype: None follows
    `precision`.
    """

    path: str
    revision: str | None = None
    variant: str | None = None
    cache: Path | None = None
    guidance_kind: Kind | None = None
    guidance_weight: float | None = None
    distilled_guidance: float | None = None
    guidance_argument: str | None = None
    num_steps: int | None = None
    scheduler: str | None = None
    scheduler_options: Mapping[str, Any] = field(default_factory=dict)
    call: Mapping[str, Any] = field(default_factory=dict)
    safety_checker: bool = True
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    offload: Literal["none", "model", "sequential"] = "none"

    def __post_init__(self) -> None:
        if self.num_steps is not None and self.num_steps < 1:
            raise ValueError(f"num_steps: {self.num_steps} is not at least 1")


class DiffusersGenerator:
    """Runs a pipeline. Its files are found, checked and hashed at once, and loaded for the first image.

    A sample's noise comes from a generator seeded with the sample's seed, so the manifest's seed makes the
    same image in diffusers itself. flagged: the ids of samples so far that the safety checker struck; they
    are black.
    """

    def __init__(self, settings: PipelineSettings, *, device: str, precision: str) -> None:
        check_offload(settings.offload, device)
        self.settings, self.device = settings, device
        self.precision = settings.dtype or precision
        self.flagged: set[str] = set()
        self.files = find_files(
            settings.path,
            key="model.path",
            revision=settings.revision,
            variant=settings.variant,
            cache=settings.cache,
            leave_out=() if settings.safety_checker else ("safety_checker",),
        )
        check_tokenizers(self.files, key="model.path")
        self.call = {name: value for name, value in settings.call.items() if value is not None}
        self.parameters = _call_parameters(self.files.pipeline, self.call)
        self.guidance = choose_guidance(
            self.files.pipeline,
            self.parameters,
            {name: self.files.config(name) for name in ("unet", "transformer")},
            kind=settings.guidance_kind,
            argument=settings.guidance_argument,
            weight=settings.guidance_weight,
            distilled=settings.distilled_guidance,
        )
        if self.guidance.argument in self.call:
            raise ValueError(f"model.call.{self.guidance.argument}: its own setting is model.guidance_weight")
        self.num_steps = settings.num_steps or self.parameters["num_inference_steps"]
        if not isinstance(self.num_steps, int):
            raise ValueError("model.num_steps: a value is needed; this pipeline has no default")
        self.scheduler = choose_scheduler(
            self.files, settings.scheduler, settings.scheduler_options, prefix="model"
        )
        self.guidance_kind = self.guidance.kind
        self.label = self._label()
        self.weights = self.files.named_weights()
        self.identity = self._identity()
        self.cost_key = digest(
            [
                self.weights,
                self.num_steps,
                self.scheduler.name,
                self.guidance.guided,
                self.call,
                self.precision,
            ]
        )
        self.batches = Batches()

    @cached_property
    def pipe(self) -> Any:
        """The loaded pipeline, on its device."""
        pipe = load(self.files, key="model.path", precision=self.precision)
        pipe.scheduler = self.scheduler.build(pipe)
        place(pipe, key="model.path", device=self.device, offload=self.settings.offload)
        return pipe

    def generate(
        self, requests: Sequence[Request], *, batch_size: int, on_image: Callable[[int], None]
    ) -> list[NDArray[np.uint8]]:
        """One RGB image a request, in order."""
        return in_order(self.stream(requests, batch_size=batch_size), requests, on_image)

    def stream(self, requests: Sequence[Request], *, batch_size: int) -> Iterator[Finished]:
        """Images with their requests, batch by batch."""
        for batch, images in self.batches.run(requests, self._sample, size=batch_size):
            yield list(zip(batch, images, strict=True))

    def truncated_prompts(self, prompts: Sequence[str]) -> list[int]:
        """The indices of prompts that at least one text encoder cuts."""
        limit = max_length_of(self.parameters, self.call)
        return truncated(self.files, prompts, key="model.path", max_length=limit)

    def _sample(self, batch: Sequence[Request]) -> list[NDArray[np.uint8]]:
        call = dict(self.call)
        if isinstance(call.get("negative_prompt"), str):
            call["negative_prompt"] = [call["negative_prompt"]] * len(batch)
        with quiet():
            result = self.pipe(
                prompt=[request.prompt for request in batch],
                num_inference_steps=self.num_steps,
                generator=seeded([request.seed for request in batch]),
                output_type="np",
                **self.guidance.arguments,
                **call,
            )
        if not hasattr(result, "images"):
            raise ValueError(
                f"model.path: {self.files.pipeline} makes no images; a text-to-image one is needed"
            )
        struck = struck_by_checker([getattr(result, name, None) for name in VERDICTS], len(batch))
        note_struck(batch, struck, self.flagged)
        return to_uint8(result.images, black=struck)

    def _label(self) -> str:
        name = label_of(Path(self.settings.path))
        letter = {"cfg": "w", "distilled": "g"}.get(self.guidance.kind)
        return name if letter is None else f"{name}-{letter}{self.guidance.value:g}"

    def _identity(self) -> dict[str, Any]:
        return {
            "model.generator": "diffusers",
            "model.version": VERSION,
            "model.pipeline": self.files.pipeline,
            **self.files.identity("model"),
            **self.guidance.identity("model"),
            "model.num_steps": self.num_steps,
            **self.scheduler.identity("model"),
            **{f"model.call.{name}": value for name, value in self.call.items()},
            "model.safety_checker": "safety_checker" in self.files.components,
            "precision": self.precision,
        }


def make(settings: PipelineSettings, *, device: str, precision: str) -> DiffusersGenerator:
    """The generator; raises ValueError for a pipeline that cannot be had and settings that do not fit it."""
    return DiffusersGenerator(settings, device=device, precision=precision)


def _call_parameters(pipeline: str, call: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a pipeline's call -> their defaults, after `call` has been held against them."""
    signature = inspect.signature(class_named(pipeline, key="model.path").__call__)
    parameters = {name: found.default for name, found in signature.parameters.items() if name != "self"}
    for needed in ("prompt", "num_inference_steps", "generator"):
        if needed not in parameters:
            raise ValueError(
                f"model.path: {pipeline} is not called with {needed}; it is no text-to-image pipeline"
            )
    for name in call:
        if name in OWN_ARGUMENTS:
            raise ValueError(f"model.call.{name}: it is set by the run itself; leave it out")
        if name not in parameters:
            raise ValueError(f"model.call.{name}: {pipeline} has no such argument")
    return parameters
