"""`Reference`: a named set of images, whose features are computed once and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from drawbench_eval.features.bank import FeatureSource, Handles, blocks
from drawbench_eval.features.base import Extractor
from drawbench_eval.files import sha256_bytes
from drawbench_eval.images.loading import load_ahead
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.protocol import Scalar
from drawbench_eval.stats.moments import Moments
from drawbench_eval.store import Arrays, Store

Pixels = NDArray[np.uint8]
Sizes = frozenset[tuple[int, int]]

_CHUNK = 256
# Decoded images wait in memory: a few for each thread.
_AHEAD = 64
_NUM_PROBES = 16
_IMAGES = "reference_images"


@dataclass(frozen=True, kw_only=True)
class Reference:
    """A named set of images. `sha256` stands for their content; `draw(i)` gives image i as uint8 RGB.

    `preparation` says what was done to the images before `draw` gives them, `location` where they lie.
    `selection`, where there was a choice: `full` or `matched` (the photographs that the prompts caption).
    `remarks` are what a reader of the run record should know, a line each.
    """

    name: str
    sha256: str
    num_images: int
    draw: Callable[[int], Pixels]
    store: Store
    preparation: Preparation = field(default_factory=Preparation)
    location: str | None = None
    selection: Literal["full", "matched"] | None = None
    remarks: tuple[str, ...] = ()

    def identity(self) -> Mapping[str, Scalar]:
        """The reference's part of a protocol. A full set is what a folder of the same images is."""
        return {
            "reference.sha256": self.sha256,
            "reference.n_requested": self.num_images,
            **self.preparation.identity("reference"),
            **({"reference.selection": "matched"} if self.selection == "matched" else {}),
        }

    @property
    def provenance(self) -> dict[str, Any]:
        """What a run record says of its reference."""
        return {
            "name": self.name,
            "sha256": self.sha256,
            "num_images": self.num_images,
            "location": self.location,
            "selection": self.selection,
            "remarks": list(self.remarks),
        }

    def check(self, extractor: Extractor) -> None:
        """Nothing: images suit every extractor."""

    def read(
        self, sources: Sequence[FeatureSource], *, advance: Callable[[int], None] = lambda _count: None
    ) -> None:
        """Takes the features that are not kept yet: every image is drawn once for all sources together."""
        lacking = [source for source in sources if not self._is_read(source)]
        if lacking:
            for source, taken in zip(lacking, self._take(lacking, advance), strict=True):
                self._images(source, taken)

    def handles(self, source: FeatureSource) -> Handles:
        """Handles of all images' features: images are read once, and again if their features were cleared."""
        self.read([source])
        return self._images(source)["handles"]

    def sizes(self, source: FeatureSource) -> Sizes:
        """The (height, width) that occur among the prepared images."""
        self.read([source])
        return frozenset((int(height), int(width)) for height, width in self._images(source)["sizes"])

    def moments(self, source: FeatureSource) -> Moments:
        """Count, mean and scatter of all images' features: computed once."""

        def make() -> Arrays:
            total = Moments.empty(source.extractor.dim)
            for block in blocks(source, self.handles(source)):
                total = total.merge(Moments.of(block))
            return {"packed": total.pack()}

        kept = self.store.get_or_make("reference_moments", self._key(source), make)
        return Moments.unpack(kept["packed"], source.extractor.dim)

    def _is_read(self, source: FeatureSource) -> bool:
        there = self.store.path(_IMAGES, self._key(source)).exists()
        return there and source.has(self._images(source)["handles"])

    def _images(self, source: FeatureSource, taken: Arrays | None = None) -> Arrays:
        """Handles and sizes as they are kept, or as they are now to be kept."""

        def make() -> Arrays:
            return self._take([source])[0] if taken is None else taken

        return self.store.get_or_make(_IMAGES, self._key(source), make)

    def _take(
        self, sources: Sequence[FeatureSource], advance: Callable[[int], None] = lambda _count: None
    ) -> list[Arrays]:
        """For each source the handles of all images, and their sizes (those that occur) as int32 [k, 2]."""
        parts: list[list[Handles]] = [[] for _ in sources]
        sizes: set[tuple[int, ...]] = set()
        for chunk in _chunks(load_ahead(self.draw, range(self.num_images), ahead=_AHEAD)):
            for source, part in zip(sources, parts, strict=True):
                part.append(source.take(chunk))
            sizes.update(image.shape[:2] for image in chunk)
            advance(len(chunk))
        found = np.array(sorted(sizes), dtype=np.int32)
        return [{"handles": np.concatenate(part), "sizes": found} for part in parts]

    def _key(self, source: FeatureSource) -> Mapping[str, Any]:
        return {
            "reference": self.sha256,
            "probe": self._probe,
            "extractor": dict(source.extractor.identity()),
            "handles": type(source).__name__,
        }

    @cached_property
    def _probe(self) -> str:
        """Hash of a few images: features of images that would be drawn differently today are not reused."""
        step = max(self.num_images // _NUM_PROBES, 1)
        return sha256_bytes(b"".join(self.draw(index).tobytes() for index in range(0, self.num_images, step)))


def _chunks(images: Iterator[Pixels]) -> Iterator[list[Pixels]]:
    while part := list(islice(images, _CHUNK)):
        yield part
