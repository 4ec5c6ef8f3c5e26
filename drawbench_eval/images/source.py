"""Where encoded images lie: a folder, an archive, a webdataset, a Hugging Face dataset. One way to read all.

A source knows the names of its images, sorted, and gives the bytes of any of them from any thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Never, Protocol

from drawbench_eval.images.archives import ShardSource, TarSource, ZipSource
from drawbench_eval.images.names import IMAGE_SUFFIXES, image_names, is_hidden
from drawbench_eval.images.rows import RowSource, parquet_rows, saved_rows

__all__ = [
    "IMAGE_SUFFIXES",
    "FolderSource",
    "ImageSource",
    "RowSource",
    "ShardSource",
    "TarSource",
    "ZipSource",
    "labels",
    "open_source",
]

_TAR = (".tar", ".tar.gz", ".tgz")
_PARQUET = ".parquet"


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

    A folder without images may hold the shards of a webdataset, or the Parquet files of one dataset. Raises
    ValueError where there is nothing, nothing readable, or no image.
    """
    if path.is_dir():
        return _open_folder(path)
    if not path.is_file():
        raise ValueError(f"{path}: not found; give a folder or an archive of images")
    name = path.name.lower()
    if name.endswith(".zip"):
        return ZipSource(path)
    if name.endswith(_TAR):
        return TarSource(path)
    if name.endswith(_PARQUET):
        return parquet_rows(path, [path])
    raise ValueError(f"{path}: not a folder, .zip, .tar, .tar.gz or .parquet")


def labels(source: ImageSource, columns: Sequence[str]) -> Sequence[str]:
    """A label for each of `source.names`: the name, or the cells of `columns` beside it, joined by `/`.

    Raises ValueError for columns of a source that has none.
    """
    if not columns:
        return source.names
    if isinstance(source, TarSource | ShardSource | RowSource):
        return source.labels(columns)
    raise ValueError(f"{source.location}: has no columns; webdatasets, Parquet and saved datasets have")


@dataclass(frozen=True)
class FolderSource:
    """The images under a folder, at any depth. Hidden files are none.

    Links to files count, links to folders are not followed. Raises ValueError for a folder that cannot be
    read.
    """

    location: Path
    names: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        files = _files(self.location, IMAGE_SUFFIXES)
        folders = _files(self.location, IMAGE_SUFFIXES, folders=True)
        object.__setattr__(self, "names", image_names(self.location, files, folders))

    def read(self, name: str) -> bytes:
        """The bytes of one file."""
        return (self.location / name).read_bytes()


def _open_folder(path: Path) -> ImageSource:
    of_one_split = (path / "dataset_info.json").exists() and (path / "state.json").exists()
    if of_one_split or (path / "dataset_dict.json").exists():
        return saved_rows(path)
    images = FolderSource(path)
    if images.names:
        return images
    if shards := sorted(_files(path, _TAR)):
        return ShardSource(path, tuple(path / name for name in shards))
    if parts := sorted(_files(path, (_PARQUET,))):
        return parquet_rows(path, [path / name for name in parts])
    return images


def _files(root: Path, endings: tuple[str, ...], *, folders: bool = False) -> Iterator[str]:
    """Files (or folders) under `root` by their ending, relative to it, with `/`."""
    for folder, inner, files in os.walk(root, onerror=_refuse_folder):
        within = os.path.relpath(folder, root).replace(os.sep, "/")
        start = "" if within == "." else f"{within}/"
        names = (start + name for name in (inner if folders else files) if name.lower().endswith(endings))
        yield from (name for name in names if not is_hidden(name))


def _refuse_folder(error: OSError) -> Never:
    raise ValueError(f"{error.filename}: cannot be read ({error.strerror})") from error
