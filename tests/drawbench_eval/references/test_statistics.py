import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from drawbench_eval.features.bank import DirectFeatures
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.metrics.base import MetricValue
from drawbench_eval.metrics.cmmd import Cmmd
from drawbench_eval.metrics.fd_scenes import FdScenes
from drawbench_eval.metrics.features import ReferenceMetric
from drawbench_eval.metrics.fid_infinity import FidInfinity
from drawbench_eval.metrics.kid import Kid
from drawbench_eval.metrics.neighborhood import Coverage, Density, Precision, Recall
from drawbench_eval.protocol import compare
from drawbench_eval.references import AnyReference, Statistics, export_statistics, read_statistics
from tests.drawbench_eval.metrics import fakes

SOURCE = DirectFeatures(fakes.FakeExtractor())


@dataclass(frozen=True)
class OtherResize(fakes.FakeExtractor):
    def identity(self) -> Mapping[str, str | int]:
        return {**super().identity(), "extractor.resize": "tf1"}


def made(reference: AnyReference, metric: type[ReferenceMetric] = FdScenes) -> ReferenceMetric:
    own = metric(source=SOURCE, reference=reference, prompt_set=fakes.PROMPT_SET, conditions={})
    fakes.fed(own, fakes.images(1, 30))
    return own


def value(reference: AnyReference, metric: type[ReferenceMetric] = FdScenes) -> MetricValue:
    found: MetricValue = made(reference, metric).compute().value
    return found


@pytest.fixture
def own(tmp_path: Path) -> Path:
    export_statistics(fakes.reference(tmp_path), SOURCE, tmp_path / "own.safetensors")
    return tmp_path / "own.safetensors"


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    features = SOURCE.take([fakes.reference(tmp_path).draw(i) for i in range(40)]).astype(np.float64)
    np.savez(tmp_path / "foreign.npz", mu=features.mean(axis=0), sigma=np.cov(features, rowvar=False))
    return tmp_path / "foreign.npz"


def test_our_own_statistics_are_the_images_in_value_and_protocol(tmp_path: Path, own: Path) -> None:
    images, read = fakes.reference(tmp_path), read_statistics(own)
    assert (read.name, read.sha256) == (images.name, images.sha256)
    assert made(read).protocol() == made(images).protocol()
    assert value(read) == value(images)
    np.testing.assert_array_equal(
        made(read).compute().columns["fd_scenes"], made(images).compute().columns["fd_scenes"]
    )
    assert read.provenance["num_images"] == 40


def test_foreign_statistics_give_the_value_and_another_protocol(tmp_path: Path, foreign: Path) -> None:
    images, read = fakes.reference(tmp_path), read_statistics(foreign)
    ours, theirs = value(images), value(read)
    assert theirs.value == pytest.approx(ours.value, rel=1e-9)
    assert theirs.ci95 == pytest.approx(ours.ci95, rel=1e-9)
    assert theirs.protocol != ours.protocol
    assert compare(made(images).protocol(), made(read).protocol()) == [
        "reference.codec",
        "reference.crop",
        "reference.filter",
        "reference.n_requested",
        "reference.sha256",
        "reference.size",
        "reference.statistics",
    ]
    values = made(read).protocol().values
    assert values["reference.crop"] == "unknown"
    assert values["reference.n_requested"] is None
    assert values["reference.statistics"] == (
        "assumed: this extractor and these weights; the preparation is unknown"
    )
    # Said beside the number, too.
    (note,) = theirs.notes
    assert "assumed to be of this extractor and these weights" in note
    assert "number of images, and what that adds to the value, is unknown" in note
    assert ours.notes == ()
    assert read.provenance["num_images"] is None
    assert len(read.provenance["remarks"]) == 1


def test_what_the_user_knows_of_the_preparation_is_recorded_as_stated(foreign: Path, own: Path) -> None:
    stated = Preparation(size=256, crop="center", filter="bicubic")
    read = read_statistics(foreign, stated=stated)
    assert read.identity()["reference.crop"] == "center"
    assert read.identity()["reference.statistics"] == (
        "assumed: this extractor and these weights; the preparation is as the user states"
    )
    # The images here are 8x8.
    assert any("the images are 8x8 and the reference's 256x256" in note for note in value(read).notes)
    # Our own file knows better.
    assert read_statistics(own, stated=Preparation()).identity() == read_statistics(own).identity()
    with pytest.raises(ValueError, match=r"reference.prepare: .*reference.size=None, not 256; leave"):
        read_statistics(own, stated=stated)


def test_few_images_behind_foreign_statistics_are_said(tmp_path: Path) -> None:
    features = SOURCE.take(fakes.images(9, 4)).astype(np.float64)
    np.savez(tmp_path / "few.npz", mu=features.mean(axis=0), sigma=np.cov(features, rowvar=False))
    notes = value(read_statistics(tmp_path / "few.npz")).notes
    assert notes[1] == "the reference's covariance has a rank of 3 in 5 dimensions: few images?"


@pytest.mark.parametrize("metric", [Kid, Cmmd, Precision, Recall, Density, Coverage])
def test_metrics_of_images_refuse_statistics(own: Path, foreign: Path, metric: type[ReferenceMetric]) -> None:
    for path in (own, foreign):
        with pytest.raises(ValueError, match=f"metrics: {metric.name} needs images and reference=statistics"):
            made(read_statistics(path), metric)


def test_the_extrapolated_distance_reads_statistics(tmp_path: Path, own: Path, foreign: Path) -> None:
    expected = value(fakes.reference(tmp_path), FidInfinity)
    assert math.isfinite(expected.value)
    assert value(read_statistics(own), FidInfinity) == expected
    theirs = value(read_statistics(foreign), FidInfinity)
    assert theirs.value == pytest.approx(expected.value, rel=1e-9)
    assert len(theirs.notes) == len(expected.notes) + 1


def of(reference: Statistics, extractor: Any) -> FdScenes:
    return FdScenes(
        source=DirectFeatures(extractor), reference=reference, prompt_set=fakes.PROMPT_SET, conditions={}
    )


def test_statistics_of_another_extractor_are_refused_before_anything_is_computed(
    own: Path, foreign: Path
) -> None:
    for path in (own, foreign):
        with pytest.raises(
            ValueError, match=r"^metrics: fd_scenes: reference.path: .* has 5 dimensions and fake 3"
        ):
            of(read_statistics(path), fakes.FakeExtractor(dim=3))
    with pytest.raises(ValueError, match=r"made with extractor.weights_sha256=w1, and here it is w2"):
        of(read_statistics(own), fakes.FakeExtractor(weights="w2"))
    with pytest.raises(ValueError, match=r"made with extractor.resize=None, and here it is tf1"):
        of(read_statistics(own), OtherResize())
    # Of what a foreign file is made nobody knows.
    of(read_statistics(foreign), OtherResize())


def test_damaged_and_strange_files_are_refused(tmp_path: Path, own: Path) -> None:
    content = bytearray(own.read_bytes())
    content[-1] ^= 1
    (tmp_path / "flipped.safetensors").write_bytes(content)
    (tmp_path / "cut.safetensors").write_bytes(content[:100])
    (tmp_path / "features.pkl").write_bytes(b"x")
    for name, message in {
        "flipped.safetensors": "does not have the hash that was written with it; it must be what",
        "cut.safetensors": "cannot be read .*; it must be what drawbench-eval reference output=",
        "features.pkl": "is neither an .npz with mu and sigma nor a .safetensors of ours",
        "gone.npz": "gone.npz is not a file",
    }.items():
        with pytest.raises(ValueError, match=message) as caught:
            read_statistics(tmp_path / name)
        assert str(caught.value).startswith("reference.path: ")
    with pytest.raises(ValueError, match=r"output: .*x.npz must end in .safetensors"):
        export_statistics(fakes.reference(tmp_path), SOURCE, tmp_path / "x.npz")
