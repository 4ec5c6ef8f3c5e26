"""What a run's samples are before they exist: made by a generator, or made elsewhere and only read."""

import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from drawbench_eval.files import digest
from drawbench_eval.generators.base import WithProvenance
from drawbench_eval.generators.folder import Imported
from drawbench_eval.generators.staged import TEXT, StageCost, Staged, try_stages
from drawbench_eval.images.decode import Pixels
from drawbench_eval.images.source import FolderSource
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.runs import generation, keeping
from drawbench_eval.runs.chunks import image_name
from drawbench_eval.runs.generation import SamplePlan
from drawbench_eval.runs.keeping import Keep
from drawbench_eval.runs.progress import Advance, Watch, show_progress
from drawbench_eval.samples import SampleSet

# The only unit of images that are not kept by stages.
ALL = "images"


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A few images, their prompts, their bytes on disk, and what each unit took and keeps in the store."""

    images: list[Pixels]
    prompts: list[Prompt]
    num_bytes: int
    costs: Mapping[str, StageCost]


@dataclass(frozen=True, kw_only=True)
class Made:
    """The sample set in a run's folder, how many of its images were made now, and what to say of them."""

    samples: SampleSet
    num_made: int
    remarks: Sequence[str] = ()


class Samples(Protocol):
    """Where a run's images come from.

    label: a short name for folders. guidance_kind: "cfg", "distilled" or "none". device, precision: where the
    images are computed. cost_key: equal for two that take the same time an image. weights: name -> sha256.
    remarks: what every number says of them. provenance: what else is known of the weights, see
    `generators.base.WithProvenance`.
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
    @property
    def provenance(self) -> Mapping[str, Mapping[str, Any]]: ...

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
    ) -> Made:
        """The sample set in `folder`."""
        ...

    def rounds(self) -> "Sequence[Samples]":
        """The samples after one image a prompt, after two, ...; the last are all. Without rounds: all."""
        ...

    def remove_others(self, folder: Path) -> None:
        """Removes the images in `folder` that need not stay once they are scored."""
        ...

    def truncated_prompts(self) -> list[str]:
        """The ids of prompts that were cut."""
        ...

    def units(self) -> Mapping[str, str]:
        """What images are made in, in order: stage -> digest of all that goes into its images.

        Of runs that share a stage's digest the first one makes its images.
        """
        ...

    def try_out(self, count: int) -> Trial:
        """About `count` images as the run will have them, kept nowhere and found nowhere."""
        ...


@dataclass(frozen=True, kw_only=True)
class GeneratedSamples:
    """Images that a generator makes into the run's folder.

    keep: which of them stay. fill: makes chunks of the plan in the folder ahead, in other processes, and
    tells of the images; what it leaves out is made here.
    """

    plan: SamplePlan
    keep: Keep = "all"
    fill: Callable[[SamplePlan, Path, Advance], None] | None = None

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

    @property
    def provenance(self) -> Mapping[str, Mapping[str, Any]]:
        generator = self.plan.generator
        return generator.provenance if isinstance(generator, WithProvenance) else {}

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
        return {sample_id: image_name(sample_id) for sample_id in ids}

    def count_done(self, folder: Path) -> int:
        """How many images are there already."""
        return generation.count_done(self.plan, folder)

    def count_pending(self, folder: Path) -> int:
        """How many images are still to be made."""
        return self.num_images - self.count_done(folder)

    def make(
        self, folder: Path, *, made_by: Mapping[str, Any], title: str, watch: Watch | None = None
    ) -> Made:
        """Makes what is missing, with progress."""
        there, said = self.count_done(folder), f"{title}: generating"
        with show_progress(said, total=self.num_images, done=there, watch=watch) as advance:
            if self.fill is not None and there < self.num_images:
                self.fill(self.plan, folder, advance)
            records = generation.fill(self.plan, folder, advance=advance)
        samples = generation.write_set(self.plan, folder, records, made_by=made_by)
        on = generation.made_on(records)
        mixed = [f"images were made on unlike devices: {' and '.join(on)}"] if len(on) > 1 else []
        return Made(samples=samples, num_made=self.num_images - there, remarks=mixed)

    def rounds(self) -> "list[GeneratedSamples]":
        """A plan in rounds as its beginnings, the shortest first; else this one alone."""
        if not self.plan.in_rounds:
            return [self]
        numbers = range(1, self.plan.num_images_per_prompt + 1)
        return [replace(self, plan=replace(self.plan, num_images_per_prompt=number)) for number in numbers]

    def remove_others(self, folder: Path) -> None:
        """Removes what `keep` does not name."""
        keeping.remove_others(folder, self.prompts, self.keep)

    def truncated_prompts(self) -> list[str]:
        """The ids of prompts that the generator cuts."""
        return generation.truncated(self.plan)

    def units(self) -> Mapping[str, str]:
        """The text and every stage, of a generator whose stages are kept; else one of the run's own."""
        generator = self.plan.generator
        if self.plan.store is None or not isinstance(generator, Staged):
            return {ALL: digest(self.factors())}
        stages = generator.stage_settings
        encoders = {name: sha256 for name, sha256 in generator.weights.items() if name not in stages}
        made = digest([self.prompts.sha256, encoders])
        units = {TEXT: made}
        made = digest([made, self.plan.seed, self.plan.num_images_per_prompt])
        for stage, settings in stages.items():
            made = digest([made, settings])
            units[stage] = made
        return units

    def try_out(self, count: int) -> Trial:
        """Images of requests spread over the plan. The first call loads the weights.

        Their seeds are drawn anew, so that nothing which depends on the images is found in a store.
        """
        wanted = generation.calibration_requests(self.plan, min(count, self.num_images))
        requests = [replace(request, seed=secrets.randbits(63)) for request in wanted]
        by_id = {prompt.id: prompt for prompt in self.prompts.prompts}
        generator, size = self.plan.generator, min(self.plan.batch_size, len(requests))
        share = keeping.share_kept(self.prompts, self.keep)
        started = time.monotonic()
        if ALL in self.units():
            images = generator.generate(requests, batch_size=size, on_image=lambda _: None)
            costs = {ALL: StageCost(seconds=time.monotonic() - started, num_bytes=0)}
        else:
            assert isinstance(generator, Staged)
            images, costs = try_stages(generator, requests, batch_size=size)
        return Trial(
            images=images,
            prompts=[by_id[request.prompt_id] for request in requests],
            num_bytes=round(share * sum(map(generation.png_bytes, images))),
            costs=costs if self.plan.keep_last else _without_last_bytes(costs),
        )


def _without_last_bytes(costs: Mapping[str, StageCost]) -> dict[str, StageCost]:
    """The costs where the last stage's images are not kept in the store."""
    last = list(costs)[-1]
    return {name: replace(cost, num_bytes=0) if name == last else cost for name, cost in costs.items()}


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
    provenance: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

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
    ) -> Made:
        """Writes the manifest."""
        found = self.imported.samples
        source = found.source if found.source is not None else FolderSource(found.folder)
        samples = replace(found, folder=folder, source=source)
        ignored, strangers = list(self.imported.ignored), list(self.imported.strangers)
        samples.save({**made_by, "ignored_images": ignored, "images_without_prompt": strangers})
        return Made(samples=samples, num_made=0)

    def rounds(self) -> "list[ImportedSamples]":
        """All of them."""
        return [self]

    def remove_others(self, folder: Path) -> None:
        """Nothing: they are somebody else's."""

    def truncated_prompts(self) -> list[str]:
        """Not known of images made elsewhere."""
        return []

    def units(self) -> Mapping[str, str]:
        """None: nothing is made."""
        return {}

    def try_out(self, count: int) -> Trial:
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
        return Trial(images=images, prompts=prompts, num_bytes=0, costs={})
