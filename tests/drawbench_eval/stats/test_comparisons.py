"""Counts by hand; what can be ranked against a linear program for directions of endless growth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from drawbench_eval.stats.comparisons import check_rankable, read_comparisons


def test_counts_by_hand() -> None:
    judged = read_comparisons(
        ["glide", "imagen", "glide", "dalle", "imagen"],
        ["imagen", "glide", "imagen", "glide", "dalle"],
        [1, 1, 0, -1, 0],
    )
    assert judged.models == ("dalle", "glide", "imagen")
    assert judged.wins.tolist() == [[0, 0, 0], [1, 0, 1], [0, 1, 0]]
    assert judged.ties.tolist() == [[0, 0, 1], [0, 0, 1], [1, 1, 0]]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("x", "y", 1), ("x", "x", 0)], "comparison 1: model 'x' is compared with itself"),
        ([("x", "y", 2)], r"comparison 0: choice 2 is none of 1 \(a\), 0 \(indifferent\), -1 \(b\)"),
        ([], "there are none"),
    ],
)
def test_bad_judgements_are_named(rows: list[tuple[str, str, int]], message: str) -> None:
    a, b, choice = ([row[column] for row in rows] for column in range(3))
    with pytest.raises(ValueError, match=message):
        read_comparisons(a, b, choice)


def test_shapes_must_match() -> None:
    with pytest.raises(ValueError, match="shapes"):
        read_comparisons(["x"], ["y"], [1, 0])


def check(rows: list[tuple[str, str, int]]) -> None:
    judged = read_comparisons(*zip(*rows, strict=True))
    check_rankable(judged.wins, judged.ties, judged.models)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            [("x", "y", 1), ("x", "y", -1), ("u", "v", 1), ("u", "v", -1)],
            "u, v were never compared with x, y",
        ),
        ([("x", "y", 1), ("x", "y", -1), ("x", "z", 1), ("y", "z", 1)], "x, y never lost to nor tied with z"),
        ([("x", "y", 0), ("y", "z", 0)], "all are indifferent"),
        ([("x", "y", 1), ("x", "y", 0)], "without a contradiction"),
        ([("x", "y", 1), ("y", "z", 1), ("x", "y", 0), ("y", "z", 0)], "without a contradiction"),
    ],
)
def test_why_there_is_no_ranking(rows: list[tuple[str, str, int]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check(rows)


def test_enough_to_rank() -> None:
    check([("x", "y", 1), ("y", "x", 1)])
    check([("x", "y", 1), ("y", "z", 1), ("z", "x", 1)])
    # x beats z by way of y, and still ties with it: wins are then not all wider than ties.
    check([("x", "y", 1), ("y", "z", 1), ("x", "z", 0)])


outcomes = st.lists(
    st.tuples(st.sampled_from(["xy", "yz", "xz", "zu", "xu"]), st.sampled_from([1, 0, -1])),
    min_size=1,
    max_size=9,
)


@settings(max_examples=300, deadline=None)
@given(outcomes)
def test_refused_is_what_can_grow_without_end(rows: list[tuple[str, int]]) -> None:
    """A direction of strengths and log nu that lowers no judgement's likelihood and raises one is endless."""
    judged = read_comparisons(
        [pair[0] for pair, _ in rows], [pair[1] for pair, _ in rows], [o for _, o in rows]
    )
    size = len(judged.models)
    slopes = []
    for a, b, outcome in zip(judged.a, judged.b, judged.outcome, strict=True):
        utility = np.zeros((3, size + 1))
        utility[0, a], utility[1, b] = 1.0, 1.0
        utility[2, [a, b]], utility[2, size] = 0.5, 1.0
        chosen = {1: 0, -1: 1, 0: 2}[int(outcome)]
        # Without any tie, log nu is not there.
        others = [k for k in range(3) if k != chosen and (k != 2 or (judged.outcome == 0).any())]
        slopes += [utility[chosen] - utility[k] for k in others]
    # Maximise the sum of slopes, all of which are 0 or more, in a box.
    best = linprog(-np.sum(slopes, axis=0), -np.array(slopes), np.zeros(len(slopes)), bounds=(-1, 1))
    assert best.fun is not None
    grows = best.fun < -1e-7
    # Directions in which nothing changes, beyond the strengths' common shift, leave them free.
    loose = np.linalg.matrix_rank(np.array(slopes)) < size - 1 + bool((judged.outcome == 0).any())
    try:
        check_rankable(judged.wins, judged.ties, judged.models)
        is_refused = False
    except ValueError:
        is_refused = True
    assert is_refused is bool(grows or loose)
