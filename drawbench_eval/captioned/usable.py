"""Which images can be trained on: every one is decoded once, and what is left out is counted and named."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from drawbench_eval.captioned.source import Captioned
from drawbench_eval.files import write_json
from drawbench_eval.images.decode import Pixels, decode
from drawbench_eval.images.loading import load_ahead
from drawbench_eval.images.prepare import Preparation

_SQUARE = Preparation(crop="center")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is wrong with an image or a caption.

    kind is for counting; `is_left_out` says whether the image cannot be used at all.
    """

    index: int
    name: str
    kind: str
    detail: str = ""
    is_left_out: bool = True


class Looked(NamedTuple):
    """An image that was looked at: its middle square, None where it is left out, and all that was wrong."""

    number: int
    pixels: Pixels | None
    problems: list[Problem]


@dataclass(frozen=True, kw_only=True)
class Usable:
    """Which images of a source are used, and what was wrong with it."""

    num_images: int
    problems: Sequence[Problem]

    @property
    def kept(self) -> list[int]:
        """Indices of the images that are used."""
        left_out = {problem.index for problem in self.problems if problem.is_left_out}
        return [index for index in range(self.num_images) if index not in left_out]

    @property
    def num_kept(self) -> int:
        """How many images are used."""
        return self.num_images - len({problem.index for problem in self.problems if problem.is_left_out})

    def said(self) -> str:
        """The counts in a line; empty where nothing was wrong."""
        if not self.problems:
            return ""
        counts = Counter(problem.kind for problem in self.problems)
        listed = ", ".join(f"{count} x {kind}" for kind, count in counts.most_common())
        return f"{self.num_images - self.num_kept} of {self.num_images} images are left out ({listed})"


def middle_square(source: Captioned, index: int, min_side: int) -> Pixels:
    """The middle square of an image, uint8 RGB. Raises OSError or ValueError where it cannot be used."""
    pixels = decode(source.read(index), source.names[index])
    height, width = pixels.shape[:2]
    if min(height, width) < min_side:
        raise SmallImageError(f"{width}x{height} pixels; {min_side} are needed")
    return _SQUARE.apply(pixels)


class SmallImageError(ValueError):
    """An image with fewer pixels than training asks for."""


def look(source: Captioned, indices: Sequence[int], *, min_side: int) -> Iterator[Looked]:
    """Every image in order, decoded by threads ahead of its turn."""
    return load_ahead(lambda index: _look(source, index, min_side), indices)


def _look(source: Captioned, index: int, min_side: int) -> Looked:
    name = source.names[index]
    empty = len(source.captions[index]) - len(source.spoken(index))
    if not source.spoken(index):
        kind = "empty caption" if empty else "no caption"
        return Looked(index, None, [Problem(index=index, name=name, kind=kind)])
    try:
        pixels = middle_square(source, index, min_side)
    except SmallImageError as error:
        return Looked(index, None, [Problem(index=index, name=name, kind="too small", detail=str(error))])
    except FileNotFoundError as error:
        return Looked(index, None, [Problem(index=index, name=name, kind="missing", detail=str(error))])
    except (OSError, ValueError) as error:
        return Looked(index, None, [Problem(index=index, name=name, kind="unreadable", detail=str(error))])
    others = f"{empty} of {len(source.captions[index])} captions"
    partly = Problem(index=index, name=name, kind="empty caption", detail=others, is_left_out=False)
    return Looked(index, pixels, [partly] if empty else [])


def usable(
    source: Captioned, record: Path, *, min_side: int, advance: Callable[[int], None] = lambda _: None
) -> Usable:
    """What of a source can be used; `record` keeps it, and is read instead where it is there.

    `record` names every problem. Its name must change with the source and with `min_side`.
    """
    if record.is_file():
        return read_usable(record)
    problems = []
    for looked in look(source, range(len(source)), min_side=min_side):
        problems += looked.problems
        advance(1)
    found = Usable(num_images=len(source), problems=problems)
    write_usable(record, source.location, found)
    return found


def write_usable(record: Path, location: str, found: Usable) -> None:
    """Writes the record that `read_usable` reads."""
    counts = Counter(problem.kind for problem in found.problems)
    write_json(
        record,
        {
            "location": location,
            "num_images": found.num_images,
            "num_kept": found.num_kept,
            "counts": dict(counts.most_common()),
            "problems": [vars(problem) for problem in found.problems],
        },
    )


def read_usable(record: Path) -> Usable:
    """What `write_usable` wrote. Raises ValueError for a damaged record."""
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
        problems = [Problem(**problem) for problem in content["problems"]]
        return Usable(num_images=content["num_images"], problems=problems)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{record}: damaged ({error}); remove it to look at the images again") from error
