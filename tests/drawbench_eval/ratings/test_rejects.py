import csv

import pandas as pd
import pytest

from drawbench_eval.ratings import Allowance, refuse, write_rejects
from drawbench_eval.ratings.rejects import COLUMNS

REJECTS = pd.DataFrame(
    [
        ("in/a.csv", 3, "x", "=1", "empty"),
        ("in/a.csv", 3, "y", "", "empty"),
        ("in/b.csv", 9, "", "z", "not CSV"),
    ],
    columns=list(COLUMNS),
)


@pytest.mark.parametrize(
    "allowance",
    [
        Allowance(strict=False),
        Allowance(number=3),
        Allowance(listed=("a.csv:3", "b.csv:9")),
        Allowance(listed=("in/a.csv:3", "b.csv:9")),
        Allowance(number=1, listed=("a.csv:3",)),
    ],
)
def test_what_is_allowed_passes(allowance: Allowance) -> None:
    refuse(REJECTS, 10, allowance)


@pytest.mark.parametrize(
    ("allowance", "message"),
    [
        (Allowance(), r"in/a\.csv line 3, column x: '=1': empty; 3 of 10 rows are rejected and 0 allowed"),
        (Allowance(number=2), "3 of 10 rows are rejected and 2 allowed"),
        (Allowance(listed=("a.csv:3",)), r"in/b\.csv line 9: 'z': not CSV; 1 of 10 rows"),
        (Allowance(listed=("a.csv:3", "b.csv:90")), r"b\.csv line 9"),
        (Allowance(listed=("other/a.csv:3",), number=1), "3 of 10 rows"),
    ],
)
def test_what_is_not_is_refused_with_the_first(allowance: Allowance, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        refuse(REJECTS, 10, allowance)


def test_nothing_rejected_is_always_allowed() -> None:
    refuse(REJECTS[:0], 10, Allowance())


@pytest.mark.parametrize("listed", ["a.csv", "a.csv:", ":3", "a.csv:x", "a.csv:²"])
def test_places_are_checked(listed: str) -> None:
    with pytest.raises(ValueError, match="is not FILE:LINE"):
        Allowance(listed=(listed,))
    with pytest.raises(ValueError, match="number: -1"):
        Allowance(number=-1)


def test_rejects_are_written_so_that_a_spreadsheet_runs_none(tmp_path) -> None:
    path = tmp_path / "rejected.csv"
    write_rejects(path, REJECTS)
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[:2] == [list(COLUMNS), ["in/a.csv", "3", "x", "'=1", "empty"]]
    assert len(rows) == 4
