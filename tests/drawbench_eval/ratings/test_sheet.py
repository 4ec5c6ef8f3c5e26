import pandas as pd
import pytest

from drawbench_eval.ratings.layout import FileFormat
from drawbench_eval.ratings.sheet import read_sheet


def form(**changes) -> FileFormat:
    some = {
        "delimiter": ",",
        "quote": '"',
        "encoding": "utf-8",
        "trim": True,
        "escaped": False,
        "decimal": ".",
        "timestamps": None,
    }
    return FileFormat(**(some | changes))


def test_lines_are_physical_ones_whatever_ends_them(write) -> None:
    text = 'a, b \r\n1,"x\r\ny"\n\n2,z\r3,"p""q"\r\n4,end'
    sheet = read_sheet(write(text), form())
    assert sheet.header == ("a", "b")
    assert sheet.rows == [["1", "x\r\ny"], ["2", "z"], ["3", 'p"q'], ["4", "end"]]
    assert sheet.lines.tolist() == [2, 5, 6, 7]
    assert not sheet.faults
    assert sheet.column("b", "k").tolist() == ["x\r\ny", "z", 'p"q', "end"]


def test_a_record_broken_over_two_lines_is_two_faults(write) -> None:
    sheet = read_sheet(write("a,b,c\n1,2,3\n4,1.x\r2.y,6\n7,8,9\n"), form())
    assert sheet.lines.tolist() == [2, 3, 4, 5]
    assert sorted(sheet.faults) == [1, 2]
    assert (sheet.faults[1].column, sheet.faults[1].value) == ("c", "1.x")
    assert sheet.faults[1].reason.startswith("2 cells where the header has 3")


def test_too_many_cells_and_text_after_a_quote(write) -> None:
    sheet = read_sheet(write('a,b\n1,2,extra\n"x"y,2\n"p\nq",2,3\n5,6\n'), form())
    assert sorted(sheet.faults) == [0, 1, 2]
    assert sheet.faults[0].value == "extra"
    assert sheet.faults[1].reason.startswith("not CSV")
    assert sheet.faults[2].reason == "3 cells where the header has 2 (lines 4 to 5)"
    assert sheet.lines.tolist() == [2, 3, 4, 6]


def test_rows_of_another_encoding_are_faults_with_their_bytes(write) -> None:
    sheet = read_sheet(write("a,b\nCafé,1\n".encode() + "Café,2\n".encode("latin-1")), form())
    assert sheet.rows[0] == ["Café", "1"]
    assert (sheet.faults[1].column, sheet.faults[1].value) == ("a", "Caf\\xe9")
    assert "not utf-8" in sheet.faults[1].reason


@pytest.mark.parametrize(
    ("encoding", "bytes_encoding"),
    [("utf-8", "utf-8-sig"), ("UTF_8", "utf-8"), ("utf-16", "utf-16"), ("cp1252", "cp1252")],
)
def test_encodings(write, encoding: str, bytes_encoding: str) -> None:
    sheet = read_sheet(write("ä,b\nö,1\n".encode(bytes_encoding)), form(encoding=encoding))
    assert (sheet.header, sheet.rows, dict(sheet.faults)) == (("ä", "b"), [["ö", "1"]], {})


def test_spaces_quotes_and_escapes_are_as_the_layout_says(write) -> None:
    path = write("a;b\n 'x ;\"y\n")
    assert read_sheet(path, form(delimiter=";", quote=None)).rows == [["'x", '"y']]
    assert read_sheet(path, form(delimiter=";", quote=None, trim=False)).rows == [[" 'x ", '"y']]
    escaped = write("a,b\n'=1,'tis\n", "e.csv")
    assert read_sheet(escaped, form(escaped=True)).rows == [["=1", "'tis"]]
    assert read_sheet(escaped, form()).rows == [["'=1", "'tis"]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"line 1: not a header"),
        (b"\n\n", r"line 1: not a header"),
        (b" , \n1,2\n", r"line 1: not a header"),
        (b'a,b\n1,2\n3,"x\n4,5\n', r"line 3: a quote opens in this row and never closes"),
        ("a,b\n1,2\n".encode("utf-16"), r"column names are not utf-8 text; set ratings\.file\.encoding"),
        (b"\xe4,b\n1,2\n", r"column names are not utf-8 text"),
        (b"PK\x03\x04xyz", r"an archive, such as an Excel workbook; export its sheet as CSV"),
    ],
)
def test_what_is_no_table_is_refused_as_a_whole(write, content: bytes, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_sheet(write(content), form())


def test_another_encoding_than_said(write) -> None:
    with pytest.raises(ValueError, match="not utf-16 text"):
        read_sheet(write("a,b\n1,2\n3"), form(encoding="utf-16"))


def test_what_cannot_be_read(tmp_path, write) -> None:
    with pytest.raises(ValueError, match=r"none\.csv: cannot be read \(No such file"):
        read_sheet(tmp_path / "none.csv", form())
    with pytest.raises(ValueError, match="cannot be read"):
        read_sheet(tmp_path, form())
    with pytest.raises(ValueError, match=r"r\.parquet: not a Parquet file"):
        read_sheet(write("a,b\n", "r.parquet"), form())


def test_columns_are_found_by_their_whole_name(write) -> None:
    sheet = read_sheet(write("worker,worker,rating\n1,2,3\n"), form())
    with pytest.raises(ValueError, match=r"ratings\.columns\.rater_id: .* has 2 columns 'worker'"):
        sheet.column("worker", "ratings.columns.rater_id")
    with pytest.raises(ValueError, match=r"k: .* has no column 'ratings'; did you mean rating\?"):
        sheet.column("ratings", "k")
    with pytest.raises(ValueError, match=r"k: .* has no column 'x'; it has worker, worker, rating"):
        sheet.column("x", "k")


def test_parquet_cells_are_texts(tmp_path) -> None:
    path = tmp_path / "r.parquet"
    pd.DataFrame(
        {
            "text": ["'=x", None],
            "whole": [1, 2],
            "number": [0.1, None],
            "flag": [True, False],
            "time": pd.to_datetime(["2026-11-25T10:00", None]),
            "kind": pd.Categorical(["a", "b"]),
        }
    ).to_parquet(path)
    sheet = read_sheet(path, form(escaped=True))
    assert sheet.rows[0][:4] == ["'=x", "1", "0.1", "true"]
    assert sheet.rows[0][4].startswith("2026-11-25 10:00:00")
    assert sheet.rows[1] == ["", "2", "", "false", "", "b"]
    assert sheet.lines.tolist() == [1, 2]
    pd.DataFrame({"lists": [["a"], ["b"]]}).to_parquet(path)
    with pytest.raises(ValueError, match="column lists holds list"):
        read_sheet(path, form())
