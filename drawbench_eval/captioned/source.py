"""Images with captions as they lie somewhere: names, captions, and the bytes of any image at any time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from drawbench_eval.files import digest


@dataclass(frozen=True, kw_only=True)
class Captioned:
    """Images with captions, undecoded.

    Attributes:
        location: what the user named.
        names: of the images, unique, in the order in which they lie.
        captions: of each, as found: an image may have several, none, and empty ones.
        read: index -> the encoded image; from any thread or process. Raises OSError where it cannot be had.
    """

    location: str
    names: Sequence[str]
    captions: Sequence[Sequence[str]]
    read: Callable[[int], bytes]

    def __len__(self) -> int:
        return len(self.names)

    def spoken(self, index: int) -> list[str]:
        """The captions of an image that are not empty, without white space around them."""
        return [caption.strip() for caption in self.captions[index] if caption.strip()]

    @property
    def identity(self) -> str:
        """A hash of names and captions; the images themselves are not read."""
        return digest([list(self.names), [list(captions) for captions in self.captions]])


@dataclass(frozen=True, kw_only=True)
class CaptionColumns:
    """Where image and caption stand; null takes what the kind of data usually has."""

    image: str | None = None
    caption: str | None = None
