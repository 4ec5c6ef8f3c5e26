import itertools

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drawbench_eval.ratings import Allowance, read_ratings

RANKS = {
    "written": "columns",
    "best": "lowest",
    "above": None,
    "equal": None,
}


def ranked(layout, written: str, **changes):
    """The layout of votes, turned into one of rankings."""
    ranking = RANKS | {"written": written}
    if written == "text":
        ranking |= {"best": None, "above": ">", "equal": "="}
    return layout(
        "evalica",
        {
            "columns.model_a": None,
            "columns.model_b": None,
            "constants.displayed_left": None,
            "choices": None,
            "controls": None,
            "ranking": ranking,
        }
        | {f"columns.{name}": name for name in ("prompt_id", "rater_id")}
        | changes,
    )


def pairs(read) -> list[tuple[str, str, str]]:
    return list(read.table[["model_a", "model_b", "choice"]].itertuples(index=False, name=None))


def test_ranks_in_a_column_of_each_model(layout, write) -> None:
    columns = {"answers.0.columns": "rank_(?P<model>.+)", "answers.0.blank": "skip"}
    path = write("prompt_id,rater_id,rank_A,rank_B,rank_C\np,r,2,1,2\nq,r,,3,1\n")
    read = read_ratings([path], ranked(layout, "columns", **columns))
    assert pairs(read) == [("A", "B", "b"), ("A", "C", "indifferent"), ("B", "C", "a"), ("B", "C", "b")]
    assert read.places["line"].tolist() == [2, 2, 2, 3]
    assert (read.counts.records, read.counts.rows, read.counts.blank) == (2, 4, 1)
    highest = read_ratings([path], ranked(layout, "columns", **columns, **{"ranking.best": "highest"}))
    assert pairs(highest) == [("A", "B", "a"), ("A", "C", "indifferent"), ("B", "C", "b"), ("B", "C", "a")]


def test_ranks_in_rows(layout, write) -> None:
    path = write("rater_id,prompt_id,system,rank\nr,p,A,1\ns,p,A,2\nr,p,B,2\ns,p,B,1\nr,p,C,2\n")
    read = read_ratings(
        [path], ranked(layout, "rows", **{"columns.model": "system", "answers.0.columns": "rank"})
    )
    assert pairs(read) == [("A", "B", "a"), ("A", "C", "a"), ("A", "B", "b"), ("B", "C", "indifferent")]
    assert read.table["rater_id"].tolist() == ["r", "r", "s", "r"]


def test_rankings_as_text(layout, write) -> None:
    path = write("prompt_id,rater_id,order\np,r,B > A=C\nq,r, A = B \n")
    read = read_ratings([path], ranked(layout, "text", **{"answers.0.columns": "order"}))
    assert pairs(read) == [
        ("B", "A", "a"),
        ("B", "C", "a"),
        ("A", "C", "indifferent"),
        ("A", "B", "indifferent"),
    ]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("A", "ranked alone"),
        ("A > > B", "a name is missing"),
        ("A > B = A", "A stands in it twice"),
        ("", "empty"),
    ],
)
def test_texts_that_are_no_ranking_are_one_rejected_row(layout, write, text: str, reason: str) -> None:
    path = write(f"prompt_id,rater_id,order\np,r,A>B\nq,r,{text}\n")
    read = read_ratings([path], ranked(layout, "text", **{"answers.0.columns": "order"}), Allowance(number=1))
    assert read.rejects[["line", "column", "value"]].to_numpy().tolist() == [[3, "order", text]]
    assert reason in read.rejects["reason"].iloc[0]


def test_pairs_of_a_rank_that_cannot_be_used_are_rejected_by_its_cell(layout, write) -> None:
    columns = {"answers.0.columns": "rank_(?P<model>.+)"}
    path = write("prompt_id,rater_id,rank_A,rank_B,rank_C\np,r,1,x,2\nq,r,1\n")
    read = read_ratings([path], ranked(layout, "columns", **columns), Allowance(number=5))
    assert pairs(read) == [("A", "C", "a")]
    assert (read.counts.rows, read.counts.rejected) == (6, 5)
    assert read.rejects["column"].tolist() == ["rank_B"] * 2 + ["rank_B"] * 3
    assert read.rejects["line"].tolist() == [2, 2, 3, 3, 3]
    assert read.rejects["value"].tolist()[:2] == ["x", "x"]
    path = write("rater_id,prompt_id,system,rank\nr,p,A,1\nr,p,B,?\nr,p,C,3\ns,p,C,3\nr,p\n")
    rows = ranked(layout, "rows", **{"columns.model": "system", "answers.0.columns": "rank"})
    read = read_ratings([path], rows, Allowance(number=4))
    assert pairs(read) == [("A", "C", "a")]
    assert read.rejects["line"].tolist() == [3, 3, 5, 6]
    assert "ranked alone" in read.rejects["reason"].iloc[2]


def test_a_model_ranked_twice_is_not_compared_with_itself(layout, write) -> None:
    path = write("rater_id,prompt_id,system,rank\nr,p,A,1\nr,p,A,2\nr,p,B,3\n")
    rows = ranked(layout, "rows", **{"columns.model": "system", "answers.0.columns": "rank"})
    read = read_ratings([path], rows, Allowance(strict=False))
    assert pairs(read) == [("A", "B", "a")]
    assert ["itself" in reason or "more than once" in reason for reason in read.rejects["reason"]] == [
        True,
        True,
    ]


def test_rankings_in_rows_must_be_told_apart(layout, write) -> None:
    rows = ranked(
        layout, "rows", **{"columns.model": "s", "answers.0.columns": "rank", "columns.rater_id": None}
    )
    with pytest.raises(ValueError, match=r"ratings\.columns\.rater_id: rankings in rows need"):
        read_ratings([write("prompt_id,s,rank\np,A,1\np,B,2\n")], rows)


@settings(deadline=None, max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(st.integers(1, 4), min_size=3, max_size=3), min_size=1, max_size=6))
def test_all_ways_to_write_a_ranking_give_the_pairs_of_a_double_loop(layout, write, rankings) -> None:
    names = "ABC"
    naive = [
        (a, b, "a" if ranks[i] < ranks[j] else "b" if ranks[i] > ranks[j] else "indifferent")
        for ranks in rankings
        for (i, a), (j, b) in itertools.combinations(enumerate(names), 2)
    ]
    wide, long, text = ["rater_id,A,B,C"], ["rater_id,m,rank"], ["rater_id,order"]
    for rater, ranks in enumerate(rankings):
        wide.append(f"{rater},{','.join(map(str, ranks))}")
        long += [f"{rater},{name},{rank}" for name, rank in zip(names, ranks, strict=True)]
        levels = [[n for n, r in zip(names, ranks, strict=True) if r == rank] for rank in sorted(set(ranks))]
        text.append(f"{rater},{'>'.join('='.join(level) for level in levels)}")
    for written, lines, changes in (
        ("columns", wide, {"answers.0.columns": "(?P<model>[ABC])"}),
        ("rows", long, {"answers.0.columns": "rank", "columns.model": "m"}),
        ("text", text, {"answers.0.columns": "order"}),
    ):
        path = write("\n".join(lines) + "\n", f"{written}.csv")
        read = read_ratings([path], ranked(layout, written, **{"columns.prompt_id": None}, **changes))
        found = pairs(read)
        if written == "text":
            turn = {"a": "b", "b": "a", "indifferent": "indifferent"}
            found = [(a, b, c) if a < b else (b, a, turn[c]) for a, b, c in found]
            assert sorted(found) == sorted(naive)
        else:
            assert found == naive
