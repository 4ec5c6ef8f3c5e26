"""What training sees of a source, and that prepared shards show the same."""

from pathlib import Path

import captioned_images as made
import numpy as np
import pytest
from numpy.typing import NDArray

from drawbench_eval.captioned import prepare as preparing
from drawbench_eval.captioned.data import CaptionedData
from drawbench_eval.captioned.folder import open_folder
from drawbench_eval.captioned.prepare import CAPTIONS, RECORD, prepare
from drawbench_eval.captioned.shards import open_shards
from drawbench_eval.captioned.source import CaptionColumns, Captioned
from drawbench_eval.captioned.usable import Usable, usable


def shrink(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Every second pixel, to 8 of them: any function of the square will do here."""
    return np.ascontiguousarray(pixels[::2, ::2][:8, :8])


@pytest.fixture
def source(tmp_path: Path) -> Captioned:
    return open_folder(made.write_folder(tmp_path / "folder"), None, CaptionColumns())


def opened(source: Captioned, tmp_path: Path) -> CaptionedData:
    found = usable(source, tmp_path / "usable.json", min_side=made.SIDE)
    return CaptionedData(source, found, shrink=shrink, side=made.SIDE)


def test_images_are_the_middle_squares_made_small(source: Captioned, tmp_path: Path) -> None:
    data = opened(source, tmp_path)
    assert len(data) == 4
    images = data.images([2, 0, 3])
    for image, name in zip(images, ("c.png", "a.png", "sub/d.png"), strict=True):
        # 24 high, 20 wide: two rows less above and below.
        assert np.array_equal(image, shrink(made.pixels(name)[2:22]))


def test_of_several_captions_each_epoch_takes_the_next(source: Captioned, tmp_path: Path) -> None:
    data = opened(source, tmp_path)
    heard = [data.captions([1, 2], epoch) for epoch in range(4)]
    assert {texts[0] for texts in heard} == {"first of b", "second of b"}
    assert heard[0] == heard[2] != heard[1]
    assert {texts[1] for texts in heard} == {"spaces around"}
    assert sorted(data.every_caption()) == sorted(
        ["a red, round thing", "first of b", "second of b", "spaces around", "d"]
    )


def test_an_image_that_broke_since_it_was_looked_at_stops_by_name(source: Captioned, tmp_path: Path) -> None:
    data = opened(source, tmp_path)
    (tmp_path / "folder" / "c.png").write_bytes(b"no image any more")
    with pytest.raises(ValueError, match=r"folder: c.png was readable and is no longer"):
        data.images([2])


def test_identity_is_that_of_captions_side_and_the_first_image(tmp_path: Path) -> None:
    def identity(folder: Path, side: int = made.SIDE) -> str:
        source = open_folder(folder, None, CaptionColumns())
        found = usable(source, folder / "usable.json", min_side=made.SIDE)
        return CaptionedData(source, found, shrink=shrink, side=side).identity

    one, same, other_image, other_caption = (
        made.write_folder(tmp_path / name) for name in ("one", "same", "image", "caption")
    )
    (other_image / "a.png").write_bytes(made.encoded("c.png"))
    table = other_caption / "captions.csv"
    table.write_text(table.read_text().replace("second of b", "third of b"))
    assert identity(one) == identity(same)
    assert len({identity(one), identity(other_image), identity(other_caption), identity(one, 15)}) == 4


def test_nothing_usable_is_refused(source: Captioned, tmp_path: Path) -> None:
    found = usable(source, tmp_path / "usable.json", min_side=1000)
    with pytest.raises(ValueError, match=r"folder has no image to train on; 9 of 9 images are left out"):
        CaptionedData(source, found, shrink=shrink, side=1000)


class TestPrepared:
    def test_shards_hold_what_training_would_see(
        self, source: Captioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(preparing, "SHARD_IMAGES", 3)
        direct = opened(source, tmp_path)
        found = prepare(source, tmp_path / "out", shrink=shrink, side=made.SIDE)
        assert found == usable(source, tmp_path / "usable.json", min_side=made.SIDE)
        assert len(list((tmp_path / "out").glob("*.tar"))) == 3
        shards = open_shards(tmp_path / "out", CaptionColumns(caption=CAPTIONS))
        everything = Usable(num_images=len(shards), problems=())
        prepared = CaptionedData(shards, everything, shrink=lambda image: image, side=8)
        assert len(prepared) == len(direct)
        for epoch in range(2):
            assert prepared.captions(range(4), epoch) == direct.captions(range(4), epoch)
        assert np.array_equal(prepared.images(range(4)), direct.images(range(4)))
        assert prepared.identity != direct.identity  # they name other sides here
        small = CaptionedData(source, found, shrink=shrink, side=8)
        assert prepared.identity == small.identity

    def test_a_stopped_one_continues_and_ends_with_the_same_bytes(
        self, source: Captioned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(preparing, "SHARD_IMAGES", 3)
        straight, stopped = tmp_path / "straight", tmp_path / "stopped"
        prepare(source, straight, shrink=shrink, side=made.SIDE)
        done: list[int] = []

        def stop(count: int) -> None:
            done.append(count)
            if len(done) == 5:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            prepare(source, stopped, shrink=shrink, side=made.SIDE, advance=stop)
        assert sorted(path.name for path in stopped.iterdir()) == ["00000.json", "00000.tar"]
        first = (stopped / "00000.tar").stat().st_mtime_ns
        prepare(source, stopped, shrink=shrink, side=made.SIDE)
        assert (stopped / "00000.tar").stat().st_mtime_ns == first
        for path in straight.iterdir():
            assert (stopped / path.name).read_bytes() == path.read_bytes()
        assert (stopped / RECORD).is_file()
