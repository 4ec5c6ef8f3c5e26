import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbench_eval.features.bank import DirectFeatures, StoredFeatures
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


@dataclass
class CountingExtractor:
    """Mean colour as features, and how often it was asked for how many images."""

    weights: str = "w1"
    asked: list[int] = field(default_factory=list)
    name: str = "mean_color"
    dim: int = 3

    def identity(self) -> Mapping[str, str | int]:
        return {"extractor": self.name, "extractor.weights_sha256": self.weights}

    def extract(self, images: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        self.asked.append(len(images))
        return np.stack([image.mean(axis=(0, 1)) for image in images]).astype(np.float32)


def draw(prompt: Prompt, seed: int) -> NDArray[np.uint8]:
    return np.random.default_rng([seed, len(prompt.text)]).integers(0, 256, (4, 4, 3), dtype=np.uint8)


def make(folder: Path, **changed: object) -> Reference:
    settings = {"prompt_set": PROMPTS, "per_prompt": 2, "seed": 0, "draw": draw} | changed
    prompt_set = settings.pop("prompt_set")
    return scenes_reference(prompt_set, store=Store(folder), **settings)  # type: ignore[arg-type]


def test_features_are_those_of_the_images_and_are_extracted_once(tmp_path: Path) -> None:
    extractor = CountingExtractor()
    kept = StoredFeatures(extractor, Store(tmp_path))
    reference = make(tmp_path)
    assert reference.num_images == 4
    features = kept.vectors(reference.handles(kept))
    assert features.shape == (4, 3)
    np.testing.assert_allclose(features[3], reference.draw(3).mean(axis=(0, 1)), rtol=1e-6)
    moments = make(tmp_path).moments(StoredFeatures(extractor, Store(tmp_path)))
    np.testing.assert_allclose(moments.mean, features.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(moments.covariance, np.cov(features, rowvar=False), rtol=1e-5)
    assert extractor.asked == [4]
    # No image twice: repeats of a prompt have seeds of their own.
    assert len({image.tobytes() for image in map(reference.draw, range(4))}) == 4


def test_features_that_were_cleared_are_extracted_again(tmp_path: Path) -> None:
    extractor = CountingExtractor()
    before = make(tmp_path).handles(StoredFeatures(extractor, Store(tmp_path)))
    shutil.rmtree(tmp_path / "features")
    kept = StoredFeatures(extractor, Store(tmp_path))
    after = make(tmp_path).handles(kept)
    np.testing.assert_array_equal(after, before)
    assert kept.vectors(after).shape == (4, 3)
    assert extractor.asked == [4, 4]


def test_other_weights_and_other_pixels_are_not_taken_from_the_store(tmp_path: Path) -> None:
    make(tmp_path).moments(StoredFeatures(CountingExtractor(), Store(tmp_path)))
    other_weights = CountingExtractor(weights="w2")
    make(tmp_path).moments(StoredFeatures(other_weights, Store(tmp_path)))
    assert other_weights.asked == [4]
    # The same recipe drawn by changed code.
    extractor = CountingExtractor()
    inverted = make(tmp_path, draw=lambda prompt, seed: 255 - draw(prompt, seed))
    assert inverted.sha256 == make(tmp_path).sha256
    source = StoredFeatures(extractor, Store(tmp_path))
    mean = make(tmp_path).moments(DirectFeatures(CountingExtractor())).mean
    assert inverted.moments(source).mean == pytest.approx(255 - mean, rel=1e-5)
    assert extractor.asked == [4]


def test_the_hash_stands_for_facts_seed_and_size(tmp_path: Path) -> None:
    base = make(tmp_path).sha256
    renamed = PromptSet(name="other", prompts=PROMPTS.prompts)
    assert make(tmp_path / "elsewhere", prompt_set=renamed).sha256 == base
    fewer = PromptSet(name="some", prompts=PROMPTS.prompts[:2])
    hashes = {
        make(tmp_path, seed=1).sha256,
        make(tmp_path, per_prompt=3).sha256,
        make(tmp_path, prompt_set=fewer).sha256,
    }
    assert len(hashes | {base}) == 4


def test_what_cannot_be_a_reference_is_refused(tmp_path: Path) -> None:
    plain = PromptSet(name="plain", prompts=(Prompt(id="a", text="a"),))
    with pytest.raises(ValueError, match="no prompt of plain has facts"):
        make(tmp_path, prompt_set=plain)
    with pytest.raises(ValueError, match=r"reference\.per_prompt: 0"):
        make(tmp_path, per_prompt=0)


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
    impossible = {
        **facts,
        "absent": [{"count": 1, "shape": "circle", "color": "purple elephant", "size": None}],
    }
    broken = PromptSet(name="one", prompts=(Prompt(id="bad", text="", facts=impossible),))
    with pytest.raises(ValueError, match="prompt 'bad': color: 'purple elephant'"):
        scenes_reference(broken, per_prompt=1, seed=0, store=Store(tmp_path)).draw(0)
