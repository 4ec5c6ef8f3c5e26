import io
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drawbench_eval.features.bank import DirectFeatures, StoredFeatures
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.references import Reference, folder_reference
from drawbench_eval.store import Store
from tests.drawbench_eval.references.stand_ins import CountingExtractor, folder_of, png, zip_of


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
    assert of_folder(zip_of(tmp_path / "a.zip", files), tmp_path).sha256 == base
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
