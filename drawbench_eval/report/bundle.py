"""The evidence of a report in one archive: everything its figures and intervals come from, and no images.

A bundle is a results folder in a ZIP: `runs/<label>-<hash>/` with run.json, scores.parquet and the sample
manifest, the sweep, the protocols, the kept features of the runs' images with the reference's moments, and
`bundle.json` with the SHA-256 of every file. Reading one checks all of them, that each run's id is the hash
of its settings, and that recorded means are the means of the scores.
"""

from __future__ import annotations

import json
import math
import shutil
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from safetensors.numpy import save

from drawbench_eval.analysis.collect import Run, protocol_of, read_run
from drawbench_eval.analysis.measures import INFLUENCES
from drawbench_eval.analysis.paired import read_scores
from drawbench_eval.features.bank import KIND, content_key
from drawbench_eval.files import atomic_path, sha256_bytes, sha256_file
from drawbench_eval.images.prepare import Preparation
from drawbench_eval.report.data import ReportData
from drawbench_eval.runs.identity import run_id
from drawbench_eval.runs.sweep import sweep_path
from drawbench_eval.samples import MANIFEST, SampleSet
from drawbench_eval.store import entries, read_arrays

FORMAT = 1
CONTENTS = "bundle.json"
_ABOUT = """Evidence of a drawbench-eval report: no images.

drawbench-eval report results=THIS_FILE output=FOLDER rebuilds every figure and interval, after checking all
hashes. Unpacked, this is a results folder: drawbench-eval evaluate results=FOLDER adds a run to it.
runs/*/scores.parquet: a row a sample; a Frechet distance's column holds influence values.
features/<run id>-<extractor>.safetensors: `vectors`, in the order of the metadata's sample_ids.
"""
_UNFINISHED = "unfinished"
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, OverflowError, struct.error)
# The earliest date that a ZIP can hold: the same evidence is the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


def write_bundle(data: ReportData, results: Path, path: Path) -> str:
    """Writes the bundle of the report's runs to `path` (.zip); gives the archive's SHA-256.

    Who publishes that hash lets others see that the archive is the one that was published.
    """
    files: dict[str, bytes] = {"README.txt": _ABOUT.encode("utf-8")}
    if data.sweep is not None:
        source = sweep_path(results, data.sweep.name)
        files[f"sweeps/{source.name}"] = source.read_bytes()
    protocols: dict[str, Mapping[str, Any]] = {}
    for run in data.runs:
        if run.folder is None:
            continue
        place = f"runs/{run.folder.name}"
        if run.record is None:
            files[f"{place}/{_UNFINISHED}"] = b""
        for name in ("run.json", "scores.parquet", f"samples/{MANIFEST}"):
            if (run.folder / name).exists():
                files[f"{place}/{name}"] = (run.folder / name).read_bytes()
        protocols |= dict(protocol_of(entry) for entry in run.metrics.values())
    files["protocols.json"] = _json(protocols)
    files |= _features(data.complete, results / "store")
    contents = {
        "format": FORMAT,
        "program": f"drawbench-eval {version('drawbench-eval')}",
        "sweep": data.sweep.name if data.sweep else None,
        "files": {name: sha256_bytes(files[name]) for name in sorted(files)},
    }
    with atomic_path(path) as temporary, zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in sorted({**files, CONTENTS: _json(contents)}.items()):
            archive.writestr(zipfile.ZipInfo(name, _DATE), content, zipfile.ZIP_DEFLATED)
    return sha256_file(path)


@contextmanager
def opened(path: Path, *, sha256: str | None = None) -> Iterator[tuple[Path, str | None]]:
    """The bundle unpacked as a results folder for as long as the block runs, and its sweep's name.

    Raises ValueError, naming the file, where anything is not what was bundled (see `unpack`).
    """
    with TemporaryDirectory(prefix="drawbench-eval-bundle-") as name:
        folder = Path(name)
        yield folder, unpack(path, folder, sha256=sha256)


def unpack(path: Path, folder: Path, *, sha256: str | None = None) -> str | None:
    """Unpacks and checks a bundle; gives the name of its sweep, None for all runs.

    `sha256`: of the archive as it was published, where it is known. Raises ValueError where the archive has
    another hash, is no bundle, lacks a file, has one more or one that was changed, where a run's id is not
    the hash of its settings, and where a recorded mean is not that of its scores.
    """
    if sha256 is not None and sha256_file(path) != sha256:
        raise ValueError(f"{path}: SHA-256 {sha256_file(path)}, and {sha256} was published; not that archive")
    try:
        with zipfile.ZipFile(path) as archive:
            contents = json.loads(_read(archive, CONTENTS))
            listed: Mapping[str, str] = contents["files"]
            _check_names(path, archive.namelist(), listed)
            for name, expected in listed.items():
                content = _read(archive, name)
                if sha256_bytes(content) != expected:
                    raise ValueError(f"{path}: {name} was changed after it was bundled")
                (folder / name).parent.mkdir(parents=True, exist_ok=True)
                (folder / name).write_bytes(content)
    except (OSError, KeyError, TypeError, *_BROKEN, json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ValueError(
            f"{path}: broken, or not an evidence bundle ({error}); write one with bundle=true"
        ) from error
    if contents["format"] != FORMAT:
        raise ValueError(f"{path}: bundle format {contents['format']}; this program reads {FORMAT}")
    (folder / "runs").mkdir(exist_ok=True)
    for place in sorted((folder / "runs").iterdir()):
        _check_run(path, read_run(place))
    sweep = contents["sweep"]
    return None if sweep is None else str(sweep)


def _read(archive: zipfile.ZipFile, name: str) -> bytes:
    """A file of the archive. Raises BadZipFile whatever a damaged byte makes of it."""
    try:
        return archive.read(name)
    except (ValueError, RuntimeError, *_BROKEN) as error:
        raise zipfile.BadZipFile(f"{name}: {error}") from error


def _check_names(path: Path, names: Sequence[str], listed: Mapping[str, str]) -> None:
    for name in names:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or "\\" in name:
            raise ValueError(f"{path}: {name!r} leads out of the archive")
    different = sorted({*names} ^ {*listed, CONTENTS})
    if different or len(set(names)) != len(names):
        where = "added" if different and different[0] in names else "missing"
        raise ValueError(f"{path}: {different[0] if different else names[0]} was {where} after bundling")


def _check_run(path: Path, run: Run) -> None:
    if run.record is None:
        return
    hashed = run_id(run.record.factors)
    if hashed != run.run_id or run.record.run_id != run.run_id:
        raise ValueError(f"{path}: run {run.run_id}: its settings have the hash {hashed}")
    if run.status != "complete":
        return
    scores = read_scores(run)
    for name, entry in run.metrics.items():
        if name in INFLUENCES or name not in scores.columns or entry["value"] is None:
            continue
        mean, size = float(scores[name].mean()), float(scores[name].abs().mean())
        # Rounding is by the size of the scores, whose mean may be close to 0.
        if not math.isclose(mean, float(entry["value"]), abs_tol=1e-6 * size):
            raise ValueError(
                f"{path}: run {run.run_id}: {name} is recorded as {entry['value']}, the mean of its scores "
                f"is {mean}"
            )


def _features(runs: Sequence[Run], store: Path) -> dict[str, bytes]:
    """The kept vectors of the runs' images, a file a run and extractor, and moments of their references.

    Only what is in the store: images that are gone, or were never kept, have none.
    """
    kept: dict[str, dict[bytes, tuple[Path, int]]] = {}
    for shard in entries(store / KIND) if (store / KIND).is_dir() else ():
        rows = kept.setdefault(shard.parent.name, {})
        for row, key in enumerate(read_arrays(shard)["keys"]):
            rows[key.tobytes()] = (shard, row)
    files: dict[str, bytes] = {}
    for run in runs if kept else ():
        keys = _content_keys(run)
        for extractor, places in kept.items():
            found = {sample: places[key] for sample, key in keys.items() if key in places}
            if found:
                files[f"features/{run.run_id}-{extractor}.safetensors"] = _packed(found)
    references = {
        str((run.record.inputs.get("reference") or {}).get("sha256"))
        for run in runs
        if run.record is not None
    }
    moments = store / "reference_moments"
    for entry in entries(moments) if moments.is_dir() else ():
        content = entry.read_bytes()
        if any(reference.encode() in content for reference in references if len(reference) == 64):
            files[f"store/reference_moments/{entry.name}"] = content
    return files


def _packed(found: Mapping[str, tuple[Path, int]]) -> bytes:
    shards = {shard: read_arrays(shard)["vectors"] for shard in {shard for shard, _ in found.values()}}
    vectors = np.stack([shards[shard][row] for shard, row in found.values()])
    return save({"vectors": vectors}, metadata={"sample_ids": json.dumps(list(found))})


def _content_keys(run: Run) -> dict[str, bytes]:
    """Sample id -> the key of its vectors in the store, for images that are still there."""
    if run.folder is None or not (run.folder / "samples" / MANIFEST).exists():
        return {}
    settings = {
        key.removeprefix("samples."): value
        for key, value in run.factors.items()
        if key.startswith("samples.") and value is not None
    }
    known = {key: settings[key] for key in ("size", "crop", "filter", "codec", "quality") if key in settings}
    samples = SampleSet.read(run.folder / "samples")
    keys = {}
    for sample in samples.samples:
        image = samples.load(sample, Preparation(**known)).image if sample.path else None
        if image is not None:
            keys[sample.sample_id] = content_key(image)
    return keys


def copy_bundle(path: Path, folder: Path) -> Path:
    """A bundle as a results folder that stays, for adding runs to it. Raises ValueError as `unpack`."""
    with opened(path) as (unpacked, _):
        shutil.copytree(unpacked, folder)
    return folder


def _json(value: Any) -> bytes:
    return (json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, allow_nan=False) + "\n").encode()
