"""`sweeps/<name>.json`: which runs a sweep consists of and what it varies; written first."""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from drawbench_eval.files import digest, write_json
from drawbench_eval.runs.identity import find_run
from drawbench_eval.runs.record import read_record


@dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """The planned runs of a sweep; `swept` maps each varied key to its values, in the order given.

    A value a point, empty in records of earlier versions: points, the overrides that tell it from the others;
    images, how many it asks for; configs, the digest of its whole configuration.
    """

    name: str
    created_from: Sequence[str]
    swept: Mapping[str, Sequence[Any]]
    run_ids: Sequence[str]
    labels: Sequence[str]
    points: Sequence[str] = field(default_factory=list)
    images: Sequence[int] = field(default_factory=list)
    configs: Sequence[str] = field(default_factory=list)

    def planned(self, config: str) -> str | None:
        """The run id of the point with this digest of its configuration; None where there is none."""
        return next(
            (run for run, own in zip(self.run_ids, self.configs, strict=False) if own == config), None
        )


def check_name(name: str) -> str:
    """`name`, or ValueError when it cannot be the name of a file."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ValueError(
            f"sweep: {name!r} cannot name a file; write letters, digits, dots, hyphens, underscores"
        )
    return name


def default_name(overrides: Sequence[str], experiment: str | None) -> str:
    """The experiment's name, or a short hash of the overrides: the same command is the same sweep."""
    return experiment.replace("/", "-") if experiment else f"sweep-{digest(sorted(overrides))[:8]}"


def sweep_path(results: Path, name: str) -> Path:
    """Where the record of the sweep lies."""
    return results / "sweeps" / f"{name}.json"


def write_sweep(results: Path, record: SweepRecord) -> Path:
    """Write the record, atomically, and return its path."""
    path = sweep_path(results, record.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, dataclasses.asdict(record))
    return path


def read_sweep(results: Path, name: str) -> SweepRecord:
    """The record of the sweep; raises ValueError naming the known sweeps when there is none."""
    path = sweep_path(results, name)
    if not path.exists():
        known = sorted(other.stem for other in path.parent.glob("*.json"))
        raise ValueError(f"sweep: {path} is not there; known sweeps: {', '.join(known) or 'none'}")
    try:
        return SweepRecord(**json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError) as error:
        raise ValueError(f"{path}: not a sweep record ({error})") from error


def latest_sweep(results: Path) -> str:
    """The name of the sweep that was started last; ValueError where there is none."""
    found = sorted((results / "sweeps").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    if not found:
        raise ValueError(f"results: {results} has no sweeps; start one with `drawbench-eval evaluate -m`")
    return found[-1].stem


def progress(results: Path, run_ids: Sequence[str]) -> Counter[str]:
    """How many of the runs are "complete", "failed" or "unfinished"."""
    counts: Counter[str] = Counter()
    for run_id in dict.fromkeys(run_ids):
        folder = find_run(results, run_id)
        record = read_record(folder) if folder else None
        counts[record.status if record else "unfinished"] += 1
    return counts
