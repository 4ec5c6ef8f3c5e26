import io
import json
import os
import random
import shutil
import struct
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from drawbench_eval.images.decode import decode
from drawbench_eval.images.source import FolderSource, TarSource, ZipSource, labels, open_source

CIFAR = (
    Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "images" / "cifar10_test_10000.tar.gz"
)

# Sorted as sources sort.
NAMES = ("B.JPG", "a b/ä ü.png", "a.jpeg", "deep/er/c.WebP", "日本.tif")


def png(seed: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


IMAGES = {name: png(seed) for seed, name in enumerate(NAMES)}
# What lies beside images and is none.
OTHERS = {
    "notes.txt": b"no image",
    "a.json": b"{}",
    ".hidden.png": png(90),
    ".git/d.png": png(91),
    "__MACOSX/B.JPG": png(92),
    "deep/.tmp-1-c.png": png(93),
}


def write_folder(path: Path, files: Mapping[str, bytes]) -> None:
    path.mkdir()
    (path / "folder").mkdir()
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)


def write_zip(path: Path, files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> None:
    with zipfile.ZipFile(path, "w", compression) as archive:
        archive.writestr("folder/", b"")
        for name, data in files.items():
            archive.writestr(name, data)


def write_tar(path: Path, files: Mapping[str, bytes], prefix: str = "") -> None:
    with tarfile.open(path, "w:gz" if path.suffix in (".gz", ".tgz") else "w") as archive:
        folder = tarfile.TarInfo(f"{prefix}folder")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, data in files.items():
            member = tarfile.TarInfo(prefix + name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))


def rows(cells: list[object]) -> datasets.Dataset:
    """A dataset with a column of text before its images."""
    features = datasets.Features({"text": datasets.Value("string"), "image": datasets.Image()})
    return datasets.Dataset.from_dict({"text": [""] * len(cells), "image": cells}, features=features)


def cells(files: Mapping[str, bytes]) -> list[object]:
    return [{"bytes": data, "path": name} for name, data in files.items()]


def make(folder: Path, kind: str) -> Path:
    """The images, and what is none, as `kind`. The order in which they were written is not the sorted one."""
    path = folder / kind
    files = dict(sorted({**IMAGES, **OTHERS}.items(), key=lambda item: item[1]))
    if kind == "folder":
        write_folder(path, files)
    elif kind.endswith(".zip"):
        write_zip(path, files, zipfile.ZIP_STORED if kind == "stored.zip" else zipfile.ZIP_DEFLATED)
    elif kind == "dotted.tar":
        write_tar(path, files, "./")
    elif kind == "parquet.PARQUET":
        rows(cells(IMAGES)).to_parquet(path)
    elif kind == "dataset":
        rows(cells(IMAGES)).save_to_disk(path)
    else:
        write_tar(path, files)
    return path


KINDS = (
    "folder",
    "stored.zip",
    "deflated.zip",
    "plain.tar",
    "dotted.tar",
    "packed.tar.gz",
    "PACKED.TGZ",
    "parquet.PARQUET",
    "dataset",
)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_images_come_from_wherever_they_lie(tmp_path: Path, kind: str) -> None:
    path = make(tmp_path, kind)
    source = open_source(path)
    assert source.location == path
    if kind in ("parquet.PARQUET", "dataset"):
        assert source.names == ("00000000", "00000001", "00000002", "00000003", "00000004")
    else:
        assert source.names == NAMES
    assert [source.read(name) for name in source.names] == list(IMAGES.values())
    # In any order, and more than once.
    assert source.read(source.names[1]) == IMAGES[NAMES[1]]
    assert decode(source.read(source.names[0]), "a").shape == (9, 7, 3)


@pytest.mark.parametrize("kind", KINDS)
def test_any_thread_may_read_any_image(tmp_path: Path, kind: str) -> None:
    source = open_source(make(tmp_path, kind))
    wanted = list(zip(source.names, IMAGES.values(), strict=True)) * 60
    random.Random(0).shuffle(wanted)
    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda item: source.read(item[0]), wanted))
    assert read == [data for _, data in wanted]


@pytest.mark.parametrize("kind", ["folder", "stored.zip", "plain.tar", "packed.tar.gz"])
def test_a_name_that_is_not_there_is_a_file_that_is_not_found(tmp_path: Path, kind: str) -> None:
    with pytest.raises(FileNotFoundError):
        open_source(make(tmp_path, kind)).read("other.png")


def test_a_webdataset_gives_its_images_and_not_their_captions(tmp_path: Path) -> None:
    files = {f"{key:05d}.{kind}": png(key) for key in range(3) for kind in ("jpg", "txt", "json", "cls")}
    write_tar(tmp_path / "00000.tar", files)
    source = open_source(tmp_path / "00000.tar")
    assert source.names == ("00000.jpg", "00001.jpg", "00002.jpg")
    assert source.read("00002.jpg") == png(2)


def test_a_folder_without_images_has_no_names(tmp_path: Path) -> None:
    assert open_source(tmp_path).names == ()


def test_a_folder_that_cannot_be_read_is_named() -> None:
    with pytest.raises(ValueError, match=r"^/nowhere/images: cannot be read \(No such file or directory\)"):
        FolderSource(Path("/nowhere/images"))


def test_a_link_to_nothing_is_an_image_that_cannot_be_had(tmp_path: Path) -> None:
    (tmp_path / "real.png").write_bytes(png(0))
    (tmp_path / "good.png").symlink_to(tmp_path / "real.png")
    (tmp_path / "dangling.png").symlink_to(tmp_path / "gone.png")
    source = open_source(tmp_path)
    assert source.names == ("dangling.png", "good.png", "real.png")
    assert source.read("good.png") == png(0)
    with pytest.raises(FileNotFoundError):
        source.read("dangling.png")


def test_links_in_a_tar_give_what_they_link_to(tmp_path: Path) -> None:
    # tar stores the second of two hard-linked files as a link to the first.
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.png").write_bytes(png(0))
    os.link(tmp_path / "in" / "a.png", tmp_path / "in" / "b.png")
    (tmp_path / "in" / "c.png").symlink_to("a.png")
    (tmp_path / "in" / "d.png").symlink_to("gone.png")
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        archive.add(tmp_path / "in", ".")
    source = open_source(tmp_path / "a.tar")
    assert source.names == ("a.png", "b.png", "c.png", "d.png")
    assert [source.read(name) for name in source.names[:3]] == [png(0)] * 3
    with pytest.raises(FileNotFoundError, match=r"d\.png: a link to nothing"):
        source.read("d.png")


def test_a_gzip_file_is_known_by_its_content(tmp_path: Path) -> None:
    write_tar(tmp_path / "a.tar.gz", IMAGES)
    (tmp_path / "a.tar.gz").rename(tmp_path / "a.tar")
    assert open_source(tmp_path / "a.tar").names == NAMES


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", png(0))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.png", png(1))
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        for name in ("a.png", "./a.png"):
            tar.addfile(tarfile.TarInfo(name))
    for path in (tmp_path / "a.zip", tmp_path / "a.tar"):
        with pytest.raises(ValueError, match=r"holds a\.png twice; names must be unique") as caught:
            open_source(path)
        assert str(caught.value).startswith(f"{path}: ")


def test_what_is_no_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"gone: not found; give a folder or an archive of images"):
        open_source(tmp_path / "gone")
    (tmp_path / "a.rar").write_bytes(b"Rar!")
    with pytest.raises(ValueError, match=r"a\.rar: not a folder, \.zip, \.tar, \.tar\.gz or \.parquet"):
        open_source(tmp_path / "a.rar")


def cut(data: bytes) -> bytes:
    return data[: len(data) * 3 // 5]


def cut_between_members(data: bytes) -> bytes:
    """A tar without its last member and its end: what is left is well formed."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        return data[: archive.getmembers()[-1].offset]


def damage_header(data: bytes) -> bytes:
    """A tar whose third member's header is no longer one."""
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        offset = archive.getmembers()[2].offset
    return data[: offset + 100] + b"\xff" * 60 + data[offset + 160 :]


def flip_middle(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


@pytest.mark.parametrize(
    ("kind", "damage", "what"),
    [
        ("deflated.zip", cut, "zip archive"),
        ("deflated.zip", lambda data: b"", "zip archive"),
        ("deflated.zip", lambda data: b"junk" * 100, "zip archive"),
        ("plain.tar", cut, "tar archive"),
        ("plain.tar", cut_between_members, "tar archive"),
        ("plain.tar", damage_header, "tar archive"),
        ("plain.tar", lambda data: b"", "tar archive"),
        ("plain.tar", lambda data: b"junk" * 300, "tar archive"),
        ("packed.tar.gz", cut, "tar archive"),
        ("packed.tar.gz", flip_middle, "tar archive"),
        ("packed.tar.gz", lambda data: b"", "tar archive"),
        ("packed.tar.gz", lambda data: data[:-8] + bytes(8), "tar archive"),
        ("parquet.PARQUET", cut, "dataset"),
        ("parquet.PARQUET", lambda data: b"", "dataset"),
        ("parquet.PARQUET", lambda data: b"junk" * 100, "dataset"),
    ],
)
def test_a_damaged_archive_is_refused_in_one_line(
    tmp_path: Path, kind: str, damage: Callable[[bytes], bytes], what: str
) -> None:
    path = make(tmp_path, kind)
    assert len(open_source(path).names) == len(NAMES)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=f"not a readable {what} ") as caught:
        open_source(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_damaged_saved_dataset_is_refused_in_one_line(tmp_path: Path) -> None:
    path = make(tmp_path, "dataset")
    (arrow,) = path.glob("*.arrow")
    arrow.write_bytes(arrow.read_bytes()[:100])
    with pytest.raises(ValueError, match="not a readable dataset ") as caught:
        open_source(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_one_damaged_member_of_a_zip_leaves_the_others_readable(tmp_path: Path, compression: int) -> None:
    path = tmp_path / "a.zip"
    write_zip(path, IMAGES, compression)
    with zipfile.ZipFile(path) as archive:
        member = archive.getinfo("a.jpeg")
    data = bytearray(path.read_bytes())
    start = member.header_offset + 30 + len(member.filename.encode())
    data[start + 10 : start + member.compress_size] = b"\xa5" * (member.compress_size - 10)
    path.write_bytes(data)
    source = open_source(path)
    assert source.names == NAMES
    with pytest.raises(OSError, match=r"a\.zip: a\.jpeg: "):
        source.read("a.jpeg")
    assert source.read("B.JPG") == IMAGES["B.JPG"]


def test_an_encrypted_member_of_a_zip_cannot_be_had(tmp_path: Path) -> None:
    path = tmp_path / "a.zip"
    write_zip(path, {"a.png": png(0)})
    data = path.read_bytes()
    with zipfile.ZipFile(path) as archive:
        local = archive.getinfo("a.png").header_offset
    central = data.rindex(b"PK\x01\x02")
    flags = bytearray(data)
    flags[local + 6 : local + 8] = flags[central + 8 : central + 10] = struct.pack("<H", 1)
    path.write_bytes(flags)
    with pytest.raises(OSError, match=r"a\.zip: a\.png: .*encrypted"):
        open_source(path).read("a.png")


def test_a_tar_that_shrank_after_it_was_opened_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    # Larger than what is buffered.
    write_tar(path, {"a.png": bytes(1 << 20), "b.png": bytes(1 << 20)})
    source = open_source(path)
    os.truncate(path, 1 << 20)
    with pytest.raises(OSError, match=r"a\.tar: b\.png: unexpected end of data"):
        source.read("b.png")


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
def test_archives_are_closed_with_their_source(tmp_path: Path) -> None:
    with warnings.catch_warnings(record=True) as raised:
        warnings.simplefilter("always")
        for kind in ("deflated.zip", "plain.tar", "packed.tar.gz"):
            source = open_source(make(tmp_path, kind))
            assert source.read(NAMES[0]) == IMAGES[NAMES[0]]
            del source
    assert [str(warning.message) for warning in raised] == []
    open_files = {os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd")}
    assert not [name for name in open_files if name.startswith(str(tmp_path))]


def test_another_parquet_file_of_the_same_name_and_time_is_not_mistaken_for_the_first(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    rows(cells({"a": png(0)})).to_parquet(path)
    before = path.stat()
    assert open_source(path).read("00000000") == png(0)
    rows(cells({"a": png(1)})).to_parquet(path)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert open_source(path).read("00000000") == png(1)


def test_rows_without_an_image_cannot_be_had_and_rows_may_name_a_file(tmp_path: Path) -> None:
    there, gone = tmp_path / "there.png", tmp_path / "gone.png"
    there.write_bytes(png(0))
    paths = [{"bytes": None, "path": path} for path in (str(there), str(gone), None)]
    struct = {"bytes": datasets.Value("binary"), "path": datasets.Value("string")}
    saved = datasets.Dataset.from_dict({"a": [*paths, None]}, features=datasets.Features({"a": struct}))
    saved.save_to_disk(tmp_path / "set")
    # The library itself does not write such rows as images.
    about = json.loads((tmp_path / "set" / "dataset_info.json").read_text())
    about["features"]["a"] = {"_type": "Image"}
    (tmp_path / "set" / "dataset_info.json").write_text(json.dumps(about))
    source = open_source(tmp_path / "set")
    assert source.read("00000000") == png(0)
    for name in source.names[1:]:
        with pytest.raises(FileNotFoundError):
            source.read(name)


def test_of_two_columns_of_images_the_first_counts(tmp_path: Path) -> None:
    features = datasets.Features({"one": datasets.Image(), "two": datasets.Image()})
    columns = {name: [{"bytes": png(seed), "path": None}] for seed, name in enumerate(features)}
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(tmp_path / "set")
    assert open_source(tmp_path / "set").read("00000000") == png(0)


def test_a_dataset_without_images_is_refused_with_its_columns(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"text": ["a"], "label": [1]}).save_to_disk(tmp_path / "set")
    with pytest.raises(ValueError, match=r"set: no column holds images; it has text, label"):
        open_source(tmp_path / "set")


def test_a_dataset_with_splits_is_refused_with_their_names(tmp_path: Path) -> None:
    splits = {"train": rows(cells({"a": png(0)})), "test": rows(cells({"a": png(1)}))}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "set")
    with pytest.raises(ValueError, match=r"set: has the splits train, test; give the folder of one of them"):
        open_source(tmp_path / "set")
    assert open_source(tmp_path / "set" / "test").read("00000000") == png(1)


def webdataset(path: Path, keys: range) -> None:
    about = {f"{key:05d}.json": json.dumps({"id": f"p{key}", "seed": key * 10}).encode() for key in keys}
    texts = {f"{key:05d}.txt": f"text {key}\n".encode() for key in keys}
    write_tar(path, {f"{key:05d}.jpg": png(key) for key in keys} | about | texts)


def test_the_shards_of_a_webdataset_are_one_source(tmp_path: Path) -> None:
    webdataset(tmp_path / "00001.tar", range(3, 5))
    webdataset(tmp_path / "00000.tar.gz", range(3))
    (tmp_path / "._00000.tar").write_bytes(b"no archive")
    source = open_source(tmp_path)
    assert source.names == tuple(f"{key:05d}.jpg" for key in range(5))
    assert [source.read(name) for name in source.names] == [png(key) for key in range(5)]
    assert labels(source, ()) == source.names
    assert labels(source, ("id", "seed", "txt")) == tuple(f"p{key}/{key * 10}/text {key}" for key in range(5))
    with pytest.raises(FileNotFoundError):
        source.read("00005.jpg")
    webdataset(tmp_path / "00002.tar", range(4, 6))
    with pytest.raises(ValueError, match=r"holds 00004\.jpg twice; names must be unique"):
        open_source(tmp_path)


def test_what_is_not_beside_an_image_is_said_with_what_is(tmp_path: Path) -> None:
    webdataset(tmp_path / "a.tar", range(2))
    with pytest.raises(
        ValueError, match=r"00000\.jpg has no 'caption' beside it; there is jpg, json, txt, id, seed"
    ):
        labels(open_source(tmp_path / "a.tar"), ("caption",))
    write_tar(tmp_path / "b.tar", {"0.jpg": png(0), "0.json": b"{"})
    with pytest.raises(ValueError, match=r"b\.tar: 0\.json is not JSON"):
        labels(open_source(tmp_path / "b.tar"), ("id",))


def test_the_parquet_files_of_a_split_are_one_source(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for part, keys in enumerate((range(2), range(2, 3))):
        name = tmp_path / "data" / f"test-{part:05d}-of-00002.parquet"
        rows(cells({str(key): png(key) for key in keys})).to_parquet(name)
    source = open_source(tmp_path)
    assert [source.read(name) for name in source.names] == [png(key) for key in range(3)]
    rows(cells({"a": png(0)})).to_parquet(tmp_path / "data" / "train-00000-of-00001.parquet")
    with pytest.raises(ValueError, match=r"has the splits test, train; give a folder with the files of one"):
        open_source(tmp_path)


@pytest.mark.parametrize("kind", ["bytes", "struct"])
def test_a_parquet_file_that_knows_nothing_of_datasets_is_read_too(tmp_path: Path, kind: str) -> None:
    images: list[Any] = [png(0), png(1)]
    if kind == "struct":
        images = [{"bytes": data, "path": f"{index}.png"} for index, data in enumerate(images)]
    path = tmp_path / "a.parquet"
    pd.DataFrame({"id": ["a", "b"], "n": [7, 8], "picture": images}).to_parquet(path)
    source = open_source(path)
    assert [source.read(name) for name in source.names] == [png(0), png(1)]
    assert labels(source, ("id", "n", "id")) == ("a/7/a", "b/8/b")
    with pytest.raises(ValueError, match=r"has no column 'name'; it has id, n, picture"):
        labels(source, ("name",))
    with pytest.raises(ValueError, match=r"a\.parquet row 0: picture is .*; a name needs text or numbers"):
        labels(source, ("picture",))


def test_folders_have_no_columns(tmp_path: Path) -> None:
    for kind in ("folder", "stored.zip"):
        with pytest.raises(ValueError, match="has no columns; webdatasets, Parquet and saved datasets have"):
            labels(open_source(make(tmp_path, kind)), ("id",))


def test_sources_are_values(tmp_path: Path) -> None:
    for kind, source in (("deflated.zip", ZipSource), ("plain.tar", TarSource), ("folder", FolderSource)):
        path = make(tmp_path, kind)
        assert source(path) == source(path)
        assert isinstance(open_source(path), source)


@pytest.mark.shared_data
@pytest.mark.skipif(not CIFAR.exists(), reason="needs ../shared/data")
def test_an_archive_of_ten_thousand_is_listed_and_read_in_any_order() -> None:
    source = open_source(CIFAR)
    assert len(source.names) == 10_000
    assert source.names[0] == "test/airplane/0000.jpg"
    wanted = [source.names[index] for index in random.Random(0).sample(range(10_000), 100)]
    with tarfile.open(CIFAR) as archive:
        stored = {item.name: item for item in archive.getmembers()}
        in_place = sorted(wanted, key=lambda name: stored[name].offset)
        expected = {name: archive.extractfile(stored[name]).read() for name in in_place}  # type: ignore[union-attr]
    for name in wanted:
        assert source.read(name) == expected[name]
    assert decode(source.read(wanted[0]), wanted[0]).shape == (32, 32, 3)


@pytest.mark.parametrize("kind", ["folder", "zip", "tar"])
def test_a_folder_named_like_an_image_is_one_that_cannot_be_read_unless_it_holds_some(
    tmp_path: Path, kind: str
) -> None:
    made = tmp_path / "made"
    for folder in ("empty.png", "notes.JPG", "album.png", ".hidden.png"):
        (made / folder).mkdir(parents=True)
    for name, data in (("a.png", png(0)), ("album.png/b.png", png(1)), ("notes.JPG/c.txt", b"no image")):
        (made / name).write_bytes(data)
    path = made if kind == "folder" else Path(shutil.make_archive(str(tmp_path / "packed"), kind, made))
    source = open_source(path)
    assert source.names == ("a.png", "album.png/b.png", "empty.png", "notes.JPG")
    for name in source.names[2:]:
        with pytest.raises(OSError, match=r"empty\.png|notes\.JPG") as raised:
            source.read(name)
        assert not isinstance(raised.value, FileNotFoundError)
