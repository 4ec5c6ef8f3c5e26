from pathlib import Path

import pytest

from drawbench_eval.prompts import Columns, read_prompts
from drawbench_eval.prompts.ids import text_ids

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


def test_ids_are_made_of_the_texts_where_there_is_no_column(tmp_path: Path) -> None:
    here = read_prompts(
        _write(tmp_path, "here.csv", "prompt,kind\nx,1\ny,1\nx,1\n"), Columns(category="kind")
    )
    there = read_prompts(
        _write(tmp_path, "there.csv", "prompt,kind\nx,1\nx,1\ny,1\n"), Columns(category="kind")
    )
    x, y = text_ids(["x", "y"], ["1", "1"])
    assert [p.id for p in here.prompts] == [x, y, f"{x}-2"]
    assert [p.id for p in there.prompts] == [x, f"{x}-2", y]
    assert here.sha256 == there.sha256


def test_columns_that_only_some_sets_have(tmp_path: Path) -> None:
    header = "id,prompt,read,photo,caption,more\n"
    rows = '1,a red caar,a red car,42,7,"{""tag"": ""x"", ""n"": [1]}"\n2,b,,,,\n'
    columns = Columns(id="id", scoring_text="read", image_id="photo", caption_id="caption", metadata="more")
    one, two = read_prompts(_write(tmp_path, "p.csv", header + rows), columns).prompts
    assert (one.text_to_score, one.image_id, one.caption_id) == ("a red car", "42", "7")
    assert one.metadata == {"tag": "x", "n": [1]}
    assert (two.scoring_text, two.image_id, two.caption_id, two.metadata) == (None, None, None, None)


def test_a_category_that_a_row_lacks_is_empty(tmp_path: Path) -> None:
    path = _write(tmp_path, "p.jsonl", '{"prompt": "x", "category": null}\n{"prompt": "y"}\n')
    columns = Columns(category="category")
    assert [p.category for p in read_prompts(path, columns).prompts] == ["", ""]


def test_the_source_is_kept(tmp_path: Path) -> None:
    path = _write(tmp_path, "mine.txt", "one\n\ntwo\n")
    prompts = read_prompts(path, Columns())
    assert prompts.source is not None
    assert prompts.name == "mine"
    assert prompts.source.location == str(path)
    # sha256sum mine.txt
    assert prompts.source.sha256 == "ca48018cd69ec26f9206d26f99b5019ba6075d5482c587a072361987ae3179dd"
    assert prompts.source.remarks == ("1 of 3 lines are blank and no prompts",)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("p.csv", "id,prompt,category\n1,a\n", r"p\.csv line 2: not as many cells as the header has"),
        ("p.csv", "id,prompt,category\n1,a,b,c\n", r"p\.csv line 2: not as many cells"),
        ("p.csv", 'id,prompt,category\n1,"a,b\n', r"p\.csv line \d: not CSV"),
        ("p.csv", "id,prompt,category\n1,a,x\n1,b,x\n", r"p\.csv: .* id '1' appears again"),
        ("p.csv", "id,prompt,category\n ,a,x\n", r"p\.csv line 2: row 1 has an empty id"),
        ("p.csv", "id,prompt,prompt\n1,a,x\n", r"p\.csv line 1: the column 'prompt' appears twice"),
        (
            "p.csv",
            "id,text,category\n1,a,x\n",
            r"prompts\.columns\.text: .* has no column 'prompt'; it has id",
        ),
        ("p.jsonl", '{"id": 1}\n', r"prompts\.columns\.text: .* has no column 'prompt'"),
        (
            "p.jsonl",
            '{"id": 1, "prompt": "a", "category": ""}\n{"id": 2}\n',
            r"p\.jsonl line 2: has no 'prompt'; it has id",
        ),
        (
            "p.jsonl",
            '{"id": 1, "prompt": null, "category": ""}\n',
            r"p\.jsonl line 1: prompt is null; it must be a text",
        ),
        ("p.jsonl", '{"id": 1, "prompt": ["a"], "category": ""}\n', r'line 1: prompt is \["a"\]; it must be'),
        ("p.jsonl", '{"id": NaN, "prompt": "a", "category": ""}\n', r"line 1: id is NaN; it must be a text"),
        ("p.jsonl", "[1]\n", r"p\.jsonl line 1: a list; each line must be a JSON object"),
        ("p.jsonl", "{\n", r"p\.jsonl line 1: not JSON"),
        ("p.md", "x\n", r"prompts\.path: .*p\.md is not one of \.csv, \.tsv, .* nor a folder"),
        ("p.csv", "", "holds no prompts"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, name: str, content: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_prompts(_write(tmp_path, name, content), ALL)


@pytest.mark.parametrize(
    ("cell", "message"),
    [("{", r"p\.csv line 2: more is not JSON"), ("[1]", "more is a list; it must be a JSON")],
)
def test_metadata_that_is_none(tmp_path: Path, cell: str, message: str) -> None:
    path = _write(tmp_path, "p.csv", f"prompt,more\na,{cell}\n")
    with pytest.raises(ValueError, match=message):
        read_prompts(path, Columns(metadata="more"))


def test_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    path.write_bytes(b"prompt\n\xff\n")
    with pytest.raises(ValueError, match=r"prompts\.path: .* cannot be read \(byte 7 is not UTF-8\)"):
        read_prompts(path, Columns())


def test_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"prompts\.path: .*none\.csv cannot be read \(No such file"):
        read_prompts(tmp_path / "none.csv", Columns())
