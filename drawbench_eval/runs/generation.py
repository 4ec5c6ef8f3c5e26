"""Requests -> a sample set on disk, in fixed chunks: each is there as a whole or is made again.

Of a generator that hands over images as they are finished, a started chunk keeps what was finished.
"""

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drawbench_eval.generators.base import Generator, Request, Streaming, requests
from drawbench_eval.generators.staged import Staged, make_in_stages
from drawbench_eval.prompt import PromptSet
from drawbench_eval.runs.chunks import Chunk, ChunkRecord, done_record, finished_part, image_name, split
from drawbench_eval.runs.progress import Advance
from drawbench_eval.runs.same_chunks import chunk_key, remember, take
from drawbench_eval.samples import Sample, SampleSet, save_image
from drawbench_eval.store import Store


@dataclass(frozen=True, kw_only=True)
class SamplePlan:
    """Which images to make: every prompt, `num_images_per_prompt` times, with seeds derived from `seed`.

    store: where each stage's images are kept and looked for, of a generator that has stages; None keeps none.
    keep_last: whether those of the last stage are. index: where chunks of other runs are found, if at all.
    in_rounds: whether the first image of all prompts comes before the second of any, in chunks of their own,
    so that a smaller number of images is a beginning of a larger one.
    """

    generator: Generator
    prompts: PromptSet
    num_images_per_prompt: int
    seed: int
    batch_size: int
    store: Store | None = None
    keep_last: bool = True
    index: Path | None = None
    in_rounds: bool = False

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests, in the order of the prompts, or of the rounds."""
        return tuple(request for one in self.rounds for request in one)

    @property
    def rounds(self) -> list[tuple[Request, ...]]:
        """The requests of each round; all in one where the plan is not in rounds."""
        number = self.num_images_per_prompt
        every = requests(self.prompts, num_images_per_prompt=number, seed=self.seed)
        return [every[index::number] for index in range(number)] if self.in_rounds else [every]

    @property
    def num_images(self) -> int:
        """How many images the plan asks for."""
        return len(self.prompts.prompts) * self.num_images_per_prompt

    @property
    def made_on(self) -> str:
        """The class of the device, and whether the network is compiled: "cpu", "cuda", "cuda, compiled"."""
        compiled = ", compiled" if getattr(self.generator, "compiled", False) else ""
        return self.generator.device.partition(":")[0] + compiled


def chunks(plan: SamplePlan, folder: Path) -> list[Chunk]:
    """The plan in pieces; records lie in `folder`/.chunks."""
    if not plan.in_rounds:
        return split(plan.requests, folder)
    return [
        chunk for number, one in enumerate(plan.rounds) for chunk in split(one, folder, name=f"{number:03d}-")
    ]


def count_done(plan: SamplePlan, folder: Path) -> int:
    """How many images of the plan are there already."""
    return sum(
        len(chunk.requests) if done_record(chunk, folder) else len(finished_part(chunk, folder).sha256)
        for chunk in chunks(plan, folder)
    )


def generate(plan: SamplePlan, folder: Path, *, made_by: Mapping[str, Any], advance: Advance) -> SampleSet:
    """Make what is missing in `folder`, then manifest.csv and set.json. `advance(n)`: n more are made."""
    return write_set(plan, folder, fill(plan, folder, advance=advance), made_by=made_by)


def write_set(
    plan: SamplePlan, folder: Path, records: Sequence[ChunkRecord], *, made_by: Mapping[str, Any]
) -> SampleSet:
    """manifest.csv and set.json of a plan whose chunks are all there."""
    hashes = {key: value for record in records for key, value in record.sha256.items()}
    samples = list(_samples(plan, hashes))
    return SampleSet.write(folder, samples, {**made_by, "made_on": made_on(records)})


def made_on(records: Sequence[ChunkRecord]) -> list[str]:
    """The classes of device that the images were made on; more than one is a mixture."""
    return sorted({one for record in records for one in record.made_on})


def fill(
    plan: SamplePlan, folder: Path, *, advance: Advance, rank: int = 0, ranks: int = 1
) -> list[ChunkRecord]:
    """Make the chunks that are missing in `folder`; of several processes each every `ranks`-th one.

    What is computed together is the chunk, whoever makes it, so the number of processes changes no image.
    """
    mine = chunks(plan, folder)[rank::ranks]
    return [done_record(chunk, folder) or _make(chunk, plan, folder, advance) for chunk in mine]


def _make(chunk: Chunk, plan: SamplePlan, folder: Path, advance: Advance) -> ChunkRecord:
    if plan.index is None:
        return _make_anew(chunk, plan, folder, advance)
    key = chunk_key(plan.generator.identity, plan.made_on, chunk)
    record = take(plan.index, key, chunk, folder)
    if record is not None:
        chunk.part.unlink(missing_ok=True)
        advance(len(chunk.requests))
        return record
    record = _make_anew(chunk, plan, folder, advance)
    remember(plan.index, key, chunk, folder)
    return record


def _make_anew(chunk: Chunk, plan: SamplePlan, folder: Path, advance: Advance) -> ChunkRecord:
    if isinstance(plan.generator, Streaming):
        record = _make_bit_by_bit(plan.generator, chunk, plan, folder, advance)
    elif plan.store is not None and isinstance(plan.generator, Staged):
        staged = make_in_stages(
            plan.generator,
            chunk.requests,
            batch_size=plan.batch_size,
            store=plan.store,
            keep_last=plan.keep_last,
            on_image=advance,
        )
        hashes = _save(list(zip(chunk.requests, staged.images, strict=True)), folder)
        record = ChunkRecord(sha256=hashes, made_on=(plan.made_on,), store=staged.entries)
    else:
        made = plan.generator.generate(chunk.requests, batch_size=plan.batch_size, on_image=advance)
        assert len(made) == len(chunk.requests), "a generator gives one image a request"
        hashes = _save(list(zip(chunk.requests, made, strict=True)), folder)
        record = ChunkRecord(sha256=hashes, made_on=(plan.made_on,))
    record.write(chunk.record)
    chunk.part.unlink(missing_ok=True)
    return record


def _make_bit_by_bit(
    generator: Streaming, chunk: Chunk, plan: SamplePlan, folder: Path, advance: Advance
) -> ChunkRecord:
    before = finished_part(chunk, folder)
    hashes, made_on = dict(before.sha256), tuple(dict.fromkeys([*before.made_on, plan.made_on]))
    left = [request for request in chunk.requests if request.sample_id not in hashes]
    for finished in generator.stream(left, batch_size=plan.batch_size):
        hashes |= _save(finished, folder)
        ChunkRecord(sha256=hashes, made_on=made_on).write(chunk.part)
        advance(len(finished))
    assert len(hashes) == len(chunk.requests), "a generator gives one image a request"
    in_order = {request.sample_id: hashes[request.sample_id] for request in chunk.requests}
    return ChunkRecord(sha256=in_order, made_on=made_on if left else before.made_on)


def _save(finished: Sequence[tuple[Request, NDArray[np.uint8]]], folder: Path) -> dict[str, str]:
    return {
        request.sample_id: save_image(folder / image_name(request.sample_id), image)
        for request, image in finished
    }


def _samples(plan: SamplePlan, hashes: Mapping[str, str]) -> Iterator[Sample]:
    categories = {prompt.id: prompt.category for prompt in plan.prompts.prompts}
    for request in plan.requests:
        yield Sample(
            sample_id=request.sample_id,
            prompt_id=request.prompt_id,
            prompt=request.prompt,
            category=categories[request.prompt_id],
            seed=request.seed,
            path=image_name(request.sample_id),
            sha256=hashes[request.sample_id],
        )


def truncated(plan: SamplePlan) -> list[str]:
    """The ids of prompts that the generator cuts."""
    prompts = plan.prompts.prompts
    return [prompts[index].id for index in plan.generator.truncated_prompts([p.text for p in prompts])]


def png_bytes(image: NDArray[np.uint8]) -> int:
    """How many bytes an image takes on disk."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    return buffer.tell()


def calibration_requests(plan: SamplePlan, count: int) -> Sequence[Request]:
    """`count` requests spread over the plan."""
    every = plan.requests
    step = max(len(every) // count, 1)
    return every[::step][:count]
