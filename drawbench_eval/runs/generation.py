"""Requests -> a sample set on disk, in fixed chunks: each is there as a whole or is made again.

Of a generator that hands over images as they are finished, a started chunk keeps what was finished.
"""

import io
import json
import re
import urllib.parse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drawbench_eval.files import digest, sha256_file, write_json
from drawbench_eval.generators.base import Generator, Request, Streaming, requests
from drawbench_eval.generators.staged import Staged, make_in_stages
from drawbench_eval.prompt import PromptSet
from drawbench_eval.runs.progress import Advance
from drawbench_eval.samples import Sample, SampleSet, save_image
from drawbench_eval.store import Store

# What is computed together must not depend on the batch size or on where a run was interrupted: a batch never
# reaches over the end of a chunk. Changing this number changes bytes within rounding.
CHUNK_SIZE = 100


@dataclass(frozen=True, kw_only=True)
class SamplePlan:
    """Which images to make: every prompt, `num_images_per_prompt` times, with seeds derived from `seed`.

    store: where each stage's images are kept and looked for, of a generator that has stages; None keeps none.
    """

    generator: Generator
    prompts: PromptSet
    num_images_per_prompt: int
    seed: int
    batch_size: int
    store: Store | None = None

    @property
    def requests(self) -> tuple[Request, ...]:
        """All requests, in the order of the prompts."""
        return requests(self.prompts, num_images_per_prompt=self.num_images_per_prompt, seed=self.seed)

    @property
    def num_images(self) -> int:
        """How many images the plan asks for."""
        return len(self.prompts.prompts) * self.num_images_per_prompt


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Requests that are made together, and where their record lies."""

    requests: tuple[Request, ...]
    record: Path

    @property
    def part(self) -> Path:
        """Where the record of a started chunk lies."""
        return self.record.with_suffix(".part.json")


def chunks(plan: SamplePlan, folder: Path) -> list[Chunk]:
    """The plan in pieces of CHUNK_SIZE; records lie in `folder`/.chunks."""
    every = plan.requests
    return [
        Chunk(
            requests=every[start : start + CHUNK_SIZE],
            record=folder / ".chunks" / f"{start // CHUNK_SIZE:05d}.json",
        )
        for start in range(0, len(every), CHUNK_SIZE)
    ]


def done_record(chunk: Chunk, folder: Path) -> Mapping[str, Any] | None:
    """The chunk's record when every image that it lists is there with the recorded hash, else None."""
    record = _read(chunk.record)
    wanted = {request.sample_id for request in chunk.requests}
    if record is None or set(record["sha256"]) != wanted or _there(record, folder) != record["sha256"]:
        return None
    return record


def finished_part(chunk: Chunk, folder: Path) -> Mapping[str, str]:
    """Sample id -> hash of the images of a started chunk that are there."""
    record = _read(chunk.part)
    wanted = {request.sample_id for request in chunk.requests}
    there = _there(record, folder) if record else {}
    return {sample_id: sha256 for sample_id, sha256 in there.items() if sample_id in wanted}


def _read(path: Path) -> Mapping[str, Any] | None:
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        hashes = {str(key): str(value) for key, value in record["sha256"].items()}
        return {"sha256": hashes, "made_on": record.get("made_on")}
    except (json.JSONDecodeError, UnicodeDecodeError, KeyError, AttributeError, TypeError):
        # A damaged record is a chunk that is not done.
        return None


def _there(record: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """What a record lists, as far as it is there with the recorded hash."""
    paths = {sample_id: folder / image_name(sample_id) for sample_id in record["sha256"]}
    return {
        sample_id: sha256
        for sample_id, sha256 in record["sha256"].items()
        if paths[sample_id].exists() and sha256_file(paths[sample_id]) == sha256
    }


def count_done(plan: SamplePlan, folder: Path) -> int:
    """How many images of the plan are there already."""
    return sum(
        len(chunk.requests) if done_record(chunk, folder) else len(finished_part(chunk, folder))
        for chunk in chunks(plan, folder)
    )


def generate(plan: SamplePlan, folder: Path, *, made_by: Mapping[str, Any], advance: Advance) -> SampleSet:
    """Make what is missing in `folder`, then manifest.csv and set.json. `advance(n)`: n more are made."""
    records = [
        done_record(chunk, folder) or _make(chunk, plan, folder, advance) for chunk in chunks(plan, folder)
    ]
    hashes = {key: value for record in records for key, value in record["sha256"].items()}
    made_on = sorted({str(record["made_on"]) for record in records})
    samples = list(_samples(plan, hashes))
    return SampleSet.write(folder, samples, {**made_by, "made_on": made_on})


def _make(chunk: Chunk, plan: SamplePlan, folder: Path, advance: Advance) -> Mapping[str, Any]:
    entries: tuple[str, ...] = ()
    if isinstance(plan.generator, Streaming):
        hashes = _make_bit_by_bit(plan.generator, chunk, plan, folder, advance)
    elif plan.store is not None and isinstance(plan.generator, Staged):
        staged = make_in_stages(
            plan.generator, chunk.requests, batch_size=plan.batch_size, store=plan.store, on_image=advance
        )
        entries = staged.entries
        hashes = _save(list(zip(chunk.requests, staged.images, strict=True)), folder)
    else:
        made = plan.generator.generate(chunk.requests, batch_size=plan.batch_size, on_image=advance)
        assert len(made) == len(chunk.requests), "a generator gives one image a request"
        hashes = _save(list(zip(chunk.requests, made, strict=True)), folder)
    record = {"sha256": hashes, "made_on": plan.generator.device}
    # What the store must not lose while these samples are there.
    write_json(chunk.record, {**record, **({"store": list(entries)} if entries else {})})
    chunk.part.unlink(missing_ok=True)
    return record


def _make_bit_by_bit(
    generator: Streaming, chunk: Chunk, plan: SamplePlan, folder: Path, advance: Advance
) -> dict[str, str]:
    hashes = dict(finished_part(chunk, folder))
    left = [request for request in chunk.requests if request.sample_id not in hashes]
    for finished in generator.stream(left, batch_size=plan.batch_size):
        hashes |= _save(finished, folder)
        write_json(chunk.part, {"sha256": hashes, "made_on": plan.generator.device})
        advance(len(finished))
    assert len(hashes) == len(chunk.requests), "a generator gives one image a request"
    return {request.sample_id: hashes[request.sample_id] for request in chunk.requests}


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


def image_name(sample_id: str) -> str:
    """The file name of a sample: its id where that is safe and short, else an escaped and hashed one."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", sample_id):
        return f"{sample_id}.png"
    escaped = urllib.parse.quote(sample_id, safe="").replace(".", "%2E")
    return f"{escaped[:60]}-{digest(sample_id)[:10]}.png"


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
