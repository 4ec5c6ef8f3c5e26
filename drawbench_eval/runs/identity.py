"""What a run is: the hash of everything that can change its numbers beyond rounding, and of nothing else."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from drawbench_eval.files import digest

RUN_ID_LENGTH = 10

# Factor -> the value that earlier versions had without it: there it is left out, and old ids stay.
INTRODUCED_AS: Mapping[str, Any] = {}


def flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, with dotted keys; lists stay values."""
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(flatten(value, f"{prefix}{key}."))
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def run_id(factors: Mapping[str, Any], *, introduced_as: Mapping[str, Any] = INTRODUCED_AS) -> str:
    """Ten hex digits of the digest of `factors`; their order, and 1 or 1.0, make no difference.

    A factor with the value that `introduced_as` gives it is left out. The digits are taken from the digest's
    first letter on: 5188e37686 would be a number on the command line.
    """
    named = {
        key: value
        for key, value in factors.items()
        if key not in introduced_as or value != introduced_as[key]
    }
    content = digest(named)
    start = next(index for index, digit in enumerate(content) if digit.isalpha())
    return content[start : start + RUN_ID_LENGTH]


def run_folder(results: Path, label: str, run_id: str) -> Path:
    """Where the run lies: the folder that has its hash, under whatever label, else a new one's path."""
    return find_run(results, run_id) or results / "runs" / f"{label}-{run_id}"


def find_run(results: Path, run_id: str) -> Path | None:
    """The folder of the run with this hash, whatever its label; None when there is none."""
    found = next((name for name in _names(results) if name.endswith(f"-{run_id}")), None)
    return results / "runs" / found if found else None


def run_folders(results: Path) -> dict[str, Path]:
    """Hash -> folder of every run, by one look at the disk; of several with one hash the first."""
    return {name[-RUN_ID_LENGTH:]: results / "runs" / name for name in reversed(_names(results))}


def _names(results: Path) -> list[str]:
    try:
        return sorted(os.listdir(results / "runs"))
    except (FileNotFoundError, NotADirectoryError):
        return []
