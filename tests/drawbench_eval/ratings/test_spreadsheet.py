import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from drawbench_eval.csv_text import csv_text
from drawbench_eval.ratings.spreadsheet import escape, unescape

CELLS = st.text(alphabet=st.one_of(st.sampled_from("=+-@\t\r\n'\",;a0 "), st.characters(codec="utf-8")))


@given(CELLS)
@example('=HYPERLINK("http://x","y")')
@example("'=1")
@example("''")
@example("'tis")
def test_every_cell_comes_back_and_none_can_be_run(cell: str) -> None:
    written = escape(cell)
    assert unescape(written) == cell
    assert not written.startswith(("=", "+", "-", "@", "\t", "\r"))


@given(st.lists(st.lists(CELLS, min_size=1, max_size=3), min_size=1, max_size=3))
def test_csv_comes_back_whatever_is_in_a_cell(rows: list[list[str]]) -> None:
    text = csv_text(rows[0], rows[1:])
    assert list(csv.reader(io.StringIO(text, newline=""), strict=True)) == rows


@pytest.mark.parametrize("cell", ["", "a=1", "'tis", "1-2", " =1"])
def test_harmless_cells_stay_as_they_are(cell: str) -> None:
    assert escape(cell) == cell
    assert unescape(cell) == cell


def test_files_of_others_keep_their_apostrophes_and_formulas() -> None:
    assert unescape("'tis") == "'tis"
    assert unescape("=1") == "=1"
