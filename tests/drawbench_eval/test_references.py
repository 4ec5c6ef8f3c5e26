import io
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drawbench_eval.features.bank import DirectFeatures, StoredFeatures
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.references import Reference, folder_reference, scenes_reference
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


def png(seed: int, height: int = 6, width: int = 9) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def folder_of(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def of_folder(path: Path, store: Path, **prepared: object) -> Reference:
    return folder_reference(path, Preparation(**prepared), store=Store(store))  # type: ignore[arg-type]


def test_a_folder_gives_its_images_prepared(tmp_path: Path) -> None:
    files = {f"{name}.png": png(seed, 6 + seed, 9) for seed, name in enumerate("cab")}
    folder = folder_of(tmp_path / "images", files)
    reference = of_folder(folder, tmp_path / "store", crop="center", size=4, filter="box")
    assert (reference.name, reference.num_images) == ("folder", 3)
    for index, name in enumerate(("a.png", "b.png", "c.png")):
        pixels = np.asarray(Image.open(io.BytesIO(files[name])))
        height, width = pixels.shape[:2]
        side = min(height, width)
        top, left = (height - side) // 2, (width - side) // 2
        square = Image.fromarray(pixels[top : top + side, left : left + side])
        expected = np.asarray(square.resize((4, 4), Image.Resampling.BOX))
        np.testing.assert_array_equal(reference.draw(index), expected)
    source = DirectFeatures(CountingExtractor())
    means = [reference.draw(index).mean(axis=(0, 1)) for index in range(3)]
    np.testing.assert_allclose(reference.moments(source).mean, np.mean(means, axis=0), rtol=1e-5)
    assert reference.moments(source).n == 3


def test_a_folder_is_identified_by_the_content_of_its_images(tmp_path: Path) -> None:
    files = {"a.png": png(0), "b.png": png(1), "c.png": png(2)}
    base = of_folder(folder_of(tmp_path / "base", files), tmp_path).sha256
    renamed = {"x/3.PNG": png(0), "x/1.png": png(1), "ü 2.png": png(2)}
    assert of_folder(folder_of(tmp_path / "renamed", renamed), tmp_path).sha256 == base
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    assert of_folder(tmp_path / "a.zip", tmp_path).sha256 == base
    others = {
        "edited": {**files, "b.png": png(7)},
        "fewer": {"a.png": png(0), "b.png": png(1)},
        "twice": {**files, "d.png": png(2)},
    }
    hashes = {of_folder(folder_of(tmp_path / name, one), tmp_path).sha256 for name, one in others.items()}
    assert len(hashes | {base}) == 4


def test_preparation_is_part_of_a_folders_identity_where_it_changes_pixels(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "images", {"a.png": png(0), "b.png": png(1)})
    plain = of_folder(folder, tmp_path)
    assert plain.identity() == {
        "reference.sha256": plain.sha256,
        "reference.n_requested": 2,
        "reference.size": None,
        "reference.crop": "none",
        "reference.filter": None,
        "reference.codec": "none",
    }
    assert of_folder(folder, tmp_path, crop="squash", filter="box", quality=3).sha256 == plain.sha256
    changed = [{"crop": "center"}, {"size": 4, "crop": "center"}, {"codec": "jpeg"}]
    hashes = {of_folder(folder, tmp_path, **one).sha256 for one in changed}
    assert len(hashes | {plain.sha256}) == 4


def test_a_changed_folder_under_the_same_name_is_extracted_anew(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "images", {"a.png": png(0), "b.png": png(1)})
    extractor = CountingExtractor()

    def mean() -> NDArray[np.float64]:
        return (
            of_folder(folder, tmp_path / "store")
            .moments(StoredFeatures(extractor, Store(tmp_path / "store")))
            .mean
        )

    before = mean()
    np.testing.assert_array_equal(mean(), before)
    assert extractor.asked == [2]
    (folder / "b.png").write_bytes(png(2))
    pixels = [np.asarray(Image.open(io.BytesIO(png(seed)))) for seed in (0, 2)]
    np.testing.assert_allclose(mean(), np.mean([one.mean(axis=(0, 1)) for one in pixels], axis=0), rtol=1e-5)
    # The image that stayed is not extracted again.
    assert extractor.asked == [2, 1]


def test_a_folder_without_images_is_no_reference(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("none")
    with pytest.raises(ValueError, match=r"^reference\.path: .* holds no images"):
        of_folder(tmp_path, tmp_path / "store")


@pytest.mark.parametrize(
    ("data", "prepared", "message"),
    [
        (b"", {}, r"b\.png: an empty file"),
        (png(1)[:80], {}, r"b\.png: not a readable image"),
        (png(1), {"size": 4}, r"b\.png: 9x6 is not square and crop is none"),
    ],
)
def test_an_image_that_cannot_be_used_ends_the_reference_by_name(
    tmp_path: Path, data: bytes, prepared: dict[str, object], message: str
) -> None:
    folder = folder_of(tmp_path / "images", {"a.png": png(0, 9, 9), "b.png": data, "c.png": png(2, 9, 9)})
    reference = of_folder(folder, tmp_path / "store", **prepared)
    assert reference.draw(0).shape[2] == 3
    with pytest.raises(ValueError, match=message) as caught:
        reference.moments(DirectFeatures(CountingExtractor()))
    assert str(caught.value).startswith(f"reference.path: {folder}: ")


def test_an_image_that_cannot_be_read_ends_the_reference_by_name(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "images", {"a.png": png(0)})
    (folder / "b.png").symlink_to("gone.png")
    with pytest.raises(ValueError, match=r"b\.png cannot be read \(.*No such file") as caught:
        of_folder(folder, tmp_path / "store")
    assert str(caught.value).startswith(f"reference.path: {folder}: ")
    # Or later.
    (folder / "b.png").unlink()
    reference = of_folder(folder, tmp_path / "store")
    (folder / "a.png").unlink()
    with pytest.raises(ValueError, match=r"a\.png cannot be read"):
        reference.draw(0)
