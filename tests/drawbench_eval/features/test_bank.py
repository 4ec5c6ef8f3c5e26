"""The feature store: what is kept, what is made again, and that nothing wrong is ever read."""

import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from drawbench_eval.features.bank import DirectFeatures, StoredFeatures, blocks, content_key
from drawbench_eval.images.decode import decode
from drawbench_eval.images.source import open_source
from drawbench_eval.store import Store

Pixels = NDArray[np.uint8]


@dataclass
class Counting:
    """Mean colours, and which images it was asked for."""

    name: str = "counting"
    dim: int = 3
    resize: str = "a"
    asked: list[int] = field(default_factory=list)

    def identity(self) -> Mapping[str, str | int]:
        return {"extractor": self.name, "resize": self.resize}

    def extract(self, images: Sequence[Pixels]) -> NDArray[np.float32]:
        self.asked.append(len(images))
        return np.array([image.mean(axis=(0, 1)) for image in images], dtype=np.float32).reshape(-1, self.dim)


def images(count: int, seed: int = 0) -> list[Pixels]:
    rng = np.random.default_rng(seed)
    return [rng.integers(0, 256, (4, 5, 3), dtype=np.uint8) for _ in range(count)]


def test_vectors_come_back_for_any_subset_and_order(tmp_path: Path) -> None:
    pictures = images(10)
    expected = Counting().extract(pictures)
    for source in (DirectFeatures(Counting()), StoredFeatures(Counting(), Store(tmp_path))):
        handles = np.concatenate([source.take(pictures[:7]), source.take(pictures[7:])])
        chosen = [9, 0, 3, 3, 8]
        np.testing.assert_array_equal(source.vectors(handles[chosen]), expected[chosen])
        assert source.has(handles)
        whole = np.concatenate(list(blocks(source, handles, size=3)))
        np.testing.assert_array_equal(whole, expected)


def test_handles_of_kept_features_are_32_bytes_an_image(tmp_path: Path) -> None:
    assert StoredFeatures(Counting(), Store(tmp_path)).take(images(4)).nbytes == 4 * 32


def test_a_second_reader_computes_nothing_and_an_edited_image_costs_one(tmp_path: Path) -> None:
    pictures = images(10)
    StoredFeatures(Counting(), Store(tmp_path)).take(pictures)
    again = Counting()
    StoredFeatures(again, Store(tmp_path)).take(pictures)
    assert again.asked == []
    pictures[4] = pictures[4].copy()
    pictures[4][0, 0, 0] ^= 1
    StoredFeatures(again, Store(tmp_path)).take(pictures)
    assert again.asked == [1]


def test_equal_images_are_computed_once_and_shapes_are_told_apart(tmp_path: Path) -> None:
    extractor = Counting()
    picture = images(1)[0]
    source = StoredFeatures(extractor, Store(tmp_path))
    handles = source.take([picture, picture.copy(), np.asfortranarray(picture)])
    assert extractor.asked == [1]
    assert len(np.unique(handles, axis=0)) == 1
    assert content_key(picture) != content_key(picture.reshape(5, 4, 3))


def test_another_preprocessing_shares_nothing(tmp_path: Path) -> None:
    StoredFeatures(Counting(), Store(tmp_path)).take(images(3))
    other = Counting(resize="b")
    StoredFeatures(other, Store(tmp_path)).take(images(3))
    assert other.asked == [3]


def test_a_damaged_shard_is_said_and_made_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pictures = images(6)
    StoredFeatures(Counting(), Store(tmp_path)).take(pictures)
    (shard,) = tmp_path.glob("features/*/*.safetensors")
    data = bytearray(shard.read_bytes())
    data[-5] ^= 1
    shard.write_bytes(data)
    extractor = Counting()
    source = StoredFeatures(extractor, Store(tmp_path))
    assert str(shard) in caplog.text
    np.testing.assert_array_equal(source.vectors(source.take(pictures)), Counting().extract(pictures))
    assert extractor.asked == [6]


def test_features_that_are_not_numbers_are_refused_and_not_kept(tmp_path: Path) -> None:
    class Broken(Counting):
        def extract(self, images: Sequence[Pixels]) -> NDArray[np.float32]:
            vectors = super().extract(images)
            vectors[1, 2] = np.nan
            return vectors

    source = StoredFeatures(Broken(), Store(tmp_path))
    with pytest.raises(ValueError, match="counting: the features of image 1 of 3 are not finite"):
        source.take(images(3))
    assert not list(tmp_path.glob("features/*/*"))


def test_two_processes_fill_one_store(tmp_path: Path) -> None:
    code = (
        "import runpy, sys\n"
        "from pathlib import Path\n"
        "here = runpy.run_path(sys.argv[1])\n"
        "source = here['StoredFeatures'](here['Counting'](), here['Store'](Path(sys.argv[2])))\n"
        "pictures = here['images'](40)\n"
        "for start in range(0, 40, 8): source.take(pictures[start:start + 8])\n"
    )
    command = [sys.executable, "-c", code, __file__, str(tmp_path)]
    running = [subprocess.Popen(command) for _ in range(2)]
    assert [process.wait() for process in running] == [0, 0]
    extractor = Counting()
    source = StoredFeatures(extractor, Store(tmp_path))
    np.testing.assert_array_equal(source.vectors(source.take(images(40))), Counting().extract(images(40)))
    assert extractor.asked == []


BATCH = 8


def take_folder(source: StoredFeatures, folder: Path) -> NDArray[np.uint8]:
    """The handles of a folder's images, taken batch by batch as scoring takes them."""
    files = open_source(folder)
    pictures = [decode(files.read(name), name) for name in files.names]
    parts = [source.take(pictures[start : start + BATCH]) for start in range(0, len(pictures), BATCH)]
    return np.concatenate(parts)


def hang_in_a_batch(folder: Path, store: Path, whole_batches: int) -> None:
    """Run in a process of its own: computes that many batches, says so amid the next one, and hangs."""

    class Hanging(Counting):
        def extract(self, images: Sequence[Pixels]) -> NDArray[np.float32]:
            if len(self.asked) == whole_batches:
                super().extract(images[: len(images) // 2])
                print("amid a batch", flush=True)
                time.sleep(600)
            return super().extract(images)

    take_folder(StoredFeatures(Hanging(), Store(store)), folder)


def test_after_a_kill_only_the_unfinished_batch_and_what_follows_are_computed(tmp_path: Path) -> None:
    folder, store, pictures = tmp_path / "images", tmp_path / "store", images(5 * BATCH)
    folder.mkdir()
    for index, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{index:02d}.png")
    code = (
        "import runpy, sys\n"
        "from pathlib import Path\n"
        "runpy.run_path(sys.argv[1])['hang_in_a_batch'](Path(sys.argv[2]), Path(sys.argv[3]), 3)\n"
    )
    command = [sys.executable, "-c", code, __file__, str(folder), str(store)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        assert killed.stdout.readline() == "amid a batch\n"
        killed.send_signal(signal.SIGKILL)
        assert killed.wait() == -signal.SIGKILL
    again = Counting()
    source = StoredFeatures(again, Store(store))
    handles = take_folder(source, folder)
    assert again.asked == [BATCH, BATCH]
    np.testing.assert_array_equal(source.vectors(handles), Counting().extract(pictures))
