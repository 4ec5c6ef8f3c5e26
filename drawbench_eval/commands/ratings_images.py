"""Whether raters saw the very images of runs: the hashes beside ratings, held against manifests."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from drawbench_eval.analysis.ratings_document import RatingsDocument
from drawbench_eval.ratings.schema import SAMPLES_SEPARATOR
from drawbench_eval.ratings.shown import (
    SHOWN_FILE,
    Seen,
    ShownImages,
    find_again,
    merged,
    read_shown,
    require_again,
)
from drawbench_eval.samples import MANIFEST, Sample, SampleSet


def shown_beside(paths: Sequence[Path], named: Sequence[Path] | None) -> ShownImages | None:
    """What raters saw, by the files that are `named`, or by each images.json beside a file of ratings.

    None where nobody says it. Raises ValueError where one cannot be read, or two contradict each other.
    """
    beside = dict.fromkeys(path.parent / SHOWN_FILE for path in paths)
    chosen = [path for path in beside if path.is_file()] if named is None else list(named)
    return merged({path: read_shown(path) for path in chosen}) if chosen else None


def images_of_runs(
    shown: ShownImages | None, runs: Mapping[str, Any] | None, table: pd.DataFrame
) -> dict[str, Any] | None:
    """The entry "images" of ratings.json; None where no hash of an image is known.

    Raises ValueError where a run (by its model's name) has other images than raters saw.
    """
    if shown is None:
        return None
    rated = _rated_samples(table)
    held = {}
    for model, folder in (runs or {}).items():
        if model not in shown or not isinstance(folder, str):
            continue
        samples = _samples(Path(folder))
        if samples is not None:
            held[model] = require_again(shown[model], samples, where=f"runs.{model}: {folder}")
    return {
        "num": sum(map(len, shown.values())),
        "num_without_hash": sum(
            len(ids - shown.get(model, {}).keys()) for model, ids in rated.items() if model in shown
        ),
        "runs": {model: seen.counts for model, seen in held.items()},
    }


def held_against_sets(
    key: str, documents: Iterable[RatingsDocument], folders: Mapping[str, Path | None]
) -> tuple[RatingsDocument, ...]:
    """The documents with what is known of the sets that bear their models' names, by the runs' folders.

    Raises ValueError, opening with `key`, where a set has other images than raters saw.
    """
    found = []
    for document in documents:
        shown = document.shown_images()
        seen = {}
        for model in document.models():
            samples = _samples(folders.get(model))
            if shown is not None and model in shown and samples is not None:
                where = f"{key}: {document.path}: {model}: {folders[model]}"
                seen[model] = {model: require_again(shown[model], samples, where=where)}
        found.append(document if shown is None else replace(document, seen=seen))
    return tuple(found)


def found_in_runs(
    documents: Iterable[RatingsDocument], folders: Mapping[str, Path | None]
) -> tuple[RatingsDocument, ...]:
    """The documents with the runs, by name, that have images which raters saw of each model."""
    found = []
    for document in documents:
        shown = document.shown_images()
        if shown is None:
            found.append(document)
            continue
        sets = {name: samples for name, folder in folders.items() if (samples := _samples(folder))}
        seen: dict[str, dict[str, Seen]] = {}
        for model in document.models():
            if model in shown:
                each = {name: find_again(shown[model], samples) for name, samples in sets.items()}
                seen[model] = {name: one for name, one in each.items() if one.num_same}
        found.append(replace(document, seen=seen))
    return tuple(found)


def _samples(folder: Path | None) -> tuple[Sample, ...] | None:
    """What the manifest of a run lists; None without one."""
    if folder is None or not (folder / "samples" / MANIFEST).is_file():
        return None
    return SampleSet.read(folder / "samples").samples


def _rated_samples(table: pd.DataFrame) -> dict[str, set[str]]:
    """Model -> ids of the samples in its ratings, controls not counted."""
    found: dict[str, set[str]] = {}
    if "rate" in table:
        return found
    judged = table[~table["is_control"]]
    pairs = (("model_a", "sample_ids_a"), ("model_b", "sample_ids_b"))
    for model, ids in pairs if "choice" in table else (("model", "sample_ids"),):
        for name, cell in judged[[model, ids]].drop_duplicates().itertuples(index=False, name=None):
            found.setdefault(name, set()).update(cell.split(SAMPLES_SEPARATOR) if cell else ())
    return found
