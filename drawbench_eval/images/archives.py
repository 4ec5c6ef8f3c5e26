"""Images in zip and tar archives, webdatasets of one or many shards among them."""

from __future__ import annotations

import gzip
import json
import lzma
import shutil
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO

from drawbench_eval.images.names import image_names

_GZIP = b"\x1f\x8b"
_PIECE = 1 << 20
# What the standard library raises for damaged, encrypted and too new archives, besides OSError.
_DAMAGED = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, RuntimeError)


@dataclass(frozen=True)
class ZipSource:
    """The images in a zip archive. Every thread reads through a handle of its own."""

    location: Path
    names: Sequence[str] = field(init=False)
    _local: threading.local = field(init=False, repr=False, compare=False, default_factory=threading.local)

    def __post_init__(self) -> None:
        try:
            with zipfile.ZipFile(self.location) as archive:
                items = archive.infolist()
        except (OSError, *_DAMAGED) as error:
            raise ValueError(f"{self.location}: not a readable zip archive ({error})") from error
        names = [item.filename for item in items if not item.is_dir()]
        folders = [item.filename.rstrip("/") for item in items if item.is_dir()]
        object.__setattr__(self, "names", image_names(self.location, names, folders))

    def read(self, name: str) -> bytes:
        """The bytes of one member. A damaged one, and a folder, raise OSError."""
        if not hasattr(self._local, "archive"):
            self._local.archive = zipfile.ZipFile(self.location)
        try:
            data: bytes = self._local.archive.read(name)
        except KeyError as error:
            if f"{name}/" in self._local.archive.NameToInfo:
                raise IsADirectoryError(f"{self.location}: {name}: not a file") from error
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
            refuse_early_end(archive, file)
        except (OSError, *_DAMAGED) as error:
            raise ValueError(f"{self.location}: not a readable tar archive ({error})") from error
        named = [(PurePosixPath(item.name).as_posix(), item) for item in items]
        files = [name for name, item in named if not item.isdir()]
        folders = [name for name, item in named if item.isdir()]
        object.__setattr__(self, "names", image_names(self.location, files, folders))
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

    def labels(self, columns: Sequence[str]) -> Sequence[str]:
        """What stands beside each image in a webdataset, joined by `/`.

        A column is the ending of a file with the image's key (`txt`), or a field of its `.json`. Raises
        ValueError, naming the image, where there is neither.
        """
        beside: dict[str, dict[str, str]] = {}
        for name in self._members:
            key, ending = key_and_ending(name)
            beside.setdefault(key, {})[ending] = name
        return tuple(
            "/".join(self._cells(name, beside[key_and_ending(name)[0]], columns)) for name in self.names
        )

    def _cells(self, name: str, files: Mapping[str, str], columns: Sequence[str]) -> list[str]:
        fields = self._fields(files["json"]) if "json" in files else {}
        cells = []
        for column in columns:
            if column in files:
                cells.append(self.read(files[column]).decode("utf-8", errors="replace").strip())
            elif column in fields:
                cells.append(str(fields[column]))
            else:
                there = ", ".join([*sorted(files), *fields])
                raise ValueError(f"{self.location}: {name} has no {column!r} beside it; there is {there}")
        return cells

    def _fields(self, name: str) -> Mapping[str, object]:
        try:
            fields = json.loads(self.read(name))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ValueError(f"{self.location}: {name} is not JSON ({error})") from error
        return fields if isinstance(fields, dict) else {}


@dataclass(frozen=True)
class ShardSource:
    """The images of all tar archives under a folder. A name that stands in two of them is refused."""

    location: Path
    shards: Sequence[Path]
    names: Sequence[str] = field(init=False)
    _opened: Sequence[TarSource] = field(init=False, repr=False, compare=False)
    _holder: Mapping[str, TarSource] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        opened = tuple(TarSource(shard) for shard in self.shards)
        every = [(name, shard) for shard in opened for name in shard.names]
        object.__setattr__(self, "names", image_names(self.location, [name for name, _ in every]))
        object.__setattr__(self, "_opened", opened)
        object.__setattr__(self, "_holder", dict(every))

    def read(self, name: str) -> bytes:
        """The bytes of one member of whichever shard holds it."""
        if name not in self._holder:
            raise FileNotFoundError(name)
        return self._holder[name].read(name)

    def labels(self, columns: Sequence[str]) -> Sequence[str]:
        """As of one shard."""
        label = {
            name: found
            for shard in self._opened
            for name, found in zip(shard.names, shard.labels(columns), strict=True)
        }
        return tuple(label[name] for name in self.names)


def key_and_ending(name: str) -> tuple[str, str]:
    """Webdataset's key and ending: `a/0001.seg.png` -> `a/0001`, `seg.png`."""
    folder, slash, last = name.rpartition("/")
    stem, _, ending = last.partition(".")
    return folder + slash + stem, ending


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


def refuse_early_end(archive: tarfile.TarFile, file: IO[bytes]) -> None:
    """Raises ReadError where no end mark follows: tarfile takes a damaged or cut header for the end."""
    file.seek(archive.offset)
    if file.read(tarfile.BLOCKSIZE) != bytes(tarfile.BLOCKSIZE):
        raise tarfile.ReadError(f"damaged or cut short at byte {archive.offset}")
