"""Folders of small images over prompts, for whatever compares sets of images."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from drawbench_eval.files import stable_seed
from drawbench_eval.samples import Sample, SampleSet, save_image

# Prompts that are all one thing to a page: text.
HOSTILE = {
    "html": "</script><script>document.title='run'</script><b>bold</b> & \"quotes\" 'single'",
    "event": "<img src=x onerror=\"document.title='run'\"><!-- {{ 7 * 7 }} {caption} ${caption}",
    "formula": '=HYPERLINK("http://x","y")',
    "marks": "a line\u2028a paragraph\u2029 \\u003c \U0001f98a ß\n</textarea>",
}


def image_set(
    folder: Path,
    prompts: Mapping[str, str],
    *,
    num_images: int,
    size: tuple[int, int] = (40, 32),
    colour: tuple[int, int, int] | None = None,
    categories: Mapping[str, str] | None = None,
) -> SampleSet:
    """`num_images` noisy images of (width, height) `size` for each prompt, of one colour if one is given."""
    samples = []
    for prompt_id, text in prompts.items():
        for index in range(num_images):
            seed = stable_seed(folder.name, prompt_id, index)
            rng = np.random.default_rng(seed)
            base = rng.integers(40, 216, 3) if colour is None else np.array(colour)
            noise = rng.integers(-30, 31, (size[1], size[0], 3))
            image = np.clip(base + noise, 0, 255).astype(np.uint8)
            name = f"{prompt_id}-{index}.png"
            samples.append(
                Sample(
                    sample_id=f"{folder.name}-{prompt_id}-{index}",
                    prompt_id=prompt_id,
                    prompt=text,
                    category=(categories or {}).get(prompt_id, ""),
                    seed=seed,
                    path=name,
                    sha256=save_image(folder / name, image),
                )
            )
    return SampleSet.write(folder, samples, made_by={"what": "a test"})
