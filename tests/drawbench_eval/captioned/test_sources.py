"""Folder, shards and dataset give the same images and captions, and the same complaints."""

import io
import os
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import captioned_images as made
import pytest

from drawbench_eval.captioned.folder import open_folder
from drawbench_eval.captioned.rows import open_dataset
from drawbench_eval.captioned.shards import open_shards
from drawbench_eval.captioned.source import CaptionColumns, Captioned
from drawbench_eval.captioned.usable import usable

Open = Callable[[Path], Captioned]


def a_folder(path: Path) -> Captioned:
    return open_folder(made.write_folder(path / "folder"), None, CaptionColumns())


def some_shards(path: Path) -> Captioned:
    return open_shards(made.write_shards(path / "shards"), CaptionColumns(caption="texts"))


def a_dataset(path: Path) -> Captioned:
    folder = made.write_dataset(path / "dataset")
    return open_dataset(str(folder), split="train", revision=None, columns=CaptionColumns())


SOURCES = [a_folder, some_shards, a_dataset]
NAMES = [*made.CAPTIONS, "unsaid.png"]


@pytest.mark.parametrize("make", SOURCES)
def test_images_and_captions_arrive_in_order(make: Open, tmp_path: Path) -> None:
    source = make(tmp_path)
    assert len(source) == len(set(source.names)) == len(NAMES)
    for index, name in enumerate(NAMES):
        assert list(source.captions[index]) == made.CAPTIONS.get(name, [])
        if name == "gone.png":
            with pytest.raises(OSError):  # noqa: PT011 (the system's message)
                source.read(index)
        else:
            assert source.read(index) == made.encoded(name)
    assert source.spoken(1) == ["first of b", "second of b"]
    assert source.spoken(2) == ["spaces around"]


@pytest.mark.parametrize("make", SOURCES)
def test_what_cannot_be_used_is_counted_and_named(make: Open, tmp_path: Path) -> None:
    source = make(tmp_path)
    record = tmp_path / "usable.json"
    found = usable(source, record, min_side=made.SIDE)
    named: dict[str, list[str]] = {}
    for problem in found.problems:
        named.setdefault(problem.kind, []).append(NAMES[problem.index])
        assert problem.name == source.names[problem.index]
    assert {kind: sorted(names) for kind, names in named.items()} == {
        kind: sorted(names) for kind, names in made.BAD.items()
    }
    assert [NAMES[index] for index in found.kept] == list(made.GOOD)
    assert found.num_kept == 4
    assert found.said().startswith("5 of 9 images are left out (2 x empty caption, ")
    assert "tiny.png" in record.read_text() or "tiny" in record.read_text() or "row 6" in record.read_text()
    # The record stands for the images from then on.
    again = usable(
        replace(source, read=lambda _: b""),
        record,
        min_side=made.SIDE,
    )
    assert again == found


@pytest.mark.parametrize("make", SOURCES)
def test_identity_is_that_of_names_captions_and_version(make: Open, tmp_path: Path) -> None:
    source = make(tmp_path)
    assert replace(source, location="elsewhere", read=lambda _: b"").identity == source.identity
    others = (
        replace(source, names=["x", *list(source.names)[1:]]),
        replace(source, captions=[["x"], *list(source.captions)[1:]]),
        replace(source, version=["x", *list(source.version)[1:]]),
    )
    assert len({source.identity, *(other.identity for other in others)}) == 4


def test_a_replaced_image_is_another_source(tmp_path: Path) -> None:
    folder, shards = made.write_folder(tmp_path / "folder"), made.write_shards(tmp_path / "shards")
    for opened, file in (
        (lambda: open_folder(folder, None, CaptionColumns()), folder / "cut.png"),
        (lambda: open_shards(shards, CaptionColumns(caption="texts")), shards / "1.tar"),
    ):
        before = opened().identity
        assert opened().identity == before
        # Of the same size, only later.
        os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
        later = opened().identity
        file.write_bytes(file.read_bytes() + bytes(512))
        assert len({before, later, opened().identity}) == 3


def test_a_dataset_of_other_images_is_another_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = a_dataset(tmp_path / "before").identity
    assert a_dataset(tmp_path / "same").identity == before
    encoded = made.encoded
    monkeypatch.setattr(made, "encoded", lambda name: encoded("a.png" if name == "c.png" else name))
    assert a_dataset(tmp_path / "after").identity != before


class TestFolder:
    def test_bad_tables_are_refused_with_their_line(self, tmp_path: Path) -> None:
        folder = made.write_folder(tmp_path / "f")
        table = tmp_path / "t.csv"
        for text, message in (
            ("image,caption\na.png,x\n", r"data.columns.image: .*t.csv has no column 'file'; it has image"),
            ("file,text\na.png,x\n", r"data.columns.caption: .*t.csv has no column 'caption'; it has file"),
            ("file,caption\n,x\n", r"t.csv line 2: an empty file"),
            ("file,caption\na.png,x,y\n", r"t.csv line 2: not as many cells"),
        ):
            table.write_text(text)
            with pytest.raises(ValueError, match=message):
                open_folder(folder, table, CaptionColumns())
        with pytest.raises(ValueError, match=r"data.captions: .*none.csv is not there"):
            open_folder(folder, tmp_path / "none.csv", CaptionColumns())
        with pytest.raises(ValueError, match=r"data.path: .*nowhere is not a folder"):
            open_folder(tmp_path / "nowhere", None, CaptionColumns())

    def test_columns_may_have_other_names(self, tmp_path: Path) -> None:
        folder = made.write_folder(tmp_path / "f")
        (folder / "captions.csv").unlink()
        (folder / "metadata.csv").write_text("file_name,text\nc.png,hello\n")
        source = open_folder(folder, None, CaptionColumns(caption="text"))
        assert source.names[0] == "c.png"
        assert list(source.captions[0]) == ["hello"]


class TestShards:
    def shard(self, path: Path, *files: tuple[str, bytes]) -> Path:
        with tarfile.open(path, "w") as archive:
            for name, content in files:
                member = tarfile.TarInfo(name)
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
        return path

    def test_txt_is_the_usual_caption(self, tmp_path: Path) -> None:
        source = open_shards(made.write_shards(tmp_path / "s"), CaptionColumns())
        assert list(source.captions[1]) == ["first of b"]
        assert source.names[:2] == ["0.tar/a", "0.tar/b"]

    def test_the_same_name_in_two_shards_is_two_samples(self, tmp_path: Path) -> None:
        for name in ("x.tar", "y.tar"):
            self.shard(tmp_path / name, ("0.png", made.encoded(name)), ("0.txt", name.encode()))
        source = open_shards(tmp_path, CaptionColumns())
        assert source.names == ["x.tar/0", "y.tar/0"]
        assert [source.read(index) for index in range(2)] == [made.encoded("x.tar"), made.encoded("y.tar")]

    def test_a_shard_that_was_cut_is_refused_by_name(self, tmp_path: Path) -> None:
        path = made.write_shards(tmp_path / "s") / "0.tar"
        content = path.read_bytes()
        with tarfile.open(path) as archive:
            # There the library takes what is left for the whole archive.
            between_two = archive.getmembers()[2].offset
        for kept in (700, 5000, between_two):
            path.write_bytes(content[:kept])
            with pytest.raises(ValueError, match=r"0.tar: not a readable tar archive"):
                open_shards(path, CaptionColumns())

    def test_what_cannot_be_told_apart_is_refused(self, tmp_path: Path) -> None:
        two = self.shard(tmp_path / "two.tar", ("a.png", b"1"), ("a.jpg", b"2"), ("a.txt", b"t"))
        with pytest.raises(ValueError, match=r"two.tar/a: has several images; write data.columns.image=png"):
            open_shards(two, CaptionColumns())
        assert open_shards(two, CaptionColumns(image="jpg")).read(0) == b"2"
        twice = self.shard(tmp_path / "twice.tar", ("a.png", b"1"), ("a.png", b"2"))
        with pytest.raises(ValueError, match=r"twice.tar: holds a.png twice"):
            open_shards(twice, CaptionColumns())

    def test_packed_and_absent_ones_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r"data.path: .* is no .tar and no folder that holds any"):
            open_shards(tmp_path, CaptionColumns())
        (tmp_path / "a.tar.gz").write_bytes(b"")
        with pytest.raises(ValueError, match=r"a.tar.gz is compressed; unpack it"):
            open_shards(tmp_path, CaptionColumns())


class TestDataset:
    def open(self, path: Path, **columns: str) -> Captioned:
        return open_dataset(str(path), split="train", revision=None, columns=CaptionColumns(**columns))

    def test_splits_and_columns_that_are_not_there(self, tmp_path: Path) -> None:
        folder = made.write_dataset(tmp_path / "d")
        with pytest.raises(ValueError, match=r"data.split: .* has the splits train, test; write data.split="):
            open_dataset(str(folder), split=None, revision=None, columns=CaptionColumns())
        with pytest.raises(ValueError, match=r"data.split: val is none of .*'s splits: train, test"):
            open_dataset(str(folder), split="val", revision=None, columns=CaptionColumns())
        with pytest.raises(ValueError, match=r"data.columns.caption: .* has no column 'x'; it has picture"):
            self.open(folder, caption="x")
        assert list(self.open(folder, caption="name").captions[0]) == ["a.png"]

    def test_what_is_no_dataset_is_refused_in_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "empty").mkdir()
        with pytest.raises(ValueError, match=r"data.path: .*empty cannot be loaded \(.*\); give a name"):
            self.open(tmp_path / "empty")
