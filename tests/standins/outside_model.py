"""Somebody else's model, for tests: what each request must look like, and a batch of requests."""

import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from drawbench_eval.generators.base import Request
from drawbench_eval.generators.external import ExternalGenerator
from drawbench_eval.images.decode import Pixels


def batch(count: int) -> list[Request]:
    return [
        Request(sample_id=f"p {i}/ü-00", prompt_id=f"p {i}/ü", prompt=f'"text", {i}\nü', seed=2**62 + i)
        for i in range(count)
    ]


def picture(prompt: str, seed: int, shade: int = 0, side: int | None = None) -> Pixels:
    """What every model of these tests draws."""
    shape = (6, 5, 3) if side is None else (side, side, 3)
    pixels = np.random.default_rng([seed, len(prompt)]).integers(0, 128, shape, dtype=np.uint8)
    return pixels + np.uint8(shade)


def png(pixels: Pixels) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def made(generator: ExternalGenerator, requests: Sequence[Request], batch_size: int = 2) -> list[Pixels]:
    return generator.generate(requests, batch_size=batch_size, on_image=lambda _: None)
