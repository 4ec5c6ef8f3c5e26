"""The embedded world's reference: every prompt's facts rendered, what a model without faults would draw."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np

from drawbench_eval.files import digest, stable_seed
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.references.base import Pixels, Reference
from drawbench_eval.store import Store

SIDE = 64
# Raised when layout or renderer draw other pixels from the same facts and seed.
SCENES_VERSION = 1


def scenes_reference(
    prompt_set: PromptSet,
    *,
    per_prompt: int,
    seed: int,
    palette: str = "natural",
    store: Store,
    draw: Callable[[Prompt, int], Pixels] | None = None,
) -> Reference:
    """Every prompt's facts rendered `per_prompt` times at side 64: what a model without faults would draw.

    Prompts without facts have no picture and are left out. `draw(prompt, image seed)` is the embedded world's
    layout and renderer, in the colours of `palette`, where it is not given. Raises ValueError when no prompt
    has facts, and for an unknown palette.
    """
    from drawbench_eval.scenes.renderer import PALETTES

    if palette not in PALETTES:
        raise ValueError(f"reference.palette: {palette} is not one of {', '.join(PALETTES)}")
    prompts = [prompt for prompt in prompt_set.prompts if prompt.facts is not None]
    if not prompts:
        raise ValueError(f"reference scenes: no prompt of {prompt_set.name} has facts; use prompts=scenes")
    if per_prompt < 1:
        raise ValueError(f"reference.per_prompt: {per_prompt}; it must be at least 1")
    draw_one = partial(_draw_scene, palette=palette) if draw is None else draw

    def image(index: int) -> Pixels:
        prompt, repeat = prompts[index // per_prompt], index % per_prompt
        return draw_one(prompt, stable_seed("scenes_reference", seed, prompt.id, repeat))

    recipe = {
        "world": "scenes",
        "version": SCENES_VERSION,
        "side": SIDE,
        "palette": palette,
        "per_prompt": per_prompt,
        "seed": seed,
        "facts": [[prompt.id, prompt.facts] for prompt in prompts],
    }
    return Reference(
        name="scenes", sha256=digest(recipe), num_images=len(prompts) * per_prompt, draw=image, store=store
    )


def _draw_scene(prompt: Prompt, seed: int, *, palette: str) -> Pixels:
    from drawbench_eval.scenes.facts import Facts
    from drawbench_eval.scenes.layout import place
    from drawbench_eval.scenes.renderer import render

    try:
        facts = Facts.from_json(prompt.facts or {})
        scene = place(facts, np.random.default_rng(seed))
    except ValueError as error:
        raise ValueError(f"prompt {prompt.id!r}: {error}") from error
    return render(scene, SIDE, palette=palette)
