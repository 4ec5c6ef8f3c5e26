"""Images with captions as training asks for them: any of them, square, at one side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from drawbench_eval.captioned.source import Captioned
from drawbench_eval.captioned.usable import Usable, middle_square
from drawbench_eval.files import digest, sha256_bytes
from drawbench_eval.images.decode import Pixels


class CaptionedData:
    """The usable images of a source, as `imagen_ref.data.ImageTextData`.

    Args:
        source: the images.
        usable: which of them are used.
        shrink: a square image -> uint8 [side, side, 3].
        side: what `shrink` makes; smaller images are not used.
    """

    def __init__(
        self, source: Captioned, usable: Usable, *, shrink: Callable[[Pixels], Pixels], side: int
    ) -> None:
        self._source, self._kept = source, np.asarray(usable.kept, dtype=np.int64)
        self._shrink, self._side = shrink, side
        if len(self._kept) == 0:
            raise ValueError(f"data.path: {source.location} has no image to train on; {usable.said()}")

    def __len__(self) -> int:
        return len(self._kept)

    @cached_property
    def identity(self) -> str:
        """A hash of the side, all captions and the first image: the same for prepared and unprepared data.

        Raises ValueError for a first image that cannot be read any more.
        """
        captions = [self._source.spoken(int(index)) for index in self._kept]
        return digest([self._side, captions, sha256_bytes(self.images([0]).tobytes())])

    def images(self, indices: Sequence[int]) -> Pixels:
        """uint8 [B, side, side, 3]. Raises ValueError for an image that cannot be read any more."""
        return np.stack([self._image(int(self._kept[index])) for index in indices])

    def captions(self, indices: Sequence[int], epoch: int) -> list[str]:
        """A caption of each; of several, the next one in every epoch."""
        texts = []
        for index in indices:
            spoken = self._source.spoken(int(self._kept[index]))
            texts.append(spoken[(index + epoch) % len(spoken)])
        return texts

    def every_caption(self) -> list[str]:
        """All that `captions` can ever give."""
        return [caption for index in self._kept for caption in self._source.spoken(int(index))]

    def _image(self, index: int) -> Pixels:
        try:
            return self._shrink(middle_square(self._source, index, self._side))
        except (OSError, ValueError) as error:
            name = self._source.names[index]
            raise ValueError(
                f"{self._source.location}: {name} was readable and is no longer ({error})"
            ) from error
