from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.references import Reference, scenes_reference
from drawbench_eval.store import Store

PROMPTS = PromptSet(
    name="some",
    prompts=(
        Prompt(id="a", text="red", facts={"color": "red"}),
        Prompt(id="b", text="no picture"),
        Prompt(id="c", text="blue", facts={"color": "blue"}),
    ),
)


def draw(prompt: Prompt, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng([seed, len(prompt.text)]).integers(0, 256, (4, 4, 3), dtype=np.uint8)


def make(folder: Path, **changed: object) -> Reference:
    settings = {"prompt_set": PROMPTS, "per_prompt": 2, "seed": 0, "draw": draw} | changed
    prompt_set = settings.pop("prompt_set")
    return scenes_reference(prompt_set, store=Store(folder), **settings)  # type: ignore[arg-type]


def test_repeats_of_a_prompt_have_seeds_of_their_own(tmp_path: Path) -> None:
    reference = make(tmp_path)
    # Two prompts have facts, and no image comes twice.
    assert reference.num_images == 4
    assert len({image.tobytes() for image in map(reference.draw, range(4))}) == 4


def test_the_hash_stands_for_facts_seed_and_size(tmp_path: Path) -> None:
    base = make(tmp_path).sha256
    renamed = PromptSet(name="other", prompts=PROMPTS.prompts)
    assert make(tmp_path / "elsewhere", prompt_set=renamed).sha256 == base
    fewer = PromptSet(name="some", prompts=PROMPTS.prompts[:2])
    hashes = {
        make(tmp_path, seed=1).sha256,
        make(tmp_path, per_prompt=3).sha256,
        make(tmp_path, prompt_set=fewer).sha256,
        make(tmp_path, palette="saturated").sha256,
    }
    assert len(hashes | {base}) == 5


def test_what_cannot_be_a_reference_is_refused(tmp_path: Path) -> None:
    plain = PromptSet(name="plain", prompts=(Prompt(id="a", text="a"),))
    with pytest.raises(ValueError, match="no prompt of plain has facts"):
        make(tmp_path, prompt_set=plain)
    with pytest.raises(ValueError, match=r"reference\.per_prompt: 0"):
        make(tmp_path, per_prompt=0)
    with pytest.raises(ValueError, match=r"reference\.palette: grey is not one of natural, saturated"):
        make(tmp_path, palette="grey")


def test_the_embedded_world_draws_its_facts(tmp_path: Path) -> None:
    group = {"count": 1, "shape": "circle", "color": "red", "size": "large"}
    facts = {"groups": [group], "relations": [], "background": "white", "absent": []}
    prompt_set = PromptSet(name="one", prompts=(Prompt(id="a", text="a large red circle", facts=facts),))
    reference = scenes_reference(prompt_set, per_prompt=2, seed=0, store=Store(tmp_path))
    image = reference.draw(0)
    assert image.shape == (64, 64, 3)
    assert image.dtype == np.uint8
    red = (image[..., 0].astype(int) - image[..., 1] > 60).mean()
    assert 0.1 < red < 0.4
    saturated = scenes_reference(prompt_set, per_prompt=2, seed=0, palette="saturated", store=Store(tmp_path))
    pure = [(pixels == (255, 0, 0)).all(axis=-1).mean() for pixels in (image, saturated.draw(0))]
    assert pure[0] == 0
    assert pure[1] > 0.1
    impossible = {
        **facts,
        "absent": [{"count": 1, "shape": "circle", "color": "purple elephant", "size": None}],
    }
    broken = PromptSet(name="one", prompts=(Prompt(id="bad", text="", facts=impossible),))
    with pytest.raises(ValueError, match="prompt 'bad': color: 'purple elephant'"):
        scenes_reference(broken, per_prompt=1, seed=0, store=Store(tmp_path)).draw(0)
