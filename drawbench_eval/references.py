"""Reference sets: the images that a Frechet distance is measured against, and their features."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.features.bank import FeatureSource, Handles, blocks
from drawbench_eval.files import digest, sha256_bytes, stable_seed
from drawbench_eval.prompt import Prompt, PromptSet
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
    """A named set of images. `sha256` stands for their content; `draw(i)` gives image i as uint8 RGB."""

    name: str
    sha256: str
    num_images: int
    draw: Callable[[int], Pixels]
    store: Store

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
        parts = []
        for start in range(0, self.num_images, _CHUNK):
            stop = min(start + _CHUNK, self.num_images)
            parts.append(source.take([self.draw(index) for index in range(start, stop)]))
        return np.concatenate(parts)

    def _probe(self) -> str:
        """Hash of a few images: features of images that would be drawn differently today are not reused."""
        step = max(self.num_images // _NUM_PROBES, 1)
        return sha256_bytes(b"".join(self.draw(index).tobytes() for index in range(0, self.num_images, step)))


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
