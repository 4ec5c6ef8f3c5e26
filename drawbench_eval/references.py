"""Reference sets: the images that a Frechet distance is measured against, and their features."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.features.bank import FeatureSource, Handles, blocks, content_key
from drawbench_eval.files import digest, sha256_bytes, stable_seed
from drawbench_eval.images.decode import decode
from drawbench_eval.images.loading import load_ahead
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.images.source import open_source
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.protocol import Scalar
from drawbench_eval.stats.moments import Moments
from drawbench_eval.store import Arrays, Store

Pixels = NDArray[np.uint8]

SIDE = 64
PALETTE = "natural"
# Raised when layout or renderer draw other pixels from the same facts and seed.
SCENES_VERSION = 1

_CHUNK = 256
_NUM_PROBES = 16


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A named set of images. `sha256` stands for their content; `draw(i)` gives image i as uint8 RGB.

    `preparation` says what was done to the images before `draw` gives them.
    """

    name: str
    sha256: str
    num_images: int
    draw: Callable[[int], Pixels]
    store: Store
    preparation: Preparation = field(default_factory=Preparation)

    def identity(self) -> Mapping[str, Scalar]:
        """The reference's part of a protocol."""
        return {
            "reference.sha256": self.sha256,
            "reference.n_requested": self.num_images,
            **self.preparation.identity("reference"),
        }

    def handles(self, source: FeatureSource) -> Handles:
        """Handles of all images' features: images are read once, and again if their features were cleared."""
        handles = self._kept("reference_handles", source, lambda: {"handles": self._take(source)})["handles"]
        return handles if source.has(handles) else self._take(source)

    def moments(self, source: FeatureSource) -> Moments:
        """Count, mean and scatter of all images' features: computed once."""

        def make() -> Arrays:
            total = Moments.empty(source.extractor.dim)
            for block in blocks(source, self.handles(source)):
                total = total.merge(Moments.of(block))
            return {"packed": total.pack()}

        kept = self._kept("reference_moments", source, make)
        return Moments.unpack(kept["packed"], source.extractor.dim)

    def _kept(self, kind: str, source: FeatureSource, make: Callable[[], Arrays]) -> Arrays:
        key = {
            "reference": self.sha256,
            "probe": self._probe(),
            "extractor": dict(source.extractor.identity()),
            "handles": type(source).__name__,
        }
        return self.store.get_or_make(kind, key, make)

    def _take(self, source: FeatureSource) -> Handles:
        images = load_ahead(self.draw, range(self.num_images), ahead=_CHUNK)
        parts = [source.take(part) for part in _chunks(images)]
        return np.concatenate(parts)

    def _probe(self) -> str:
        """Hash of a few images: features of images that would be drawn differently today are not reused."""
        step = max(self.num_images // _NUM_PROBES, 1)
        return sha256_bytes(b"".join(self.draw(index).tobytes() for index in range(0, self.num_images, step)))


def _chunks(images: Iterator[Pixels]) -> Iterator[list[Pixels]]:
    while part := list(islice(images, _CHUNK)):
        yield part


def folder_reference(path: Path, preparation: Preparation, *, store: Store) -> Reference:
    """The images of a folder or archive, in any order and under any names: their content is the identity.

    Raises ValueError where there are none, and, naming the file, where one cannot be read (later, where it
    cannot be decoded or prepared): a reference is whole or it is another one.
    """
    source = open_source(path)
    if not source.names:
        raise ValueError(f"reference.path: {path} holds no images")

    def read(name: str) -> bytes:
        try:
            return source.read(name)
        except OSError as error:
            raise ValueError(f"reference.path: {path}: {name} cannot be read ({error})") from error

    hashes = sorted(load_ahead(lambda name: sha256_bytes(read(name)), source.names))

    def draw(index: int) -> Pixels:
        name = source.names[index]
        data = read(name)
        try:
            image = decode(data, name)
        except ValueError as error:
            raise ValueError(f"reference.path: {path}: {error}") from error
        try:
            return preparation.apply(image)
        except ValueError as error:
            raise ValueError(f"reference.path: {path}: {name}: {error}") from error

    return Reference(
        name="folder",
        sha256=digest({"images": hashes, **preparation.identity("reference")}),
        num_images=len(hashes),
        draw=draw,
        store=store,
        preparation=preparation,
    )


def images_reference(images: Sequence[Pixels], preparation: Preparation, *, store: Store) -> Reference:
    """Images that are in memory, already prepared as `preparation` says."""
    if not images:
        raise ValueError("reference: there are no images; give at least one")
    return Reference(
        name="images",
        sha256=digest(sorted(content_key(image).hex() for image in images)),
        num_images=len(images),
        draw=images.__getitem__,
        store=store,
        preparation=preparation,
    )


def scenes_reference(
    prompt_set: PromptSet,
    *,
    per_prompt: int,
    seed: int,
    store: Store,
    draw: Callable[[Prompt, int], Pixels] | None = None,
) -> Reference:
    """Every prompt's facts rendered `per_prompt` times at side 64: what a model without faults would draw.

    Prompts without facts have no picture and are left out. `draw(prompt, image seed)` is the embedded world's
    layout and renderer where it is not given. Raises ValueError when no prompt has facts.
    """
    prompts = [prompt for prompt in prompt_set.prompts if prompt.facts is not None]
    if not prompts:
        raise ValueError(f"reference scenes: no prompt of {prompt_set.name} has facts; use prompts=scenes")
    if per_prompt < 1:
        raise ValueError(f"reference.per_prompt: {per_prompt}; it must be at least 1")
    draw_one = _draw_scene if draw is None else draw

    def image(index: int) -> Pixels:
        prompt, repeat = prompts[index // per_prompt], index % per_prompt
        return draw_one(prompt, stable_seed("scenes_reference", seed, prompt.id, repeat))

    recipe = {
        "world": "scenes",
        "version": SCENES_VERSION,
        "side": SIDE,
        "palette": PALETTE,
        "per_prompt": per_prompt,
        "seed": seed,
        "facts": [[prompt.id, prompt.facts] for prompt in prompts],
    }
    return Reference(
        name="scenes", sha256=digest(recipe), num_images=len(prompts) * per_prompt, draw=image, store=store
    )


def _draw_scene(prompt: Prompt, seed: int) -> Pixels:
    from drawbench_eval.scenes.facts import Facts
    from drawbench_eval.scenes.layout import place
    from drawbench_eval.scenes.renderer import render

    try:
        facts = Facts.from_json(prompt.facts or {})
        scene = place(facts, np.random.default_rng(seed))
    except ValueError as error:
        raise ValueError(f"prompt {prompt.id!r}: {error}") from error
    return render(scene, SIDE, palette=PALETTE)
