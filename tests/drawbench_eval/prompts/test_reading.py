"""Each kind of file gives the same rows; what a kind cannot say is named."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from drawbench_eval.prompts import read_table

ROWS = [{"id": "1", "prompt": 'a "blue" cat'}, {"id": "2", "prompt": "\u2028é"}]
WRITERS: dict[str, Callable[[Path], Any]] = {
    "p.csv": lambda path: path.write_text('id,prompt\r\n1,"a ""blue"" cat"\r\n2,\u2028é\r\n', newline=""),
    "p.tsv": lambda path: path.write_text('id\tprompt\n1\ta "blue" cat\n2\t\u2028é', newline=""),
    "p.json": lambda path: path.write_text(json.dumps(ROWS)),
    # A JSON text may hold a line separator as it is; splitting at it would break the line in two.
    "p.jsonl": lambda path: path.write_text(
        "".join(json.dumps(row, ensure_ascii=False) + "\r\n" for row in ROWS), newline=""
    ),
    "p.PARQUET": lambda path: parquet.write_table(pa.Table.from_pylist(ROWS), path),
}


@pytest.mark.parametrize("name", WRITERS)
def test_every_kind_of_file_gives_the_same_rows(tmp_path: Path, name: str) -> None:
    WRITERS[name](tmp_path / name)
    table = read_table(tmp_path / name)
    assert [dict(row.cells) for row in table.rows] == ROWS
    assert table.columns == ("id", "prompt")


def test_a_quote_at_the_beginning_of_a_tsv_cell_is_a_quote(tmp_path: Path) -> None:
    path = tmp_path / "p.tsv"
    path.write_text('prompt\tkind\n"G I G G L E" in paint.\tx\n"one" and "two"\ty\n')
    assert [row.cells["prompt"] for row in read_table(path).rows] == [
        '"G I G G L E" in paint.',
        '"one" and "two"',
    ]


def test_texts_without_names(tmp_path: Path) -> None:
    (tmp_path / "p.txt").write_bytes(b"\xef\xbb\xbfone\r\n\r\ntwo \x0b2\r\n")
    (tmp_path / "list.json").write_text('["one", "two"]')
    (tmp_path / "ids.json").write_text('{"a": "one", "b": "two"}')
    text = read_table(tmp_path / "p.txt")
    assert [row.cells for row in text.rows] == [{"prompt": "one"}, {"prompt": "two \x0b2"}]
    assert [row.place for row in text.rows] == [f"{tmp_path / 'p.txt'} line {line}" for line in (1, 3)]
    assert text.remarks == ("1 of 3 lines are blank and no prompts",)
    assert [row.cells for row in read_table(tmp_path / "list.json").rows] == [
        {"prompt": "one"},
        {"prompt": "two"},
    ]
    assert [row.cells for row in read_table(tmp_path / "ids.json").rows] == [
        {"id": "a", "prompt": "one"},
        {"id": "b", "prompt": "two"},
    ]


def test_columns_of_images_are_not_read(tmp_path: Path) -> None:
    image = pa.array([{"bytes": b"x", "path": "y"}])
    table = pa.table({"prompt": ["a"], "image": image, "raw": [b"x"], "more": [{"tag": "t"}]})
    parquet.write_table(table, tmp_path / "p.parquet")
    assert read_table(tmp_path / "p.parquet").columns == ("prompt", "more")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.tsv", "a\tb\n1\n", r"p\.tsv line 2: 1 cells, and the header has 2; in a \.tsv a line is a row"),
        ("p.tsv", "a\ta\n1\t2\n", r"p\.tsv line 1: the column 'a' appears twice"),
        ("p.tsv", 'a\n"say ""x"""\n', r"p\.tsv line 2: .* is quoted as in CSV"),
        ("p.json", '[{"a": 1}, {"a"', r"p\.json: not JSON \(.* at line 1 column 16\); the file is cut short"),
        ("p.json", '[{"a": "on', r"p\.json: not JSON \(Unterminated string starting at line 1 .* cut short"),
        ("p.json", "[1 2]", r"p\.json: not JSON \(Expecting ',' delimiter at line 1 column 4\)$"),
        ("p.json", '{"a": 1}\n{"a": 2}\n', r"Extra data at line 2 column 1\); .* is called \.jsonl"),
        ("p.json", '{"a": "x", "b": "y", "a": "z"}', r"p\.json: the key 'a' stands twice in one object"),
        ("p.json", '{"a": [1]}', r"p\.json: neither a list of objects or texts nor an object of ids"),
        ("p.json", '[{"a": 1}, "x"]', r"p\.json entry 2: a str; every entry must be an object"),
        ("p.parquet", "PAR1", r"p\.parquet: not a Parquet file"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read_table(tmp_path / name)


def test_a_file_has_no_splits(tmp_path: Path) -> None:
    (tmp_path / "p.csv").write_text("a\n1\n")
    with pytest.raises(
        ValueError, match=r"prompts\.split: test is for Hugging Face datasets; .* is one file"
    ):
        read_table(tmp_path / "p.csv", split="test")
