"""A sweep of `model.aug_level` on the packaged model, with its stages kept in a store and without.

    python benchmarks/shared_base.py [--images 24] [--write]

Both sides sample the same points in turn, each point by a generator of its own as a sweep's points are, and
their images must be equal byte for byte.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tables import machine, show, table

from drawbench_eval.generators.base import Request
from drawbench_eval.generators.imagen import ImagenGenerator, ImagenSettings, make
from drawbench_eval.generators.staged import make_in_stages
from drawbench_eval.store import Store, contents
from imagen_ref.samplers import SamplerSettings

AUG_LEVELS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
BATCH = 8
Images = list[NDArray[np.uint8]]


def main() -> None:
    """Times both sides and prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--images", type=int, default=24)
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    requests = _requests(options.images)
    _without(_generator(0.0), requests[:BATCH])
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        plain, plain_s = _sweep(_without, requests)
        shared, shared_s = _sweep(lambda generator, asked: _with(generator, asked, store), requests)
        kept = {kind.kind: kind for kind in contents(store.folder)}
    assert all(np.array_equal(a, b) for a, b in zip(plain, shared, strict=True)), "the images differ"
    ratio = sum(plain_s) / sum(shared_s)
    rows = [
        [f"{level:g}", f"{without:.2f}", f"{with_store:.2f}"]
        for level, without, with_store in zip(AUG_LEVELS, plain_s, shared_s, strict=True)
    ]
    rows.append(["all", f"{sum(plain_s):.2f}", f"{sum(shared_s):.2f}"])
    title = (
        "# A sweep of six augmentation levels, its base sampled once\n\n"
        f"`python benchmarks/shared_base.py --images {options.images} --write`: `model=scenes` at its\n"
        f"defaults, {options.images} images a point, float32; core seconds a point. {len(plain)} images\n"
        "equal byte for byte."
    )
    sizes = ", ".join(
        f"{kind} {one.num_files} files of {one.num_bytes / 1e6:.2f} MB" for kind, one in kept.items()
    )
    end = f"**{ratio:.2f} times faster.** Kept: {sizes}."
    header = ["aug_level", "without a store", "with one"]
    show("shared_base", title, machine(), table(header, rows), end, write=options.write)


def _sweep(
    sample: Callable[[ImagenGenerator, Sequence[Request]], Images], requests: Sequence[Request]
) -> tuple[Images, list[float]]:
    """All images of all points, and the seconds of a core that each took."""
    images: Images = []
    seconds = []
    for level in AUG_LEVELS:
        # Of the process: nothing is waited for, and other programs do not count.
        started = time.process_time()
        images += sample(_generator(level), requests)
        seconds.append(time.process_time() - started)
    return images, seconds


def _without(generator: ImagenGenerator, requests: Sequence[Request]) -> Images:
    return generator.generate(requests, batch_size=BATCH, on_image=lambda _n: None)


def _with(generator: ImagenGenerator, requests: Sequence[Request], store: Store) -> Images:
    made = make_in_stages(generator, requests, batch_size=BATCH, store=store, on_image=lambda _n: None)
    return made.images


def _generator(aug_level: float) -> ImagenGenerator:
    """The defaults of conf/model/scenes.yaml."""
    settings = ImagenSettings(
        path="scenes",
        text_encoder="t5_middle",
        base=SamplerSettings(guidance_weight=3.0, sampler="ddpm", num_steps=16),
        sr64=SamplerSettings(guidance_weight=1.0, sampler="ddpm", num_steps=8, aug_level=aug_level),
    )
    return make(settings, device="cpu", precision="float32")


def _requests(count: int) -> list[Request]:
    prompts = ("a red circle", "a blue square above a green ring", "two yellow stars", "a large cross")
    return [
        Request(sample_id=f"{n}", prompt_id=f"{n}", prompt=prompts[n % len(prompts)], seed=n)
        for n in range(count)
    ]


if __name__ == "__main__":
    main()
