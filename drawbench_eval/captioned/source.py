"""Images with captions as they lie somewhere: names, captions, and the bytes of any image at any time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from drawbench_eval.files import digest


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """Images with captions, undecoded.

    Attributes:
        location: what the user named.
        names: of the images, unique, in the order in which they lie.
        captions: of each, as found: an image may have several, none, and empty ones.
        version: what changes when an image is replaced, such as sizes and times of files; JSON.
        read: index -> the encoded image; from any thread or process. Raises OSError where it cannot be had.
    """

    location: str
    names: Sequence[str]
    captions: Sequence[Sequence[str]]
    version: Sequence[object]
    read: Callable[[int], bytes]

    def __len__(self) -> int:
        return len(self.names)

    def spoken(self, index: int) -> list[str]:
        """The captions of an image that are not empty, without white space around them."""
        return [caption.strip() for caption in self.captions[index] if caption.strip()]

    @property
    def identity(self) -> str:
        """A hash of names, captions and version; the images themselves are not read."""
        captions = [list(captions) for captions in self.captions]
        return digest([list(self.names), captions, list(self.version)])


def file_version(path: Path) -> tuple[int, int] | None:
    """Size and time of change (ns) of a file; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_size, found.st_mtime_ns


@dataclass(frozen=True, kw_only=True)
class CaptionColumns:
    """Where image and caption stand; null takes what the kind of data usually has."""

    image: str | None = None
    caption: str | None = None
