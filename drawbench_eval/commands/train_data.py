"""What `train` learns from: the settings of its data, and the images with captions that they name."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from drawbench_eval.captioned.source import CaptionColumns, Captioned

if TYPE_CHECKING:
    from drawbench_eval.captioned.data import CaptionedData
    from drawbench_eval.captioned.usable import Usable
    from drawbench_eval.images.decode import Pixels
    from drawbench_eval.scenes.dataset import Emphasis, SceneData

# Goes up when other pixels come out of the same source.
VERSION = 1


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """The training images.

    kind: where they come from. side: at which side they are kept; smaller ones are left out.
    num, seed, palette, many, related: of kind=scenes. path, captions, columns, split, revision: of others.
    """

    kind: Literal["scenes", "hf", "webdataset", "folder"]
    side: int
    num: int
    seed: int
    palette: str
    many: float
    related: float
    path: str | None
    captions: Path | None
    split: str | None
    revision: str | None
    columns: CaptionColumns

    def __post_init__(self) -> None:
        if self.side < 1:
            raise ValueError(f"side: {self.side}; write a side in pixels")
        self.emphasis()
        if self.kind != "scenes" and self.path is None:
            raise ValueError(f"path: a value is needed for kind={self.kind}")
        for name, kind in (("captions", "folder"), ("split", "hf"), ("revision", "hf")):
            if getattr(self, name) is not None and self.kind != kind:
                raise ValueError(f"{name}: {getattr(self, name)} is for kind={kind}, not {self.kind}")

    def emphasis(self) -> Emphasis:
        """Which scenes come more often. Raises ValueError for chances outside 0 to 1."""
        from drawbench_eval.scenes.dataset import Emphasis

        return Emphasis(many=self.many, related=self.related)


def scenes(data: DataSettings, folder: Path) -> SceneData:
    """The training scenes, rendered into `folder` on the first call."""
    from drawbench_eval.runs.progress import show_progress
    from drawbench_eval.scenes.dataset import SceneData

    if data.kind != "scenes":
        raise ValueError(f"data.kind: {data.kind} is for stages; this is trained on scenes")
    with show_progress("rendering scenes", total=data.num) as advance:
        return SceneData(
            folder,
            num=data.num,
            side=data.side,
            seed=data.seed,
            palette=data.palette,
            emphasis=data.emphasis(),
            report=advance,
        )


def captioned_data(data: DataSettings, folder: Path, shrink: Callable[[Pixels], Pixels]) -> CaptionedData:
    """The usable images of a source, prepared ones where `prepare_data` was here before.

    What is left out is counted on stderr and named in a file under `folder`.
    """
    from drawbench_eval.captioned.data import CaptionedData
    from drawbench_eval.captioned.prepare import CAPTIONS, RECORD
    from drawbench_eval.captioned.shards import open_shards
    from drawbench_eval.captioned.usable import Usable, read_usable, usable
    from drawbench_eval.runs.progress import show_progress

    source = open_source(data)
    prepared = _prepared(data, source, folder)
    if (prepared / RECORD).is_file():
        _say(read_usable(prepared / RECORD), prepared / RECORD)
        print(f"prepared images: {prepared}", file=sys.stderr)
        source = open_shards(prepared, CaptionColumns(caption=CAPTIONS))
        found = Usable(num_images=len(source), problems=())
    else:
        record = folder / f"usable-{_key(data, source)}.json"
        with show_progress("looking at images", total=len(source)) as advance:
            found = usable(source, record, min_side=data.side, advance=advance)
        _say(found, record)
    return CaptionedData(source, found, shrink=shrink, side=data.side)


def prepare_data(data: DataSettings, folder: Path, shrink: Callable[[Pixels], Pixels]) -> Path:
    """Writes the usable images as shards under `folder`, for `captioned_data`; returns where."""
    from drawbench_eval.captioned.prepare import RECORD, prepare
    from drawbench_eval.runs.progress import show_progress

    if data.kind == "scenes":
        raise ValueError("prepare: scenes are rendered at their side already; it is for the other data.kind")
    source = open_source(data)
    prepared = _prepared(data, source, folder)
    with show_progress("preparing images", total=len(source)) as advance:
        found = prepare(source, prepared, shrink=shrink, side=data.side, advance=advance)
    _say(found, prepared / RECORD)
    return prepared


def open_source(data: DataSettings) -> Captioned:
    """The images that the settings name, undecoded. Raises ValueError where they cannot be had."""
    assert data.path is not None
    if data.kind == "hf":
        from drawbench_eval.captioned.rows import open_dataset

        return open_dataset(data.path, split=data.split, revision=data.revision, columns=data.columns)
    if data.kind == "webdataset":
        from drawbench_eval.captioned.shards import open_shards

        return open_shards(Path(data.path), data.columns)
    from drawbench_eval.captioned.folder import open_folder

    return open_folder(Path(data.path), data.captions, data.columns)


def _key(data: DataSettings, source: Captioned) -> str:
    from drawbench_eval.files import digest

    return digest([VERSION, source.location, source.identity, data.side])[:10]


def _prepared(data: DataSettings, source: Captioned, folder: Path) -> Path:
    return folder / f"prepared-{_key(data, source)}"


def _say(found: Usable, record: Path) -> None:
    if found.problems:
        print(f"data: {found.said()}; named in {record}", file=sys.stderr)
