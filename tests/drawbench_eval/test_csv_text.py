import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drawbench_eval.csv_text import csv_text

CELLS = st.text(alphabet=st.one_of(st.sampled_from("\t\r\n'\",;a0 "), st.characters(codec="utf-8")))


@given(st.lists(st.lists(CELLS, min_size=1, max_size=3), min_size=1, max_size=3))
def test_whatever_is_in_a_cell_comes_back(rows: list[list[str]]) -> None:
    text = csv_text(rows[0], rows[1:])
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == rows


@pytest.mark.parametrize(
    ("cell", "written"),
    [("a b", "a b"), ("a\rb", '"a\rb"'), ("a\nb", '"a\nb"'), ('a"b', '"a""b"'), ("a,b", '"a,b"'), ("", '""')],
)
def test_only_what_needs_quotes_has_them(cell: str, written: str) -> None:
    assert csv_text(["h"], [[cell]]) == f"h\n{written}\n"
