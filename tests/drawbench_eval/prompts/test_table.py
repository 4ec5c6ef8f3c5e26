from pathlib import Path

import pytest

from drawbench_eval.prompts import Columns, read_prompts

ALL = Columns(text="prompt", id="id", category="category")


def _write(folder: Path, name: str, content: str, encoding: str = "utf-8") -> Path:
    path = folder / name
    path.write_text(content, encoding=encoding, newline="")
    return path


def test_csv_with_bom_quotes_and_line_breaks(tmp_path: Path) -> None:
    text = 'id,prompt,category\r\n1,"a, ""b""\r\nc",x\r\n2,,y \r\n'
    prompts = read_prompts(_write(tmp_path, "p.csv", text, "utf-8-sig"), ALL).prompts
    assert [(p.id, p.text, p.category) for p in prompts] == [("1", 'a, "b"\r\nc', "x"), ("2", "", "y")]


def test_json_lines(tmp_path: Path) -> None:
    path = _write(tmp_path, "p.jsonl", '{"id": 7, "prompt": "é\\n", "category": "x"}\n\n')
    (prompt,) = read_prompts(path, ALL).prompts
    assert (prompt.id, prompt.text, prompt.category) == ("7", "é\n", "x")


def test_rows_are_numbered_where_there_is_no_id(tmp_path: Path) -> None:
    path = _write(tmp_path, "p.csv", "prompt\nx\nx\n")
    assert [p.id for p in read_prompts(path, Columns()).prompts] == ["row-0001", "row-0002"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.csv", "id,prompt,category\n1,a\n", r"p\.csv line 2: not as many cells as the header has"),
        ("p.csv", "id,prompt,category\n1,a,b,c\n", r"p\.csv line 2: not as many cells"),
        ("p.csv", 'id,prompt,category\n1,"a,b\n', r"p\.csv line \d: not CSV"),
        ("p.csv", "id,prompt,category\n1,a,x\n1,b,x\n", "id '1' appears again"),
        ("p.csv", "id,prompt,category\n ,a,x\n", "row 1 has an empty id"),
        (
            "p.csv",
            "id,text,category\n1,a,x\n",
            r"prompts\.columns\.text: .* has no column 'prompt'; it has id",
        ),
        ("p.jsonl", '{"id": 1}\n', r"prompts\.columns\.text: .* has no column 'prompt'"),
        ("p.jsonl", "[1]\n", r"p\.jsonl line 1: a list; each line must be a JSON object"),
        ("p.jsonl", "{\n", r"p\.jsonl line 1: not JSON"),
        ("p.txt", "x\n", r"prompts\.path: .*p\.txt is not one of \.csv, \.jsonl"),
        ("p.csv", "", "holds no prompts"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_prompts(_write(tmp_path, name, content), ALL)


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(b"prompt\n\xff\n")
    with pytest.raises(ValueError, match=r"prompts\.path: .* cannot be read"):
        read_prompts(path, Columns())
