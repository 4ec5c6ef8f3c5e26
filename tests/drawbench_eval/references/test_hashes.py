import os
import tarfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from drawbench_eval.files import sha256_bytes
from drawbench_eval.images.source import open_source
from drawbench_eval.references import hashes
from drawbench_eval.references.hashes import content_hashes
from drawbench_eval.store import Store
from tests.drawbench_eval.references.stand_ins import folder_of, zip_of

FILES = {f"{index}.png": bytes([index]) * 10 for index in range(5)}
EXPECTED = [sha256_bytes(data) for data in FILES.values()]


def hashed(path: Path, store: Path, names: Sequence[str] | None = None) -> tuple[list[str], int]:
    """The hashes, and how many files were read for them."""
    source = open_source(path)
    reads: list[str] = []

    def read(name: str) -> bytes:
        reads.append(name)
        return source.read(name)

    found = content_hashes(source, source.names if names is None else names, read, store=Store(store))
    return found, len(reads)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as old, however new they are."""
    monkeypatch.setattr(hashes, "_SETTLED_NS", -(10**18))


def test_the_files_of_a_zip_are_read_once(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", FILES)
    assert hashed(path, tmp_path / "store") == (EXPECTED, 5)
    assert hashed(path, tmp_path / "store") == (EXPECTED, 0)
    # The archive is known by what it lists, wherever it lies.
    moved = path.rename(tmp_path / "b.zip")
    os.utime(moved)
    assert hashed(moved, tmp_path / "store") == (EXPECTED, 0)
    # Some of them are another set.
    assert hashed(moved, tmp_path / "store", ["1.png", "3.png"]) == ([EXPECTED[1], EXPECTED[3]], 2)


def test_one_changed_byte_in_a_zip_is_seen(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", FILES)
    hashed(path, tmp_path / "store")
    zip_of(path, {**FILES, "2.png": b"\x02" * 9 + b"\x03"})
    found, reads = hashed(path, tmp_path / "store")
    assert reads == 5
    assert [a == b for a, b in zip(found, EXPECTED, strict=True)] == [True, True, False, True, True]


@pytest.mark.usefixtures("settled")
def test_the_files_of_a_folder_are_read_once(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "images", FILES)
    assert hashed(path, tmp_path / "store") == (EXPECTED, 5)
    assert hashed(path, tmp_path / "store") == (EXPECTED, 0)


@pytest.mark.usefixtures("settled")
@pytest.mark.parametrize("replaced", [False, True])
def test_a_changed_file_of_equal_length_and_time_is_seen(tmp_path: Path, replaced: bool) -> None:
    path = folder_of(tmp_path / "images", FILES)
    hashed(path, tmp_path / "store")
    file = path / "2.png"
    before = file.stat()
    while file.stat().st_ctime_ns == before.st_ctime_ns:
        if replaced:
            (tmp_path / "new.png").write_bytes(b"\x07" * 10)
            (tmp_path / "new.png").rename(file)
        else:
            file.write_bytes(b"\x07" * 10)
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        time.sleep(0.002)
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    found, reads = hashed(path, tmp_path / "store")
    assert reads == 5
    assert found[2] == sha256_bytes(b"\x07" * 10)


def test_files_that_were_just_written_are_not_trusted(tmp_path: Path) -> None:
    path = folder_of(tmp_path / "images", FILES)
    assert hashed(path, tmp_path / "store") == (EXPECTED, 5)
    assert hashed(path, tmp_path / "store") == (EXPECTED, 5)


def test_what_lists_nothing_is_read_each_time(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "images", FILES)
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        for name in FILES:
            archive.add(folder / name, name)
    for _ in range(2):
        assert hashed(tmp_path / "a.tar", tmp_path / "store") == (EXPECTED, 5)


def test_what_cannot_be_listed_is_left_to_whoever_reads_it(tmp_path: Path) -> None:
    path = zip_of(tmp_path / "a.zip", FILES)
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("3.png").header_offset
    content = bytearray(path.read_bytes())
    content[start + 30 + len("3.png")] ^= 1
    path.write_bytes(content)
    # The list is whole and the file is not.
    with pytest.raises(OSError, match=r"3\.png: Bad CRC-32"):
        hashed(path, tmp_path / "store")
    assert not list((tmp_path / "store").rglob("*.safetensors"))
    folder = folder_of(tmp_path / "images", FILES)
    (folder / "x.png").symlink_to("gone.png")
    with pytest.raises(FileNotFoundError, match=r"x\.png"):
        hashed(folder, tmp_path / "store")


def test_progress_is_told(tmp_path: Path) -> None:
    source = open_source(zip_of(tmp_path / "a.zip", FILES))
    told: list[int] = []

    class Shown:
        def __init__(self, total: int) -> None:
            told.append(total)

        def __enter__(self):  # type: ignore[no-untyped-def]
            return told.append

        def __exit__(self, *_: object) -> None:
            told.append(-1)

    content_hashes(source, source.names, source.read, store=Store(tmp_path), progress=Shown)  # type: ignore[arg-type]
    assert told == [5, 1, 1, 1, 1, 1, -1]
