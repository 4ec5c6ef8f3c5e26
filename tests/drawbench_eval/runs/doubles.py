"""A generator and a metric that need no weights: images are made of the seed and the settings alone."""

import os
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drawbench_eval.generators import Request
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.metrics.base import EvalMetric, MetricResult
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.runs.generation import SamplePlan
from drawbench_eval.runs.plan import GeneratedSamples
from drawbench_eval.runs.runner import RunPlan
from imagen_ref.samplers import SamplerSettings

Pixels = NDArray[np.uint8]


class Killed(BaseException):
    """Stands for SIGKILL: no `except Exception` sees it."""


@dataclass
class DoubleGenerator:
    weight: float = 1.0
    threshold: str = "none"
    fail_after: int | None = None
    error: type[BaseException] = Killed
    takes_its_process_along: bool = False
    batches: list[list[str]] = field(default_factory=list)
    guidance_kind: str = "none"
    device: str = "cpu"
    precision: str = "float32"
    weights: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> Mapping[str, Any]:
        return {
            "model.generator": "double",
            "model.guidance_weight": self.weight,
            "model.threshold": self.threshold,
        }

    @property
    def label(self) -> str:
        return f"double-w{self.weight:g}"

    @property
    def cost_key(self) -> str:
        return "unguided" if self.weight == 1 else "guided"

    @property
    def made(self) -> int:
        return sum(map(len, self.batches))

    def generate(
        self, requests: Sequence[Request], *, batch_size: int, on_image: Callable[[int], None]
    ) -> list[Pixels]:
        images: list[Pixels] = []
        if "CALLS" in os.environ:
            with Path(os.environ["CALLS"]).open("a") as calls:
                calls.write(f"{self.weight:g} {len(requests)}\n")
        for start in range(0, len(requests), batch_size):
            batch = requests[start : start + batch_size]
            if self.takes_its_process_along:
                os.kill(os.getpid(), signal.SIGKILL)
            if self.fail_after is not None and self.made + len(batch) > self.fail_after:
                raise self.error("the generator stops here")
            self.batches.append([request.sample_id for request in batch])
            images += [self._image(request) for request in batch]
            on_image(len(batch))
        return images

    def truncated_prompts(self, prompts: Sequence[str]) -> list[int]:
        return [index for index, prompt in enumerate(prompts) if len(prompt) > 20]

    def _image(self, request: Request) -> Pixels:
        rng = np.random.default_rng(request.seed)
        return rng.integers(0, round(100 + 10 * self.weight), (4, 4, 3), dtype=np.uint8)


class Brightness(EvalMetric):
    """The mean pixel value, an interval of width 2."""

    name = "brightness"
    version = 1
    unit = "level"
    higher_is_better = True

    levels: list[Tensor]

    def __init__(self, prompt_set: PromptSet) -> None:
        super().__init__(prompt_set=prompt_set, conditions={})
        self.add_state("levels", default=[], dist_reduce_fx="cat")

    def score(self, images: Sequence[Pixels | None], prompts: Sequence[Prompt]) -> None:
        levels = [float("nan") if image is None else float(image.mean()) for image in images]
        self.levels.append(torch.tensor(levels, dtype=torch.float64))

    def compute(self) -> MetricResult:
        levels = torch.cat(self.levels).numpy()
        there = levels[~np.isnan(levels)]
        value = float(there.mean())
        return MetricResult(self.value(value, (value - 1, value + 1), len(there)), {"brightness": levels})

    def protocol_values(self) -> Mapping[str, Any]:
        return {"extractor": "eye"}


def prompt_set(count: int = 125) -> PromptSet:
    prompts = tuple(Prompt(id=f"p{n:03d}", text=f"text {n}", category=f"c{n % 2}") for n in range(count))
    return PromptSet(name="numbers", prompts=prompts)


def sample_plan(generator: DoubleGenerator, *, count: int = 125, batch_size: int = 8) -> SamplePlan:
    return SamplePlan(
        generator=generator,
        prompts=prompt_set(count),
        num_images_per_prompt=2,
        seed=5,
        batch_size=batch_size,
    )


def run_plan(results: Path, generator: DoubleGenerator, *, label: str = "mine", count: int = 125) -> RunPlan:
    samples = sample_plan(generator, count=count)
    return RunPlan(
        label=label,
        samples=GeneratedSamples(plan=samples),
        preparation=Preparation(),
        metrics={"brightness": Brightness(samples.prompts)},
        factors={**generator.identity, "seed": 5},
        inputs={"prompts": {"name": "numbers", "sha256": samples.prompts.sha256}},
        config={"seed": 5},
        results=results,
    )


def tree(folder: Path) -> dict[str, bytes]:
    """Every file under `folder` by its relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


@dataclass(frozen=True, kw_only=True)
class DoubleSettings:
    """Takes the `model` group of the packaged model: the command line can be tried without weights."""

    path: str
    text_encoder: str
    base: SamplerSettings
    sr64: SamplerSettings
    sr256: SamplerSettings | None = None
    last: str | None = None
    one_at_a_time: bool = False
    low_res_seed: int | None = None
    checkpoint: str | None = None


def make(settings: DoubleSettings, *, device: str, precision: str) -> DoubleGenerator:
    """Weight 13 is a model that breaks, or does not where HEALED is set; 14 one that is killed."""
    weight = settings.base.guidance_weight
    return DoubleGenerator(
        weight=weight,
        threshold=settings.base.threshold,
        device=device,
        precision=precision,
        fail_after=0 if weight == 13 and "HEALED" not in os.environ else None,
        takes_its_process_along=weight == 14,
        error=RuntimeError,
    )
