from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from drawbench_eval.ratings import check_table, read_ratings, write_ratings
from drawbench_eval.ratings.schema import FORMS, FormName, column_names, is_known

NASTY = ['=HYPERLINK("http://x","y")', "+1", "-2", "@SUM(A1)", "\tx", "\rx", "'=1", "'tis", 'a,"b"\nc', " x "]


def table(form: FormName, **columns: list[object]) -> pd.DataFrame:
    """Canonical rows, with what is not given filled in."""
    n = len(next(iter(columns.values())))
    some: dict[str, list[object]] = {
        "question": ["q"] * n,
        "model": ["m"] * n,
        "model_a": ["m"] * n,
        "model_b": ["n"] * n,
        "choice": ["a"] * n,
        "value": [1.0] * n,
        "rate": [0.5] * n,
        "is_control": [False] * n,
    }
    made = {}
    for column in FORMS[form]:
        values = columns.get(column.name, some.get(column.name, [None] * n))
        made[column.name] = pd.Series(values, dtype=object).astype(column.dtype)  # type: ignore[call-overload]
    return pd.DataFrame(made)


def ratings(form: FormName) -> pd.DataFrame:
    n = len(NASTY)
    texts = dict.fromkeys(("prompt_id", "category", "rater_id", "batch_id"), NASTY)
    if form == "pairwise":
        return table(
            form,
            **texts,
            question=NASTY,
            model_a=[f"{text}1" for text in NASTY],
            sample_ids_a=NASTY,
            model_b=[f"{text}2" for text in NASTY],
            choice=(["a", "b", "indifferent"] * n)[:n],
            is_control=[True] + [False] * (n - 1),
            control_answer=["b"] + [None] * (n - 1),
            displayed_left=[None, *["a", "b"] * n][:n],
            duration_s=[0.1, None, *[12.0] * (n - 2)],
            timestamp=[None, *["2026-11-25T10:00:00"] * (n - 1)],
        )
    if form == "pointwise":
        return table(
            form,
            **texts,
            question=NASTY,
            model=NASTY,
            value=[-1.5, 2, 1 / 3, *range(n - 3)],
            is_control=[True] + [False] * (n - 1),
            control_answer=[-1.0] + [None] * (n - 1),
        )
    return table(
        form, **texts, model=NASTY, rate=[1 / 3, 0, 1, *[0.5] * (n - 3)], num_trials=[None, *range(1, n)]
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
@pytest.mark.parametrize("form", FORMS)
def test_what_is_written_is_read_back_unchanged(tmp_path: Path, layout, form: FormName, suffix: str) -> None:
    written = ratings(form)
    path = tmp_path / f"ratings.{suffix}"
    write_ratings(path, written, form)
    read = read_ratings([path], layout(f"canonical_{form}"))
    pd.testing.assert_frame_equal(read.table, written)
    assert (read.form, read.counts.rejected, read.files[0].unused_columns) == (form, 0, ())


def test_no_cell_of_an_export_can_be_run(tmp_path: Path) -> None:
    write_ratings(tmp_path / "r.csv", ratings("pairwise"), "pairwise")
    cells = pd.read_csv(tmp_path / "r.csv", dtype=str, keep_default_na=False).to_numpy().ravel()
    assert sum(cell.startswith("'") for cell in cells) > 20
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in cells)


def test_the_columns_are_those_of_the_contract() -> None:
    assert ",".join(column_names("pairwise")) == (
        "prompt_id,category,question,model_a,model_b,choice,rater_id,is_control,control_answer,"
        "sample_ids_a,sample_ids_b,displayed_left,duration_s,batch_id,timestamp"
    )
    assert ",".join(column_names("pointwise")) == (
        "prompt_id,category,question,model,value,rater_id,is_control,control_answer,"
        "sample_ids,displayed_left,duration_s,batch_id,timestamp"
    )


@pytest.mark.parametrize(
    ("form", "column", "value", "message"),
    [
        ("pairwise", "choice", "left", "row 2, column choice: 'left' is not one of a, indifferent, b"),
        ("pairwise", "choice", None, "row 2, column choice: None is empty"),
        ("pairwise", "model_b", "m", "row 2, column model_b: 'm' is compared with itself"),
        ("pairwise", "displayed_left", "left", "not one of a, b"),
        ("pairwise", "control_answer", "a", "given, but the row is not a control"),
        (
            "pairwise",
            "is_control",
            True,
            "row 2, column control_answer: None is empty, but the row is a control",
        ),
        ("pairwise", "rater_id", "", "row 2, column rater_id: '' is not a text, or empty"),
        ("pairwise", "rater_id", 7, "row 2, column rater_id: 7 is not a text"),
        ("pairwise", "duration_s", -1.0, "not a number from 0 up"),
        ("pointwise", "value", np.inf, "not a finite number"),
        ("pointwise", "value", None, "empty, but every row needs it"),
        ("proportion", "rate", 1.5, "not a number from 0 to 1"),
        ("proportion", "num_trials", 0, "not a whole number from 1 up"),
    ],
)
def test_what_is_not_canonical_is_named(form: FormName, column: str, value: object, message: str) -> None:
    good = table(form, question=["q", "q"])
    check_table(good, form)
    bad = good.copy()
    dtype = bad[column].dtype
    values = bad[column].astype(object)
    values.iloc[1] = value
    bad[column] = values.astype(dtype)
    with pytest.raises(ValueError, match=message):
        check_table(bad, form)


def test_types_and_columns_are_checked(tmp_path: Path) -> None:
    good = table("pointwise", question=["q"])
    with pytest.raises(ValueError, match="column value: its type is int64; it must be float64"):
        check_table(good.assign(value=pd.Series([1])), "pointwise")
    with pytest.raises(ValueError, match="they must be prompt_id, category"):
        check_table(good.drop(columns="model"), "pointwise")
    with pytest.raises(ValueError, match=r"written as \.csv or \.parquet"):
        write_ratings(tmp_path / "r.xlsx", good, "pointwise")
    assert list(tmp_path.iterdir()) == []


def test_what_needs_a_column_is_offered_where_every_row_has_it() -> None:
    assert is_known(table("pointwise", rater_id=["r", "s"]), "rater_id")
    assert not is_known(table("pointwise", rater_id=["r", None]), "rater_id")
    assert not is_known(table("pointwise", rater_id=["r"])[:0], "rater_id")
