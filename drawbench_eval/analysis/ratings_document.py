"""A finished ratings.json, read back: which of its entries are shown, and those about chosen models alone."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from drawbench_eval.files import sha256_bytes
from drawbench_eval.ratings.aggregation.document import SCHEMA_VERSION
from drawbench_eval.ratings.shown import SHOWN_FILE, Seen, ShownImages, read_shown

Entry = Mapping[str, Any]

FILE_NAME = "ratings.json"
# Lists whose entries each say of which raters, and of which models, they are.
_LISTS = ("results", "comparisons", "on_par", "categories", "agreement", "rankings", "metrics", "not_offered")
_NEEDED = ("schema_version", "name", "form", "questions", "counts", "files", "raters", *_LISTS)


@dataclass(frozen=True, kw_only=True)
class RatingsDocument:
    """`values` as `drawbench-eval ratings` wrote them into the file of this path and SHA-256.

    `seen`: for each model whose images' hashes are known, what runs or sets, by name, have of the images that
    raters saw; None where no hash is known, or nobody looked.
    """

    path: Path
    sha256: str
    values: Entry
    seen: Mapping[str, Mapping[str, Seen]] | None = None

    @property
    def name(self) -> str:
        """What the results are called."""
        return str(self.values["name"])

    def shown(self, key: str) -> list[Entry]:
        """The entries of the list `key` that are shown: about all prompts, by the raters that count."""
        raters = shown_raters(self.values)
        return [
            entry
            for entry in self.values[key]
            if entry["raters"] == raters and entry.get("subset", "all") == "all"
        ]

    def models(self) -> tuple[str, ...]:
        """Every model that was rated, in the order in which results name them."""
        return tuple(dict.fromkeys(model for row in self.values["results"] for model in _models(row)))

    def references(self) -> tuple[str, ...]:
        """What photographs are called among the models."""
        named = [one["reference"] for one in (*self.values["on_par"], *self.values["questions"].values())]
        return tuple(dict.fromkeys(str(name) for name in named if name))

    def shown_images(self) -> ShownImages | None:
        """Which images raters saw, by the images.json beside it; None where that is not known.

        Raises ValueError where it is something else.
        """
        beside = self.path.with_name(SHOWN_FILE)
        return read_shown(beside) if self.values.get("images") and beside.is_file() else None

    def about(self, models: Collection[str]) -> "RatingsDocument":
        """The same without the entries that name a model which is neither one of `models` nor a reference."""
        known = {*models, *self.references()}
        kept = {key: [one for one in self.values[key] if set(_models(one)) <= known] for key in _LISTS}
        return replace(self, values={**self.values, **kept})


def shown_raters(values: Entry) -> str:
    """Whose entries are shown: "kept" where a rule left raters out, else "all"."""
    return "kept" if any(row["raters"] == "kept" for row in values["results"]) else "all"


def read_ratings_document(path: Path) -> RatingsDocument:
    """The ratings.json at `path`, or in the folder `path`.

    Raises ValueError where there is none, and for JSON that is cut or is something else.
    """
    if path.is_dir():
        path = path / FILE_NAME
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ValueError(
            f"{path}: cannot be read ({error.strerror}); name a {FILE_NAME} that drawbench-eval ratings wrote"
        ) from error
    try:
        values = json.loads(data)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: not JSON ({error}); drawbench-eval ratings writes it anew") from error
    absent = [key for key in _NEEDED if key not in values] if isinstance(values, Mapping) else list(_NEEDED)
    if absent:
        raise ValueError(
            f"{path}: not a {FILE_NAME} of drawbench-eval ratings; it has no {', '.join(absent[:3])}"
        )
    if values["schema_version"] != SCHEMA_VERSION:
        raise ValueError(
            f"{path}: schema_version {values['schema_version']}; this version reads {SCHEMA_VERSION}"
        )
    return RatingsDocument(path=path, sha256=sha256_bytes(data), values=values)


def _models(entry: Entry) -> tuple[str, ...]:
    """The models that an entry is about; none where it is about all of them."""
    if entry.get("pair"):
        return tuple(entry["pair"])
    if entry.get("model"):
        return (str(entry["model"]),)
    return tuple(str(one["model"]) for one in entry.get("models", ()))
