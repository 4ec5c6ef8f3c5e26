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
from drawbench_eval.runs.identity import run_folders
from drawbench_eval.runs.record import RunRecord, read_record


@dataclass(frozen=True, kw_only=True)
class SweepRecord:
    """The planned runs of a sweep; `swept` maps each varied key to its values, in the order given.

    A value a point, empty in records of earlier versions: points, the overrides that tell it from the others;
    images, how many it asks for.
    """

    name: str
    created_from: Sequence[str]
    swept: Mapping[str, Sequence[Any]]
    run_ids: Sequence[str]
    labels: Sequence[str]
    points: Sequence[str] = field(default_factory=list)
    images: Sequence[int] = field(default_factory=list)


def check_name(name: str) -> str:
    """`name`, or ValueError when it cannot be the name of a file."""
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", name):
        raise ValueError(
            f"sweep: {name!r} cannot name a file; write letters, digits, dots, hyphens, underscores"
        )
    return name


def default_name(overrides: Sequence[str], experiment: str | None) -> str:
    """The experiment's name, or a short hash of the overrides: the same command is the same sweep.

    So is the same command with retry_failed=true.
    """
    lasting = sorted(word for word in overrides if not word.startswith("retry_failed="))
    return experiment.replace("/", "-") if experiment else f"sweep-{digest(lasting)[:8]}"


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
        values = json.loads(path.read_text(encoding="utf-8"))
        # Written for a while, and not read any more.
        values.pop("configs", None)
        return SweepRecord(**values)
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError, AttributeError) as error:
        raise ValueError(f"{path}: not a sweep record ({error})") from error


def latest_sweep(results: Path) -> str:
    """The name of the sweep that was started last; ValueError where there is none."""
    found = sorted((results / "sweeps").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    if not found:
        raise ValueError(f"results: {results} has no sweeps; start one with `drawbench-eval evaluate -m`")
    return found[-1].stem


Records = Mapping[str, RunRecord | None]
"""Run id -> its record, None while it is not over."""


def run_records(results: Path, run_ids: Sequence[str]) -> Records:
    """The records of the runs, each once, in order."""
    folders = run_folders(results)
    return {
        run_id: read_record(folders[run_id]) if run_id in folders else None
        for run_id in dict.fromkeys(run_ids)
    }


def count(records: Records) -> Counter[str]:
    """How many of the runs are "complete", "failed" or "unfinished"."""
    return Counter(record.status if record else "unfinished" for record in records.values())
