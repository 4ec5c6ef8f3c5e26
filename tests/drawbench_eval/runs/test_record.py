import dataclasses
import json
from pathlib import Path

import pytest

from drawbench_eval.runs.record import RunRecord, read_record, write_record

RECORD = RunRecord(
    run_id="0123456789",
    label="mine",
    status="complete",
    factors={"seed": 0},
    metrics={"brightness": {"value": 1.5, "ci95": [1.0, 2.0]}},
    counts={"requested": 1},
    named={"missing": []},
    inputs={},
    environment={"git": None},
    timings={"generate_s": 0.5},
    config={"seed": 0},
)


def test_round_trip(tmp_path: Path) -> None:
    assert read_record(tmp_path) is None
    write_record(tmp_path, RECORD)
    assert read_record(tmp_path) == RECORD


def test_fields_of_the_contract(tmp_path: Path) -> None:
    write_record(tmp_path, RECORD)
    keys = set(json.loads((tmp_path / "run.json").read_text()))
    contract = "schema_version run_id label status factors metrics counts inputs environment timings config"
    assert keys == {*contract.split(), "named", "error"}


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a": 1}', "\xff"])
def test_what_is_no_record_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content, encoding="latin-1")
    with pytest.raises(ValueError, match=r"run\.json: not a run record"):
        read_record(tmp_path)


def test_another_schema_is_refused(tmp_path: Path) -> None:
    write_record(tmp_path, dataclasses.replace(RECORD, schema_version=2))
    with pytest.raises(ValueError, match=r"schema_version 2; this program reads 1"):
        read_record(tmp_path)
