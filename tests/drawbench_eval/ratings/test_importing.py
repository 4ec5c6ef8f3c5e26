"""What goes in comes out accepted or rejected, each reject by file, line, column, value and reason."""

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drawbench_eval.files import sha256_bytes
from drawbench_eval.ratings import Allowance, read_ratings

ALL = Allowance(strict=False)
PAIRWISE = "prompt_id,question,model_a,model_b,choice,rater_id,is_control,control_answer,duration_s\n"
POINTWISE = "prompt_id,question,model,value,rater_id,is_control,control_answer\n"
GOOD_PAIR = "p0,quality,A,B,a,r0,false,,1\n"
GOOD_POINT = "p0,alignment,A,100,r0,false,\n"


def rejected(read) -> list[tuple[object, ...]]:
    return list(read.rejects[["line", "column", "value"]].itertuples(index=False, name=None))


@pytest.mark.parametrize(
    ("row", "column", "value", "reason"),
    [
        ("p1,quality,A,A,a,r1,false,,1", "model_b", "A", "a model compared with itself"),
        ("p1,quality,A,B,c,r1,false,,1", "choice", "c", "unknown; it must be one of 'a', 'indifferent', 'b'"),
        ("p1,quality,A,B,,r1,false,,1", "choice", "", "empty; it must be one of"),
        ("p1,quality,A,B,=HYPERLINK(1),r1,false,,1", "choice", "=HYPERLINK(1)", "unknown"),
        ("p1,,A,B,a,r1,false,,1", "question", "", "empty, but every judgement needs it"),
        ("p1,quality,,B,a,r1,false,,1", "model_a", "", "empty, but every judgement needs it"),
        (",quality,A,B,a,r1,false,,1", "prompt_id", "", "empty, but other rows have one"),
        ("p1,quality,A,B,a,,false,,1", "rater_id", "", "empty, but other rows have one"),
        ("p1,quality,A,B,a,r1,maybe,,1", "is_control", "maybe", "unknown; it must be one of 'true', 'false'"),
        ("p1,quality,A,B,a,r1,true,,1", "control_answer", "", "empty, but the row is a control"),
        ("p1,quality,A,B,a,r1,false,b,1", "control_answer", "b", "given, but the row is no control"),
        ("p1,quality,A,B,a,r1,true,left,1", "control_answer", "left", "unknown"),
        ("p1,quality,A,B,a,r1,false,,-1", "duration_s", "-1", "negative"),
        ("p1,quality,A,B,a,r1,false,,00:12", "duration_s", "00:12", "not a number"),
        ('p1,quality,A,B,a,r1,false,,"1,5"', "duration_s", "1,5", "the decimal mark is ','"),
        ("p1,photorealism,A,B,a,r1,false,,1", "model_b", "B", "neither model is the reference 'reference'"),
        ("p1,photorealism,A,reference,indifferent,r1,false,,1", "choice", "indifferent", "two answers"),
        ("p1,quality,A,B,a,r1,false", "control_answer", "false", "7 cells where the header has 9"),
    ],
)
def test_a_bad_pairwise_row_is_named(layout, write, row: str, column: str, value: str, reason: str) -> None:
    path = write(f"{PAIRWISE}{GOOD_PAIR}{row}\n")
    with pytest.raises(ValueError, match=r"ratings\.csv line 3, column .* 1 of 2 rows are rejected"):
        read_ratings([path], layout("canonical_pairwise"))
    read = read_ratings([path], layout("canonical_pairwise"), Allowance(listed=("ratings.csv:3",)))
    assert rejected(read) == [(3, column, value)]
    assert reason in read.rejects["reason"].iloc[0]
    assert set(read.rejects["file"]) == {str(path)}
    assert (read.counts.rows, read.counts.accepted, read.counts.rejected) == (2, 1, 1)
    assert read.table["prompt_id"].tolist() == ["p0"]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("60", "not one of 0, 50, 100"),
        ("50%", "a percent sign"),
        ('"50,0"', "the decimal mark is ','"),
        ("5/10/2026", "a date"),
        ("05-Oct", "a date"),
        ("=50+50", "a formula"),
        ("yes", "not a number"),
        ("", "empty"),
    ],
)
def test_a_bad_value_is_named(layout, write, value: str, reason: str) -> None:
    path = write(f"{POINTWISE}{GOOD_POINT}p1,alignment,A,{value},r1,false,\n")
    read = read_ratings([path], layout("canonical_pointwise"), ALL)
    assert rejected(read) == [(3, "value", value.strip('"'))]
    assert reason in read.rejects["reason"].iloc[0]


def test_a_rater_who_answered_twice(layout, write) -> None:
    """The same again counts once; two answers that differ are none, also where the sides are swapped."""
    rows = [
        "p0,quality,A,B,a,r0,false,,1",
        "p0,quality,B,A,b,r0,false,,1",  # the same again
        "p0,quality,A,B,a,r1,false,,1",
        "p0,quality,B,A,a,r1,false,,1",  # the contrary
        "p0,alignment,A,B,b,r0,false,,1",
        "p1,quality,A,B,b,r0,false,,1",
        "p0,quality,A,C,b,r0,false,,1",
        "p0,quality,A,B,a,r0,true,a,1",  # controls may come again
        "p0,quality,A,B,b,r0,true,a,1",
    ]
    path = write(PAIRWISE + "\n".join(rows) + "\n")
    read = read_ratings([path], layout("canonical_pairwise"), ALL)
    assert rejected(read) == [(3, "choice", "b"), (4, "choice", "a"), (5, "choice", "a")]
    assert read.rejects["reason"].iloc[0].endswith("more than once: A in line 2, A in line 3")
    assert read.rejects["reason"].iloc[2].endswith("more than once: A in line 4, B in line 5")
    assert read.places["line"].tolist() == [2, 6, 7, 8, 9, 10]
    assert read_ratings([path], layout("canonical_pairwise", {"repeats": "keep"})).counts.rejected == 0


def test_other_samples_are_not_the_same_question(layout, write) -> None:
    header = POINTWISE.replace("\n", ",sample_ids\n")
    rows = "".join(
        f"p0,alignment,A,{value},r0,false,,{sample}\n" for value, sample in ((0, "s0"), (50, "s1"))
    )
    assert read_ratings([write(header + rows)], layout("canonical_pointwise")).counts.accepted == 2
    again = "p0,alignment,A,50,r0,false,,s0\n"
    read = read_ratings([write(header + rows + again)], layout("canonical_pointwise"), ALL)
    assert rejected(read) == [(2, "value", "0"), (4, "value", "50")]


def test_a_rater_who_repeats_without_end_is_told_in_short(layout, write) -> None:
    rows = "".join(f"p0,alignment,A,{(value % 3) * 50},r0,false,\n" for value in range(50))
    path = write(f"{POINTWISE}{rows}p1,alignment,A,0,r0,false,\n")
    read = read_ratings([path], layout("canonical_pointwise"), ALL)
    assert read.counts.rejected == 50
    assert (
        read.rejects["reason"]
        .iloc[0]
        .endswith("0 in line 2, 50 in line 3, 100 in line 4, 0 in line 5 and 46 more")
    )


def test_controls_that_contradict_each_other_do_not_count(layout, write) -> None:
    rows = [
        "p0,quality,A,B,a,r0,true,a,1",
        "p0,quality,B,A,a,r1,true,b,1",  # the same answer, seen from the other side
        "p1,quality,A,B,a,r0,true,a,1",
        "p1,quality,A,B,a,r1,true,b,1",
    ]
    read = read_ratings([write(PAIRWISE + "\n".join(rows))], layout("canonical_pairwise"), ALL)
    assert rejected(read) == [(4, "control_answer", "a"), (5, "control_answer", "b")]
    assert read.rejects["reason"].iloc[0].endswith("contradict each other: A in line 4, B in line 5")


def test_controls_and_repeats_that_cannot_be_told_apart_are_left_alone(layout, write) -> None:
    """Without prompt and samples nobody knows whether two rows are about the same."""
    header = "question,model_a,model_b,choice,rater_id,is_control,control_answer\n"
    rows = "q,A,B,a,r,true,a\nq,A,B,a,r,true,b\nq,A,B,a,r,false,\nq,A,B,b,r,false,\n"
    assert read_ratings([write(header + rows)], layout("canonical_pairwise")).counts.accepted == 4


def test_repeats_in_several_files_are_told_by_file(layout, write) -> None:
    first, second = write(POINTWISE + GOOD_POINT, "a.csv"), write(POINTWISE + GOOD_POINT + "\n", "b.csv")
    read = read_ratings([first, second], layout("canonical_pointwise"), ALL)
    assert read.rejects["file"].tolist() == [str(second)]
    assert read.rejects["reason"].iloc[0].endswith("100 in a.csv line 2, 100 in b.csv line 2")


def test_mixed_encodings_are_rejected_by_row(layout, write) -> None:
    good, bad = "Zoë,alignment,A,0,r,false,\n", "Chloë,alignment,A,0,r,false,\n"
    path = write(POINTWISE.encode() + good.encode() + bad.encode("cp1252"))
    read = read_ratings([path], layout("canonical_pointwise"), ALL)
    assert rejected(read) == [(3, "prompt_id", "Chlo\\xeb")]


def test_no_valid_row_is_an_error_that_shows_the_first(layout, write) -> None:
    path = write(f"{POINTWISE}p0,alignment,A,7,r0,false,\np1,alignment,A,8,r0,false,\n")
    with pytest.raises(
        ValueError, match=r"no row is accepted of 2; .*ratings\.csv line 2, column value: '7'"
    ):
        read_ratings([path], layout("canonical_pointwise"), ALL)
    with pytest.raises(ValueError, match="no ratings below the header"):
        read_ratings([write(POINTWISE)], layout("canonical_pointwise"), ALL)
    with pytest.raises(ValueError, match="paths: empty"):
        read_ratings([], layout("canonical_pointwise"))


def test_a_file_counts_once(layout, write) -> None:
    first, second = write(POINTWISE + GOOD_POINT, "a.csv"), write(POINTWISE + GOOD_POINT, "b.csv")
    with pytest.raises(ValueError, match=r"b\.csv: the same file as .*a\.csv"):
        read_ratings([first, second], layout("canonical_pointwise"))
    named = {"file_names": r"(?P<rater_id>\w+)\.csv", "columns.rater_id": None}
    read = read_ratings([first, second], layout("canonical_pointwise", named))
    assert read.table["rater_id"].tolist() == ["a", "b"]
    with pytest.raises(ValueError, match="the same file as"):
        read_ratings([first, first], layout("canonical_pointwise", named))


def test_files_are_counted_one_by_one_and_hashed(layout, write) -> None:
    first = write(f"{POINTWISE}{GOOD_POINT}p1,alignment,A,7,r0,false,\n", "a.csv")
    second = write(f"{POINTWISE[:-1]},note\np2,alignment,A,50,r0,false,,x\n", "b.csv")
    read = read_ratings([first, second], layout("canonical_pointwise"), ALL)
    assert [(f.counts.rows, f.counts.accepted, f.counts.rejected) for f in read.files] == [
        (2, 1, 1),
        (1, 1, 0),
    ]
    assert [f.unused_columns for f in read.files] == [(), ("note",)]
    assert read.files[1].sha256 == sha256_bytes(second.read_bytes())
    assert read.places.to_numpy().tolist() == [[str(first), 2], [str(second), 2]]


def test_what_may_be_absent(layout, write) -> None:
    read = read_ratings([write("question,model,value\nalignment,A,50\n")], layout("canonical_pointwise"))
    assert read.table[["prompt_id", "rater_id", "category"]].isna().all(axis=None)
    blank = write("rater_id,question,model,value\n,alignment,A,50\n,alignment,A,50\n")
    assert read_ratings([blank], layout("canonical_pointwise")).table["rater_id"].isna().all()
    with pytest.raises(ValueError, match="column rater_id: '': empty, but other rows have one"):
        read_ratings([blank], layout("canonical_pointwise", {"may_be_absent": []} | _no_columns("prompt_id")))
    with pytest.raises(
        ValueError, match=r"ratings\.columns\.model: .* has no column 'model'; it has question"
    ):
        read_ratings([write("question,value\nq,1\n")], layout("canonical_pointwise"))
    changes = {"may_be_absent": ["prompt_id"], **_no_columns("category")}
    with pytest.raises(ValueError, match=r"ratings\.columns\.rater_id: .* has no column 'rater_id'"):
        read_ratings([write("question,model,value\nq,A,1\n")], layout("canonical_pointwise", changes))


def _no_columns(*names: str) -> dict[str, None]:
    optional = {"category", "is_control", "control_answer", "sample_ids", "displayed_left", "duration_s"}
    return {f"columns.{name}": None for name in optional | {"batch_id", "timestamp", *names}}


@pytest.mark.parametrize(
    ("name", "changes", "header", "message"),
    [
        (
            "dsg",
            {"answers.0.columns": "score"},
            None,
            r"ratings\.answers\[0\]\.columns: .* no column that matches",
        ),
        (
            "dsg",
            {"columns.model": None},
            None,
            r"ratings\.columns\.model: null, and neither a constant nor a group",
        ),
        (
            "dsg",
            {"constants.model": "A"},
            None,
            r"ratings\.columns\.model: given by columns and by constants",
        ),
        ("dsg", {"answers.0.columns": "(?P<model>answer)"}, None, "given by columns and by a group"),
        (
            "dsg",
            {"file_names": r"(?P<x>.*)\.tsv"},
            None,
            r"ratings\.file_names: 'ratings\.csv' does not match",
        ),
        (
            "dsg",
            {"file_names": "(?P<x>.*)", "answers.0.columns": "(?P<x>answer)"},
            None,
            "the group x stands in",
        ),
        (
            "dsg",
            {"answers.0.questions": ["a"], "answers.0.columns": "(?P<question>answer)"},
            None,
            "beside questions",
        ),
        ("dsg", {}, "worker", r"ratings\.columns\.rater_id: .* no column 'worker_id'; did you mean worker\?"),
        ("dsg", {"columns.prompt_id": "{item_id}/{nr}"}, None, r"columns\.prompt_id: .* no column 'nr'"),
    ],
)
def test_a_layout_that_does_not_fit_the_file_is_named(layout, write, name, changes, header, message) -> None:
    text = f"item_id,question,t2i_model,{header or 'worker_id'},answer\np,q,m,r,5\n"
    with pytest.raises(ValueError, match=message):
        read_ratings([write(text)], layout(name, changes))


def test_cells_of_several_scores(layout, write) -> None:
    cells = ["[0.5,1]", "[ 1 , 0 ]", "0.5,1", "[0.5]", "[0.5,1,1]", "[0.5,]", "[0.7,1]", "", "[]"]
    rows = "".join(f"s{index}\t{cell}\n" for index, cell in enumerate(cells))
    read = read_ratings([write(f"uid\tM\n{rows}", "x_rater1.tsv")], layout("imagenhub"), ALL)
    good = read.table[["prompt_id", "question", "value"]].to_numpy().tolist()
    assert good == [
        ["s0", "alignment", 50],
        ["s0", "quality", 1],
        ["s1", "alignment", 100],
        ["s1", "quality", 0],
        ["s5", "alignment", 50],
        ["s6", "quality", 1],
    ]
    assert (read.counts.records, read.counts.rows) == (9, 18)
    reasons = read.rejects.groupby("line")["reason"].agg(list).to_dict()
    assert reasons[4] == ["not enclosed in []"] * 2
    assert reasons[5] == ["1 scores; there must be 2 (alignment, quality)"] * 2
    assert reasons[6][0].startswith("3 scores")
    assert reasons[7] == ["empty"]
    assert reasons[8] == ["unknown; it must be one of '1', '0.5', '0'"]
    assert reasons[9] == ["empty; it must be one of '1', '0.5', '0'", "empty"]
    assert read.rejects["value"].tolist()[:2] == ["0.5,1", "0.5,1"]


def test_an_id_of_two_columns_is_whole_or_none(layout, write) -> None:
    text = "item_id,nr,question,t2i_model,worker_id,answer\np,1,q,m,r,5\np,2,q,m,r,4\np,,q,m,r,3\n"
    changes = {"columns.prompt_id": "{item_id}/{nr}", "questions.0.written": "q"}
    read = read_ratings([write(text)], layout("dsg", changes), ALL)
    assert read.table["prompt_id"].tolist() == ["p/1", "p/2"]
    assert rejected(read) == [(4, "item_id + nr", "")]
    assert read.files[0].unused_columns == ()


def test_unknown_questions_are_rejected_where_all_are_named(layout, write) -> None:
    text = "item_id,question,t2i_model,worker_id,answer\np,{},m,r,5\np,How?,m,r,4\n"
    known = layout("dsg").questions[0].written
    read = read_ratings([write(text.format(known))], layout("dsg"), Allowance(number=1))
    assert rejected(read) == [(3, "question", "How?")]
    assert read.table["question"].tolist() == ["consistency"]
    assert read.questions == {"consistency": layout("dsg").questions[0]}


def test_questions_without_a_name_of_their_own_keep_what_the_file_calls_them(layout, write) -> None:
    rows = "p1,Better?,A,B,a,r1,false,,1\np1,photorealism,A,reference,a,r1,false,,1\n"
    read = read_ratings([write(PAIRWISE + rows)], layout("canonical_pairwise"))
    kinds = {name: question.kind for name, question in read.questions.items()}
    assert kinds == {"Better?": "pairwise", "photorealism": "realism"}


CELL = st.sampled_from(
    ["", "a", "b", "A", "B", "indifferent", "true", "false", "1", "1,5", "=1", "p", "\t", "é"]
)


@settings(deadline=None, max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.lists(CELL, min_size=8, max_size=10), min_size=1, max_size=12),
    ends=st.sampled_from("\r\n"),
)
def test_whatever_is_in_the_cells_everything_is_accounted_for(layout, write, rows, ends) -> None:
    """Every line once in the accepted or the rejected, whatever is wrong with it."""
    text = PAIRWISE + GOOD_PAIR + "".join(";".join(row) + ends for row in rows)
    path = write(text.replace(",", ";").replace("1;5", '"1,5"'))
    read = read_ratings([path], layout("canonical_pairwise", {"file.delimiter": ";", "repeats": "keep"}), ALL)
    lines = pd.concat([read.places["line"], read.rejects["line"]]).sort_values().tolist()
    assert lines == list(range(2, len(rows) + 3))
    assert (
        read.counts.rows
        == read.counts.accepted + read.counts.rejected
        == read.counts.records
        == len(rows) + 1
    )
    assert (read.rejects["reason"] != "").all()
