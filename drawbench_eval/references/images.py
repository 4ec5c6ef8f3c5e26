"""References of photographs: the image files of a folder, an archive or a dataset, or arrays in memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from drawbench_eval.features.bank import content_key
from drawbench_eval.files import digest
from drawbench_eval.images.decode import decode
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.images.source import ImageSource, open_source
from drawbench_eval.references.base import Pixels, Reference
from drawbench_eval.references.hashes import Progress, content_hashes, silent
from drawbench_eval.store import Store


def folder_reference(
    path: Path, preparation: Preparation, *, store: Store, progress: Progress = silent
) -> Reference:
    """The images of a folder or archive, in any order and under any names: their content is the identity.

    Raises ValueError where there are none, and, naming the file, where one cannot be read (later, where it
    cannot be decoded or prepared): a reference is whole or it is another one.
    """
    source = open_images(path)
    return files_reference("folder", source, source.names, preparation, store=store, progress=progress)


def open_images(path: Path) -> ImageSource:
    """The images at `reference.path`. Raises ValueError where there are none."""
    try:
        source = open_source(path)
    except ValueError as error:
        raise ValueError(f"reference.path: {error}") from error
    if not source.names:
        raise ValueError(f"reference.path: {path} holds no images")
    return source


def files_reference(
    name: str,
    source: ImageSource,
    files: Sequence[str],
    preparation: Preparation,
    *,
    store: Store,
    progress: Progress = silent,
    selection: Literal["full", "matched"] | None = None,
    remarks: Sequence[str] = (),
) -> Reference:
    """The reference of these files of a source. Raises ValueError, naming the file, as `folder_reference`."""
    path = source.location

    def read(file: str) -> bytes:
        try:
            return source.read(file)
        except OSError as error:
            raise ValueError(f"reference.path: {path}: {file} cannot be read ({error})") from error

    def draw(index: int) -> Pixels:
        file = files[index]
        data = read(file)
        try:
            image = decode(data, file)
        except ValueError as error:
            raise ValueError(f"reference.path: {path}: {error}") from error
        try:
            return preparation.apply(image)
        except ValueError as error:
            raise ValueError(f"reference.path: {path}: {file}: {error}") from error

    hashes = content_hashes(source, files, read, store=store, progress=progress)
    return Reference(
        name=name,
        sha256=digest({"images": sorted(hashes), **preparation.identity("reference")}),
        num_images=len(files),
        draw=draw,
        store=store,
        preparation=preparation,
        location=str(path),
        selection=selection,
        remarks=tuple(remarks),
    )


def images_reference(images: Sequence[Pixels], preparation: Preparation, *, store: Store) -> Reference:
    """Images that are in memory, already prepared as `preparation` says."""
    if not images:
        raise ValueError("reference: there are no images; give at least one")
    return Reference(
        name="images",
        sha256=digest(sorted(content_key(image).hex() for image in images)),
        num_images=len(images),
        draw=images.__getitem__,
        store=store,
        preparation=preparation,
    )
