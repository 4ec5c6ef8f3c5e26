"""Which images raters saw, by content, and whether a set of samples has these very ones.

Ratings name samples by ids, and an id says nothing of pixels: a model that was run again has the same ids and
other images. So a survey hands the hashes on beside the ratings, as `images.json`.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drawbench_eval.files import write_json
from drawbench_eval.samples import Sample

SHOWN_FILE = "images.json"
_VERSION = 1
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHORT = 12
_HINT = "name a run of the very images of the survey"

# Model -> sample id -> SHA-256 of the image's file.
ShownImages = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Of `num_shown` images of a model that raters saw, a set has `num_same`.

    `changed`: ids of samples that are other images there. The rest are not there.
    """

    num_shown: int
    num_same: int
    changed: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """As JSON has it."""
        absent = self.num_shown - self.num_same - len(self.changed)
        return {"shown": self.num_shown, "same": self.num_same, "absent": absent}


def find_again(shown: Mapping[str, str], samples: Iterable[Sample]) -> Seen:
    """Holds the images of one model (sample id -> SHA-256) against a set of samples.

    An id that both know must stand for one image; an image whose id the set does not know is looked for by
    its hash, since sets that were imported under other patterns have other ids.
    """
    by_id = {sample.sample_id: sample.sha256 for sample in samples if sample.sha256}
    hashes = set(by_id.values())
    changed = tuple(name for name, sha256 in shown.items() if by_id.get(name, sha256) != sha256)
    num_same = sum(sha256 in hashes for name, sha256 in shown.items() if name not in changed)
    return Seen(num_shown=len(shown), num_same=num_same, changed=changed)


def require_again(shown: Mapping[str, str], samples: Iterable[Sample], *, where: str) -> Seen:
    """As `find_again`.

    Raises ValueError, naming `where` and a sample, for other images under the same ids and for none at all.
    """
    samples = tuple(samples)
    seen = find_again(shown, samples)
    if seen.changed:
        name = seen.changed[0]
        found = next(sample.sha256 for sample in samples if sample.sample_id == name)
        raise ValueError(
            f"{where}: sample {name!r} is not the image that raters saw (SHA-256 {found[:_SHORT]}..., they "
            f"saw {shown[name][:_SHORT]}...), one of {len(seen.changed)} of {len(shown)}; {_HINT}"
        )
    if shown and not seen.num_same:
        raise ValueError(
            f"{where}: has none of the {len(shown)} images that raters saw, such as sample "
            f"{next(iter(shown))!r}; {_HINT}"
        )
    return seen


def write_shown(path: Path, images: ShownImages) -> None:
    """Writes it as JSON, atomically."""
    write_json(path, {"schema_version": _VERSION, "images": images})


def read_shown(path: Path) -> dict[str, dict[str, str]]:
    """What `write_shown` wrote. Raises ValueError, naming file and part, where it is something else."""
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be read ({error.strerror}); name an {SHOWN_FILE} as survey writes it"
        ) from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not JSON ({error}); name an {SHOWN_FILE} as survey writes it") from error
    if not isinstance(about, Mapping) or about.get("schema_version") != _VERSION:
        raise ValueError(
            f'{path}: not {{"schema_version": {_VERSION}, "images": {{MODEL: {{SAMPLE: SHA256}}}}}}'
        )
    try:
        return as_shown(about.get("images"))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def as_shown(images: Any) -> dict[str, dict[str, str]]:
    """A value out of JSON that must be `ShownImages`. Raises ValueError, naming the part, where it is not."""
    if not isinstance(images, Mapping):
        raise ValueError(f"images: {images!r} is not a table of models")
    for model, samples in images.items():
        if not isinstance(samples, Mapping):
            raise ValueError(f"images.{model}: {samples!r} is not a table of samples and their SHA-256")
        for name, sha256 in samples.items():
            if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
                raise ValueError(f"images.{model}.{name}: {sha256!r} is not 64 hex digits")
    return {model: dict(samples) for model, samples in images.items()}


def merged(found: Mapping[Path, ShownImages]) -> dict[str, dict[str, str]]:
    """The images of several files together. Raises ValueError where one sample is two images."""
    together: dict[str, dict[str, str]] = {}
    for path, images in found.items():
        for model, samples in images.items():
            known = together.setdefault(model, {})
            for name, sha256 in samples.items():
                if known.setdefault(name, sha256) != sha256:
                    raise ValueError(
                        f"{path}: images.{model}.{name}: another image than in the files before; ratings of "
                        "other images cannot be read as one collection"
                    )
    return together
