"""`model.generator: deepfloyd_if`: DeepFloyd IF, the open cascade that is nearest to Imagen.

Three pipelines of diffusers in a row: text to a side of 64, 64 to 256, and Stable Diffusion's x4 upscaler to
1024. The T5 encodes every prompt once, for the first two, and is freed before they run.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbench_eval.files import digest
from drawbench_eval.generators.base import Finished, Request, in_order
from drawbench_eval.generators.folder import label_of
from drawbench_eval.generators.pipelines.batches import Batches, free_memory, to_uint8
from drawbench_eval.generators.pipelines.library import quiet
from drawbench_eval.generators.pipelines.loading import check_offload, load, place
from drawbench_eval.generators.pipelines.safety import note_struck, struck_by_checker
from drawbench_eval.generators.pipelines.stage import (
    PIPELINES,
    PixelStageSettings,
    Row,
    Stage,
    SuperResolutionSettings,
    UpscalerSettings,
)
from drawbench_eval.generators.pipelines.tokens import truncated

# Raised when the same settings and weights give other images than before.
VERSION = 1
# IF was trained on so many tokens of T5.
TEXT_LIMIT = 77


@dataclass(frozen=True, kw_only=True)
class CascadeSettings:
    """The `model` group of DeepFloyd IF. last: where the cascade ends; dtype: None follows `precision`.

    guidance_kind: there is one; it stands here so that every model's configuration says which it has.
    """

    base: PixelStageSettings
    sr64: SuperResolutionSettings
    sr256: UpscalerSettings
    last: Literal["base", "sr64", "sr256"] = "sr256"
    guidance_kind: Literal["cfg"] = "cfg"
    variant: str | None = None
    cache: Path | None = None
    safety_checker: bool = True
    dtype: Literal["float32", "bfloat16", "float16"] | None = None
    offload: Literal["none", "model"] = "none"


class DeepFloydGenerator:
    """Samples the cascade. Files are found, checked and hashed at once, and loaded for the first image.

    flagged: the ids of samples so far that the safety checker struck; they are black.
    """

    guidance_kind = "cfg"

    def __init__(self, settings: CascadeSettings, *, device: str, precision: str) -> None:
        check_offload(settings.offload, device, by_accelerate=False)
        self.settings, self.device = settings, device
        self.precision = settings.dtype or precision
        self.flagged: set[str] = set()
        names = list(PIPELINES)[: list(PIPELINES).index(settings.last) + 1]
        self.stages = [
            Stage(
                name,
                getattr(settings, name),
                variant=settings.variant,
                cache=settings.cache,
                safety_checker=settings.safety_checker,
            )
            for name in names
        ]
        base = settings.base
        self.label = f"{label_of(Path(base.path))}-w{base.guidance_weight:g}-{base.threshold}"
        self.weights = {
            file: sha256
            for stage in self.stages
            for file, sha256 in stage.files.named_weights(stage.name).items()
        }
        self.identity = self._identity()
        kinds = [
            [stage.scheduler.name, stage.settings.num_steps, stage.settings.guidance_weight == 1]
            for stage in self.stages
        ]
        self.cost_key = digest([self.weights, self.precision, kinds])

    def generate(
        self, requests: Sequence[Request], *, batch_size: int, on_image: Callable[[int], None]
    ) -> list[NDArray[np.uint8]]:
        """One RGB image [1024, 1024, 3] a request, or of the side where the cascade ends, in order."""
        return in_order(self.stream(requests, batch_size=batch_size), requests, on_image)

    def stream(self, requests: Sequence[Request], *, batch_size: int) -> Iterator[Finished]:
        """Images with their requests, batch by batch of the last stage; each stage runs over all requests."""
        if not requests:
            return
        text = self._encode([request.prompt for request in requests], batch_size)
        null = text[""]
        rows = [Row(request, text[request.prompt], None) for request in requests]
        for stage in self.stages[:-1]:
            stage.bring(device=self.device, precision=self.precision)
            images = stage.batches.all(rows, partial(stage.sample, null=null), size=batch_size)
            rows = [row._replace(low_res=image) for row, image in zip(rows, images, strict=True)]
            self._put_away(stage)
        last = self.stages[-1]
        last.bring(device=self.device, precision=self.precision)

        def finish(batch: Sequence[Row]) -> Sequence[NDArray[np.uint8]]:
            return self._checked([row.request for row in batch], last.sample(batch, null=null))

        for batch, finished in last.batches.run(rows, finish, size=batch_size):
            yield [(row.request, image) for row, image in zip(batch, finished, strict=True)]
        self._put_away(last)

    def truncated_prompts(self, prompts: Sequence[str]) -> list[int]:
        """The indices of prompts that the T5, or the upscaler's CLIP, cuts."""
        cut: set[int] = set()
        for stage in self.stages:
            # IF reads lower case.
            texts = [prompt.lower().strip() for prompt in prompts] if stage.name == "base" else prompts
            cut.update(truncated(stage.files, texts, key=stage.key, max_length=TEXT_LIMIT))
        return sorted(cut)

    def _encode(self, prompts: Sequence[str], batch_size: int) -> dict[str, Tensor]:
        """The states [77, D] of each different prompt and of the empty one, on the CPU; the T5 is freed."""
        base = self.stages[0]
        others = ("unet", "safety_checker", "feature_extractor")
        encoder = load(base.files, key=base.key, precision=self.precision, leave_out=others)
        place(encoder, key=base.key, device=self.device, offload="none")

        def encode(batch: Sequence[str]) -> Sequence[Tensor]:
            with quiet():
                states, _ = encoder.encode_prompt(list(batch), do_classifier_free_guidance=False)
            return list(states.cpu())

        different = sorted({*prompts, ""})
        states = Batches().all(different, encode, size=batch_size)
        # Frames and functions may still hold the pipeline, and it must not hold the network.
        network = weakref.ref(encoder.text_encoder)
        encoder.text_encoder = None
        if network() is not None or self.device.startswith("cuda"):
            free_memory()
        return dict(zip(different, states, strict=True))

    def _put_away(self, stage: Stage) -> None:
        if self.settings.offload == "model":
            place(stage.pipe, key=stage.key, device="cpu", offload="none")
            free_memory()

    def _checked(self, batch: Sequence[Request], images: Sequence[Tensor]) -> list[NDArray[np.uint8]]:
        """The final images in 8 bits; what the safety checker strikes is black."""
        pixels = (torch.stack(list(images)) / 2 + 0.5).permute(0, 2, 3, 1).numpy()
        base = self.stages[0].pipe
        verdicts: list[Any] = []
        if base.safety_checker is not None:
            checker = base.safety_checker
            with quiet():
                _, *verdicts = base.run_safety_checker(pixels.copy(), checker.device, checker.dtype)
        struck = struck_by_checker(verdicts, len(batch))
        note_struck(batch, struck, self.flagged)
        return to_uint8(pixels, black=struck)

    def _identity(self) -> dict[str, Any]:
        identity = {
            "model.generator": "deepfloyd_if",
            "model.version": VERSION,
            "model.guidance_kind": self.guidance_kind,
            "model.last": self.settings.last,
            "model.safety_checker": "safety_checker" in self.stages[0].files.components,
            "precision": self.precision,
        }
        for stage in self.stages:
            identity |= stage.identity()
        return identity


def make(settings: CascadeSettings, *, device: str, precision: str) -> DeepFloydGenerator:
    """The generator; raises ValueError for stages that cannot be had and settings that do not fit them."""
    return DeepFloydGenerator(settings, device=device, precision=precision)
