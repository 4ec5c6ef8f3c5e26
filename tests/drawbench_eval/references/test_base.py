import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from drawbench_eval.features.bank import DirectFeatures, FeatureSource, StoredFeatures
from drawbench_eval.references import Reference
from drawbench_eval.store import Store
from tests.drawbench_eval.references.stand_ins import CountingExtractor

IMAGES = [np.random.default_rng(i).integers(0, 256, (4, 4 + i % 2, 3), dtype=np.uint8) for i in range(40)]


def make(folder: Path, **changed: object) -> Reference:
    settings = {"name": "some", "sha256": "abc", "num_images": 4, "draw": IMAGES.__getitem__} | changed
    return Reference(store=Store(folder), **settings)  # type: ignore[arg-type]


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
    inverted = make(tmp_path, draw=lambda index: 255 - IMAGES[index])
    assert inverted.sha256 == make(tmp_path).sha256
    source = StoredFeatures(extractor, Store(tmp_path))
    mean = make(tmp_path).moments(DirectFeatures(CountingExtractor())).mean
    assert inverted.moments(source).mean == pytest.approx(255 - mean, rel=1e-5)
    assert extractor.asked == [4]


def test_all_extractors_together_read_every_image_once(tmp_path: Path) -> None:
    drawn: Counter[int] = Counter()

    def draw(index: int) -> NDArray[np.uint8]:
        drawn[index] += 1
        return IMAGES[index]

    def sources() -> list[FeatureSource]:
        return [StoredFeatures(CountingExtractor(weights), Store(tmp_path)) for weights in ("w1", "w2")]

    told: list[int] = []
    reference = make(tmp_path, num_images=40, draw=draw)
    reference.read(sources(), advance=told.append)
    probes = Counter(range(0, 40, 2))
    assert drawn == Counter(range(40)) + probes
    assert sum(told) == 40
    # All that metrics ask is there, for this run.
    for source in sources():
        assert reference.moments(source).n == 40
        assert reference.handles(source).shape == (40, 32)
        assert reference.sizes(source) == {(4, 4), (4, 5)}
    assert drawn == Counter(range(40)) + probes
    # And for the next, which looks at a few images only.
    drawn.clear()
    make(tmp_path, num_images=40, draw=draw).read(sources())
    assert drawn == probes
    # One more extractor reads them for itself.
    drawn.clear()
    more = StoredFeatures(CountingExtractor("w3"), Store(tmp_path))
    make(tmp_path, num_images=40, draw=draw).read([*sources(), more])
    assert drawn == Counter(range(40)) + probes


def test_matched_and_full_are_two_protocols_and_a_full_set_is_a_folder_of_it(tmp_path: Path) -> None:
    plain = make(tmp_path)
    assert replace(plain, selection="full").identity() == plain.identity()
    assert dict(replace(plain, selection="matched").identity()) == {
        **plain.identity(),
        "reference.selection": "matched",
    }


def test_a_run_record_says_what_the_reference_is(tmp_path: Path) -> None:
    reference = make(tmp_path, location="photographs.zip", selection="full", remarks=("said",))
    assert reference.provenance == {
        "name": "some",
        "sha256": "abc",
        "num_images": 4,
        "location": "photographs.zip",
        "selection": "full",
        "remarks": ["said"],
    }
