"""The `Generator` protocol: requests in, 8-bit images out, and everything that can change them as a value."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.files import stable_seed
from drawbench_eval.prompt import PromptSet


@dataclass(frozen=True, kw_only=True)
class Request:
    """One image to make. `seed` (63 bits) belongs to the sample, so settings are compared in pairs."""

    sample_id: str
    prompt_id: str
    prompt: str
    seed: int


Finished = Sequence[tuple[Request, NDArray[np.uint8]]]
"""Images with what they were made for."""


class Generator(Protocol):
    """Makes images. Generators of equal `identity` make the same images, whatever the batch size or device.

    identity: JSON values under flat, dotted keys, named as in the configuration (`model.guidance_weight`).
    label: a short name for folders, of letters, digits, dots and hyphens.
    guidance_kind: "cfg", "distilled" or "none".
    device, precision: where the network runs ("cpu", "cuda") and in which dtype ("float32", "bfloat16").
    cost_key: equal for two generators that take the same time for an image.
    weights: name -> sha256 of every file of weights that is read.
    """

    identity: Mapping[str, Any]
    label: str
    guidance_kind: str
    device: str
    precision: str
    cost_key: str
    weights: Mapping[str, str]

    def generate(
        self, requests: Sequence[Request], *, batch_size: int, on_image: Callable[[int], None]
    ) -> list[NDArray[np.uint8]]:
        """One RGB image [H,W,3] a request, in order; `on_image(n)` is told that n more are done."""
        ...

    def truncated_prompts(self, prompts: Sequence[str]) -> list[int]:
        """The indices of prompts longer than the text limit, which are cut."""
        ...


@runtime_checkable
class Streaming(Protocol):
    """A generator that hands over what is finished, so that a crash costs only what is not."""

    def stream(self, requests: Sequence[Request], *, batch_size: int) -> Iterator[Finished]:
        """Finished images with their requests, in any order, as soon as there are some; each once."""
        ...


@runtime_checkable
class WithProvenance(Protocol):
    """A generator that knows more of its weights than their hashes, for a run's inputs.

    provenance: "training" of one of a training's checkpoints (stage, series, step, images, flops and seconds,
    as far as they are known), and "text_facts" of a text encoder that was probed (`scenes.encoder_probe`).
    """

    @property
    def provenance(self) -> Mapping[str, Mapping[str, Any]]:
        """What is known; nothing empty."""
        ...


def in_order(
    finished: Iterable[Finished], requests: Sequence[Request], on_image: Callable[[int], None]
) -> list[NDArray[np.uint8]]:
    """What a stream hands over, as the images of the requests in their order: `generate` of a `Streaming`."""
    made: dict[str, NDArray[np.uint8]] = {}
    for batch in finished:
        made |= {request.sample_id: image for request, image in batch}
        on_image(len(batch))
    return [made[request.sample_id] for request in requests]


def requests(prompts: PromptSet, *, num_images_per_prompt: int, seed: int) -> tuple[Request, ...]:
    """`num_images_per_prompt` requests a prompt, in the order of the prompts.

    A sample's id is its prompt's id and the number of the image; its seed is a hash of (seed, prompt id,
    number). Neither depends on what else is requested, so a subset has the same images as the whole.
    """
    return tuple(
        Request(
            sample_id=f"{prompt.id}-{index:02d}",
            prompt_id=prompt.id,
            prompt=prompt.text,
            seed=stable_seed(seed, prompt.id, index),
        )
        for prompt in prompts.prompts
        for index in range(num_images_per_prompt)
    )
