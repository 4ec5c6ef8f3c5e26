"""`SampleSet`: a folder of images with a `manifest.csv` that says what each was asked to show.

Images are keyed by sample id and never by file order or by the prompt in a file name. A file that is missing,
cannot be read or is not the one in the manifest gives no pixels and a reason, so that it can be counted.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drawbench_eval.csv_text import csv_text
from drawbench_eval.files import atomic_path, sha256_bytes, write_json, write_text
from drawbench_eval.images.decode import decode
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.images.source import ImageSource, open_source

Pixels = NDArray[np.uint8]

COLUMNS = ("sample_id", "prompt_id", "prompt", "category", "seed", "path", "sha256")
MANIFEST = "manifest.csv"
SET_FILE = "set.json"
_SHA256 = re.compile(r"[0-9a-f]{64}")


Status = Literal["ok", "missing", "unreadable", "blank", "flagged"]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One image.

    `path` is relative to the set's folder, with `/`; it and `sha256` are empty for an image never made.
    """

    sample_id: str
    prompt_id: str
    prompt: str
    category: str
    seed: int
    path: str
    sha256: str

    def __post_init__(self) -> None:
        path = PurePosixPath(self.path)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"path {self.path!r} must lie within the set's folder")
        if bool(self.path) != bool(self.sha256):
            raise ValueError("path and sha256 must both be given, or both be empty for an image never made")
        if self.sha256 and not _SHA256.fullmatch(self.sha256):
            raise ValueError(f"sha256 {self.sha256!r} is not 64 hex digits")


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """One image as it was found: pixels, or the reason why there are none.

    "blank": every pixel is the same, as pipelines answer where a filter struck. "flagged": `set.json` says
    that a filter struck. Neither is scored.
    """

    image: Pixels | None
    status: Status
    detail: str = ""


@dataclass(frozen=True, kw_only=True)
class SampleSet:
    """The samples of a folder, in the manifest's order.

    Hashes are checked when an image is loaded, not before. `source` is where the images lie if not in the
    folder itself (`"images"` in set.json): those that somebody else made stay where they are. `flagged` holds
    the ids of samples that a pipeline's filter struck (`"flagged"` in set.json).
    """

    folder: Path
    samples: tuple[Sample, ...]
    source: ImageSource | None = None
    flagged: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        _refuse_duplicates(self.folder / MANIFEST, enumerate(self.samples, start=2), "row")

    @classmethod
    def read(cls, folder: Path) -> SampleSet:
        """The set that `folder/manifest.csv` describes.

        Raises ValueError, with the line, where it is not one.
        """
        path = folder / MANIFEST
        try:
            text = path.read_bytes().decode("utf-8-sig")
        except FileNotFoundError as error:
            raise ValueError(
                f"{path}: not found; a sample set is a folder with images and {MANIFEST}"
            ) from error
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{path}: cannot be read ({error}); it must be a UTF-8 text file") from error
        rows = list(_rows(path, text))
        _refuse_duplicates(path, rows, "line")
        source, flagged = _set_file(folder)
        samples = tuple(sample for _, sample in rows)
        return cls(folder=folder, samples=samples, source=source, flagged=flagged)

    @classmethod
    def write(cls, folder: Path, samples: Sequence[Sample], made_by: Mapping[str, Any]) -> SampleSet:
        """Writes `manifest.csv` and `set.json` beside images that are already there, each atomically."""
        made = cls(folder=folder, samples=tuple(samples))
        made.save(made_by)
        return made

    def save(self, made_by: Mapping[str, Any]) -> None:
        """Writes `manifest.csv` and `set.json` into `folder`, each atomically."""
        rows = (map(str, astuple(sample)) for sample in self.samples)
        about = {"schema_version": 1, "num_samples": len(self.samples), "made_by": dict(made_by)}
        if self.source is not None:
            about["images"] = str(self.source.location.resolve())
        if self.flagged:
            about["flagged"] = sorted(self.flagged)
        write_json(self.folder / SET_FILE, about)
        write_text(self.folder / MANIFEST, csv_text(COLUMNS, rows))

    def load(self, sample: Sample, preparation: Preparation | None = None) -> Loaded:
        """The pixels of one sample, held against the manifest's hash, then prepared."""
        return self.load_with_bytes(sample, preparation)[0]

    def load_with_bytes(
        self, sample: Sample, preparation: Preparation | None = None
    ) -> tuple[Loaded, bytes | None]:
        """As `load`, and the file that it was made of; None where that could not be had."""

        def without(status: Status, detail: object) -> Loaded:
            return Loaded(image=None, status=status, detail=f"{sample.sample_id}: {detail}")

        if sample.sample_id in self.flagged:
            return without("flagged", "struck by the pipeline's filter"), None
        if not sample.path:
            return without("missing", "never made"), None
        data = None
        try:
            data = self.read_bytes(sample)
            if sha256_bytes(data) != sample.sha256:
                raise ValueError(f"{sample.path}: its content is not the one in {MANIFEST}")
            image = decode(data, sample.path)
            if is_blank(image):
                return without("blank", f"{sample.path}: every pixel is the same"), data
            return Loaded(image=preparation.apply(image) if preparation else image, status="ok"), data
        except FileNotFoundError:
            return without("missing", sample.path), None
        except (OSError, ValueError) as error:
            return without("unreadable", error), data

    def read_bytes(self, sample: Sample) -> bytes:
        """The file of one sample. Raises OSError where it cannot be had."""
        return self.source.read(sample.path) if self.source else (self.folder / sample.path).read_bytes()


def is_blank(image: Pixels) -> bool:
    """Whether every pixel is the same."""
    return bool((image == image[:1, :1]).all())


def _set_file(folder: Path) -> tuple[ImageSource | None, frozenset[str]]:
    """Where set.json says that the images lie, if it does, and which were flagged."""
    path = folder / SET_FILE
    if not path.exists():
        return None, frozenset()
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        flagged = frozenset(map(str, about.get("flagged", ())))
        images = about.get("images")
    except (json.JSONDecodeError, UnicodeDecodeError, AttributeError, TypeError) as error:
        raise ValueError(f"{path}: not a JSON object ({error})") from error
    if images is None or not Path(images).exists():
        return None, flagged
    return open_source(Path(images)), flagged


def load_image(path: Path) -> Pixels:
    """An image file as uint8 RGB [height, width, 3]. Raises ValueError where it is none."""
    try:
        return decode(path.read_bytes(), str(path))
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror})") from error


def save_image(path: Path, image: Pixels) -> str:
    """Writes uint8 RGB [height, width, 3] as PNG, atomically, and gives the file's SHA-256."""
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, format="PNG")
    data = buffer.getvalue()
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
    return sha256_bytes(data)


def _rows(path: Path, text: str) -> Iterable[tuple[int, Sample]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if tuple(header) != COLUMNS:
            raise ValueError(
                f"{path}: its first line is {','.join(header)!r}; it must be {','.join(COLUMNS)!r}"
            )
        for cells in reader:
            yield reader.line_num, _sample(path, reader.line_num, cells)
    except csv.Error as error:
        raise ValueError(f"{path} line {reader.line_num}: not CSV ({error})") from error


def _sample(path: Path, line: int, cells: list[str]) -> Sample:
    if len(cells) != len(COLUMNS):
        raise ValueError(f"{path} line {line}: {len(cells)} cells; it must have {len(COLUMNS)}")
    row = dict(zip(COLUMNS, cells, strict=True))
    try:
        seed = int(row["seed"])
    except ValueError as error:
        raise ValueError(f"{path} line {line}: seed {row['seed']!r} is not a whole number") from error
    try:
        return Sample(
            sample_id=row["sample_id"],
            prompt_id=row["prompt_id"],
            prompt=row["prompt"],
            category=row["category"],
            seed=seed,
            path=row["path"],
            sha256=row["sha256"],
        )
    except ValueError as error:
        raise ValueError(f"{path} line {line}: {error}") from error


def _refuse_duplicates(path: Path, rows: Iterable[tuple[int, Sample]], place: str) -> None:
    ids: dict[str, int] = {}
    paths: dict[str, int] = {}
    for line, sample in rows:
        for kind, value, seen in (("sample_id", sample.sample_id, ids), ("path", sample.path, paths)):
            if value and value in seen:
                raise ValueError(
                    f"{path} {place} {line}: {kind} {value!r} stands already in {place} {seen[value]}"
                )
            seen[value] = line
        if not sample.sample_id:
            raise ValueError(f"{path} {place} {line}: sample_id is empty; every sample needs one of its own")
