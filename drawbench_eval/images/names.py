"""Which names in a folder or archive are images."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")


def image_names(location: Path, names: Iterable[str], folders: Iterable[str] = ()) -> tuple[str, ...]:
    """The names of images among `names`, sorted: by their ending, and not hidden.

    A folder that is named like an image and holds none stands for an image that cannot be read: somebody
    meant one to be there. Raises ValueError for a name that stands twice, and for one that is not UTF-8.
    """
    found = [name for name in names if _is_image(name)]
    for folder in filter(_is_image, folders):
        if not any(name.startswith(f"{folder}/") for name in found):
            found.append(folder)
    found.sort()
    for name, following in pairwise(found):
        if name == following:
            raise ValueError(f"{location}: holds {name} twice; names must be unique")
    for name in found:
        if not (name.isascii() or _is_utf8(name)):
            raise ValueError(f"{location}: the name {name!r} is not UTF-8; rename the file")
    return tuple(found)


def _is_image(name: str) -> bool:
    return name.lower().endswith(IMAGE_SUFFIXES) and not is_hidden(name)


def is_hidden(name: str) -> bool:
    """Whether a part of the name is one that its maker did not mean to show."""
    return any(part.startswith((".", "__MACOSX")) for part in name.split("/"))


def _is_utf8(name: str) -> bool:
    # Python keeps bytes of a name that are not UTF-8 as lone surrogates, which no file of ours can hold.
    return not any("\ud800" <= character <= "\udfff" for character in name)
