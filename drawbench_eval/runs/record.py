"""`run.json`: what one run was, and what came out of it. Written last, so a run that has it is over."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from drawbench_eval.files import write_json

SCHEMA_VERSION = 1
FILE_NAME = "run.json"


class RunFailed(Exception):
    """A run ended with an error, which is its `__cause__` and stands in its run.json."""


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """The content of run.json.

    factors: all identity settings, flat. metrics: name -> {value, ci95, n, num_unscored, higher_is_better,
    unit, protocol, notes}. counts: requested, generated, missing, unreadable, blank, flagged,
    truncated_prompts; `named` lists the ids behind the last five. inputs: names and sha256 of prompts,
    reference and weights, and what model.checkpoint has behind it. error: None unless status is "failed".
    """

    run_id: str
    label: str
    status: Literal["complete", "failed"]
    factors: Mapping[str, Any]
    metrics: Mapping[str, Any]
    counts: Mapping[str, int]
    named: Mapping[str, list[str]]
    inputs: Mapping[str, Any]
    environment: Mapping[str, Any]
    timings: Mapping[str, Any]
    config: Mapping[str, Any]
    error: str | None = None
    schema_version: int = field(default=SCHEMA_VERSION)


def write_record(folder: Path, record: RunRecord) -> None:
    """Write `folder`/run.json, atomically."""
    values = dataclasses.asdict(record)
    write_json(folder / FILE_NAME, {"schema_version": values.pop("schema_version"), **values})


def read_record(folder: Path) -> RunRecord | None:
    """The record in `folder`, None when the run is not over; ValueError for a file that is no record."""
    path = folder / FILE_NAME
    if not path.exists():
        return None
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        record = RunRecord(**values)
    except (json.JSONDecodeError, UnicodeDecodeError, TypeError) as error:
        raise ValueError(f"{path}: not a run record ({error}); delete it to run again") from error
    if record.schema_version != SCHEMA_VERSION:
        raise ValueError(
            f"{path}: schema_version {record.schema_version}; this program reads {SCHEMA_VERSION}"
        )
    return record
