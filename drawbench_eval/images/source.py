"""Where encoded images lie: a folder, an archive, a webdataset, a Hugging Face dataset. One way to read all.

A source knows the names of its images, sorted, and gives the bytes of any of them from any thread.
"""

from __future__ import annotations

import gzip
import lzma
import os
import shutil
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import IO, Any, Never, Protocol

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")

_GZIP = b"\x1f\x8b"
_PIECE = 1 << 20
# What the standard library raises for damaged, encrypted and too new archives, besides OSError.
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError)


class ImageSource(Protocol):
    """Named images as bytes."""

    @property
    def location(self) -> Path:
        """What the user named."""
        ...

    @property
    def names(self) -> Sequence[str]:
        """The images' names, with `/`, sorted and unique."""
        ...

    def read(self, name: str) -> bytes:
        """The bytes of one image. Raises FileNotFoundError, or OSError, where it cannot be had."""
        ...


def open_source(path: Path) -> ImageSource:
    """The images at `path`: a folder, `.zip`, `.tar`, `.tar.gz`, `.parquet`, or a saved Hugging Face dataset.

    Raises ValueError where there is nothing, nothing readable, or no image.
    """
    if path.is_dir():
        of_one_split = (path / "dataset_info.json").exists() and (path / "state.json").exists()
        if of_one_split or (path / "dataset_dict.json").exists():
            return _dataset(path)
        return FolderSource(path)
    if not path.is_file():
        raise ValueError(f"{path}: not found; give a folder or an archive of images")
    name = path.name.lower()
    if name.endswith(".zip"):
        return ZipSource(path)
    if name.endswith((".tar", ".tar.gz", ".tgz")):
        return TarSource(path)
    if name.endswith(".parquet"):
        return _dataset(path)
    raise ValueError(f"{path}: not a folder, .zip, .tar, .tar.gz or .parquet")


@dataclass(frozen=True)
class FolderSource:
    """The images under a folder, at any depth. Folders named like images, and hidden files, are none.

    Links to files count, links to folders are not followed. Raises ValueError for a folder that cannot be
    read.
    """

    location: Path
    names: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        found = (
            (Path(folder) / name).relative_to(self.location).as_posix()
            for folder, _, files in os.walk(self.location, onerror=_refuse_folder)
            for name in files
        )
        object.__setattr__(self, "names", _members(self.location, list(found)))

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        return (self.location / name).read_bytes()


@dataclass(frozen=True)
class ZipSource:
    """The images in a zip archive. Every thread reads through a handle of its own."""

    location: Path
    names: Sequence[str] = field(init=False)
    _local: threading.local = field(init=False, repr=False, compare=False, default_factory=threading.local)

    def __post_init__(self) -> None:
        try:
            with zipfile.ZipFile(self.location) as archive:
                names = [item.filename for item in archive.infolist() if not item.is_dir()]
        except (OSError, *_DAMAGED) as error:
            raise ValueError(f"{self.location}: not a readable zip archive ({error})") from error
        object.__setattr__(self, "names", _members(self.location, names))

    def read(self, name: str) -> bytes:
        """The bytes of one member. A damaged one raises OSError."""
        if not hasattr(self._local, "archive"):
            self._local.archive = zipfile.ZipFile(self.location)
        try:
            data: bytes = self._local.archive.read(name)
        except KeyError as error:
            raise FileNotFoundError(name) from error
        except (OSError, *_DAMAGED) as error:
            raise OSError(f"{self.location}: {name}: {error}") from error
        return data


@dataclass(frozen=True)
class TarSource:
    """The images in a tar archive, webdataset shards among them: positions noted once, then read directly.

    A leading `./` of names is dropped. A compressed archive is first unpacked into a temporary file, because
    every jump in it would unpack it anew, and because its checksum stands at its end.
    """

    location: Path
    names: Sequence[str] = field(init=False)
    _members: Mapping[str, tarfile.TarInfo] = field(init=False, repr=False, compare=False)
    _file: IO[bytes] = field(init=False, repr=False, compare=False)
    _archive: tarfile.TarFile = field(init=False, repr=False, compare=False)
    _lock: threading.Lock = field(init=False, repr=False, compare=False, default_factory=threading.Lock)

    def __post_init__(self) -> None:
        try:
            file = _unpacked(self.location)
            object.__setattr__(self, "_file", file)
            archive = tarfile.open(fileobj=file, mode="r:")  # noqa: SIM115 (members are read one by one)
            items = archive.getmembers()
            _refuse_early_end(archive, file)
        except (OSError, *_DAMAGED) as error:
            raise ValueError(f"{self.location}: not a readable tar archive ({error})") from error
        named = [(PurePosixPath(item.name).as_posix(), item) for item in items if not item.isdir()]
        object.__setattr__(self, "names", _members(self.location, [name for name, _ in named]))
        object.__setattr__(self, "_members", dict(named))
        object.__setattr__(self, "_archive", archive)

    def __del__(self) -> None:
        file = getattr(self, "_file", None)
        if file is not None:
            file.close()

    def read(self, name: str) -> bytes:
        """The bytes of one member, or of what it links to. A damaged one raises OSError."""
        if name not in self._members:
            raise FileNotFoundError(name)
        try:
            with self._lock:
                file = self._archive.extractfile(self._members[name])
                if file is None:
                    raise OSError(f"{self.location}: {name}: not a file")
                return file.read()
        except KeyError as error:
            raise FileNotFoundError(f"{name}: a link to nothing") from error
        except _DAMAGED as error:
            raise OSError(f"{self.location}: {name}: {error}") from error


@dataclass(frozen=True)
class DatasetSource:
    """The first image column of a Hugging Face dataset. Names are row numbers."""

    location: Path
    names: Sequence[str]
    _rows: Any = field(repr=False, compare=False)
    _column: str

    def read(self, name: str) -> bytes:
        """The bytes of one row's image."""
        cell = self._rows[int(PurePosixPath(name).stem)][self._column]
        if cell is None or (cell["bytes"] is None and cell["path"] is None):
            raise FileNotFoundError(name)
        return bytes(cell["bytes"]) if cell["bytes"] is not None else Path(cell["path"]).read_bytes()


def _dataset(path: Path) -> DatasetSource:
    import datasets

    try:
        if path.is_dir():
            rows = datasets.load_from_disk(str(path))
        else:
            # The library's cache goes by name and time of change: it may hold another file of that name. The
            # rows stay mapped into memory when the folder is gone.
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
                rows = datasets.Dataset.from_parquet(str(path), cache_dir=folder)
    except Exception as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise ValueError(f"{path}: not a readable dataset ({reason})") from error
    if isinstance(rows, datasets.DatasetDict):
        raise ValueError(f"{path}: has the splits {', '.join(rows)}; give the folder of one of them")
    columns = [name for name, kind in rows.features.items() if isinstance(kind, datasets.Image)]
    if not columns:
        raise ValueError(f"{path}: no column holds images; it has {', '.join(rows.features)}")
    plain = rows.cast_column(columns[0], datasets.Image(decode=False))
    names = tuple(f"{index:08d}" for index in range(len(plain)))
    return DatasetSource(path, names, plain, columns[0])


def _unpacked(location: Path) -> IO[bytes]:
    """The archive, opened; of a gzip file its content, in an unnamed temporary file."""
    file: IO[bytes] = location.open("rb")
    magic = file.read(len(_GZIP))
    file.seek(0)
    if magic != _GZIP:
        return file
    with file, gzip.open(file) as packed:
        plain: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 (closed by whoever asked)
        try:
            shutil.copyfileobj(packed, plain, _PIECE)
        except BaseException:
            plain.close()
            raise
    plain.seek(0)
    return plain


def _refuse_early_end(archive: tarfile.TarFile, file: IO[bytes]) -> None:
    """Raises ReadError where no end mark follows: tarfile takes a damaged or cut header for the end."""
    file.seek(archive.offset)
    if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(f"damaged or cut short at byte {archive.offset}")


def _refuse_folder(error: OSError) -> Never:
    raise ValueError(f"{error.filename}: cannot be read ({error.strerror})") from error


def _members(location: Path, names: Sequence[str]) -> tuple[str, ...]:
    found = sorted(name for name in names if _is_image(name) and not _is_hidden(name))
    if len(set(found)) != len(found):
        twice = next(name for name, following in pairwise(found) if name == following)
        raise ValueError(f"{location}: holds {twice} twice; names must be unique")
    return tuple(found)


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES)


def _is_hidden(name: str) -> bool:
    return any(part.startswith((".", "__MACOSX")) for part in PurePosixPath(name).parts)
