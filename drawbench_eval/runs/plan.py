"""What a run's samples are before they exist: made by a generator, or made elsewhere and only read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from drawbench_eval.generators.base import Request
from drawbench_eval.generators.folder import Imported
from drawbench_eval.images.decode import Pixels
from drawbench_eval.images.source import FolderSource
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.runs import generation
from drawbench_eval.runs.generation import SamplePlan
from drawbench_eval.runs.progress import Watch, show_progress
from drawbench_eval.samples import SampleSet


class Samples(Protocol):
    """Where a run's images come from.

    label: a short name for folders. guidance_kind: "cfg", "distilled" or "none". device, precision: where the
    images are computed. cost_key: equal for two that take the same time an image. weights: name -> sha256.
    remarks: what every number says of them.
    """

    @property
    def prompts(self) -> PromptSet: ...
    @property
    def num_images(self) -> int: ...
    @property
    def label(self) -> str: ...
    @property
    def guidance_kind(self) -> str: ...
    @property
    def device(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def cost_key(self) -> str: ...
    @property
    def weights(self) -> Mapping[str, str]: ...
    @property
    def remarks(self) -> Sequence[str]: ...

    def factors(self) -> dict[str, Any]:
        """Everything that can change the images, flat."""
        ...

    def sample_paths(self) -> dict[str, str]:
        """Every sample's id and its path in the set; "" for one that was never made."""
        ...

    def count_done(self, folder: Path) -> int:
        """How many images are there already."""
        ...

    def count_pending(self, folder: Path) -> int:
        """How many images an unfinished run still has to make, or else to read."""
        ...

    def make(
        self, folder: Path, *, made_by: Mapping[str, Any], title: str, watch: Watch | None = None
    ) -> tuple[SampleSet, int]:
        """The sample set in `folder`, and how many of its images were made now."""
        ...

    def truncated_prompts(self) -> list[str]:
        """The ids of prompts that were cut."""
        ...

    def try_out(self, count: int) -> tuple[list[Pixels], list[Prompt], int]:
        """About `count` images as the run will have them, their prompts, and their bytes on disk."""
        ...


@dataclass(frozen=True, kw_only=True)
class GeneratedSamples:
    """Images that a generator makes into the run's folder."""

    plan: SamplePlan

    remarks = ()

    @property
    def prompts(self) -> PromptSet:
        return self.plan.prompts

    @property
    def num_images(self) -> int:
        return self.plan.num_images

    @property
    def label(self) -> str:
        return self.plan.generator.label

    @property
    def guidance_kind(self) -> str:
        return self.plan.generator.guidance_kind

    @property
    def device(self) -> str:
        return self.plan.generator.device

    @property
    def precision(self) -> str:
        return self.plan.generator.precision

    @property
    def cost_key(self) -> str:
        return self.plan.generator.cost_key

    @property
    def weights(self) -> Mapping[str, str]:
        return self.plan.generator.weights

    def factors(self) -> dict[str, Any]:
        """The generator's identity, the prompts and the seeds."""
        return {
            **self.plan.generator.identity,
            "prompts.name": self.prompts.name,
            "prompts.sha256": self.prompts.sha256,
            "seed": self.plan.seed,
            "num_images_per_prompt": self.plan.num_images_per_prompt,
        }

    def sample_paths(self) -> dict[str, str]:
        """Ids and the names that images will have."""
        ids = [request.sample_id for request in self.plan.requests]
        return {sample_id: generation.image_name(sample_id) for sample_id in ids}

    def count_done(self, folder: Path) -> int:
        """How many images are there already."""
        return generation.count_done(self.plan, folder)

    def count_pending(self, folder: Path) -> int:
        """How many images are still to be made."""
        return self.num_images - self.count_done(folder)

    def make(
        self, folder: Path, *, made_by: Mapping[str, Any], title: str, watch: Watch | None = None
    ) -> tuple[SampleSet, int]:
        """Makes what is missing, with progress."""
        there, said = self.count_done(folder), f"{title}: generating"
        with show_progress(said, total=self.num_images, done=there, watch=watch) as advance:
            samples = generation.generate(self.plan, folder, made_by=made_by, advance=advance)
        return samples, self.num_images - there

    def truncated_prompts(self) -> list[str]:
        """The ids of prompts that the generator cuts."""
        return generation.truncated(self.plan)

    def try_out(self, count: int) -> tuple[list[Pixels], list[Prompt], int]:
        """Images of requests spread over the plan. The first call loads the weights."""
        requests: Sequence[Request] = generation.calibration_requests(self.plan, min(count, self.num_images))
        by_id = {prompt.id: prompt for prompt in self.prompts.prompts}
        size = min(self.plan.batch_size, len(requests))
        images = self.plan.generator.generate(requests, batch_size=size, on_image=lambda _: None)
        prompts = [by_id[request.prompt_id] for request in requests]
        return images, prompts, sum(map(generation.png_bytes, images))


@dataclass(frozen=True, kw_only=True)
class ImportedSamples:
    """Images that somebody else made: they stay where they are, and the run's folder gets their manifest."""

    imported: Imported
    label: str
    guidance_kind: str

    device = "none"
    precision = "none"
    cost_key = "folder"
    weights: Mapping[str, str] = field(default_factory=dict)

    @property
    def prompts(self) -> PromptSet:
        return self.imported.prompts

    @property
    def num_images(self) -> int:
        return len(self.imported.samples.samples)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Images of no prompt that were left out."""
        strangers = len(self.imported.strangers)
        return (f"images without prompt were left out: {strangers}",) if strangers else ()

    def factors(self) -> dict[str, Any]:
        """What the images show, by content."""
        return {
            "model.generator": "folder",
            "model.guidance_kind": self.guidance_kind,
            "model.samples_sha256": self.imported.sha256,
            "prompts.name": self.prompts.name,
            "prompts.sha256": self.prompts.sha256,
        }

    def sample_paths(self) -> dict[str, str]:
        """Ids and paths as they were found."""
        return {sample.sample_id: sample.path for sample in self.imported.samples.samples}

    def count_done(self, folder: Path) -> int:  # noqa: ARG002  (they are elsewhere)
        """All images that there are."""
        return sum(bool(sample.path) for sample in self.imported.samples.samples)

    def count_pending(self, folder: Path) -> int:  # noqa: ARG002
        """All images: they are still to be read and scored."""
        return self.num_images

    def make(
        self,
        folder: Path,
        *,
        made_by: Mapping[str, Any],
        title: str,  # noqa: ARG002
        watch: Watch | None = None,  # noqa: ARG002
    ) -> tuple[SampleSet, int]:
        """Writes the manifest."""
        found = self.imported.samples
        source = found.source if found.source is not None else FolderSource(found.folder)
        samples = replace(found, folder=folder, source=source)
        ignored, strangers = list(self.imported.ignored), list(self.imported.strangers)
        samples.save({**made_by, "ignored_images": ignored, "images_without_prompt": strangers})
        return samples, 0

    def truncated_prompts(self) -> list[str]:
        """Not known of images made elsewhere."""
        return []

    def try_out(self, count: int) -> tuple[list[Pixels], list[Prompt], int]:
        """The first images that can be read."""
        by_id = {prompt.id: prompt for prompt in self.prompts.prompts}
        images: list[Pixels] = []
        prompts: list[Prompt] = []
        for sample in self.imported.samples.samples:
            if len(images) == count:
                break
            found = self.imported.samples.load(sample)
            if found.image is not None:
                images.append(found.image)
                prompts.append(by_id[sample.prompt_id])
        return images, prompts, 0
