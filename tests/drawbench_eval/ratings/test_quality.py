import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from drawbench_eval.ratings import COCO_STYLE, DRAWBENCH_STYLE, QualityRules, filter_raters, rater_quality
from drawbench_eval.ratings.schema import FORMS, check_table


def pairwise(rows: list[dict[str, object]]) -> pd.DataFrame:
    some = {
        "prompt_id": "p",
        "question": "q",
        "model_a": "A",
        "model_b": "B",
        "choice": "a",
        "rater_id": "r",
        "is_control": False,
    }
    columns = {
        column.name: pd.Series([(some | row).get(column.name) for row in rows], dtype=object).astype(
            column.dtype
        )  # type: ignore[call-overload]
        for column in FORMS["pairwise"]
    }
    table = pd.DataFrame(columns)
    check_table(table, "pairwise")
    return table


def controls(rater: str, right: int, wrong: int) -> list[dict[str, object]]:
    return [
        {"rater_id": rater, "is_control": True, "control_answer": "a", "choice": choice, "prompt_id": f"c{i}"}
        for i, choice in enumerate(
            ["a"] * right + ["b"] * (wrong // 2) + ["indifferent"] * (wrong - wrong // 2)
        )
    ]


def test_the_paper_s_filter_keeps_raters_with_four_of_five_controls_right() -> None:
    rows = [*controls("kept", 4, 1), *controls("dropped", 79, 21), *controls("all", 3, 0)]
    rows += [{"rater_id": rater} for rater in ("kept", "dropped", "all", "none", "dropped")]
    table = pairwise(rows)
    quality = rater_quality(table)
    assert quality["controls_right"].to_dict() == pytest.approx(
        {"kept": 0.8, "dropped": 0.79, "all": 1.0, "none": np.nan}, nan_ok=True
    )
    assert quality["num_controls"].tolist() == [5, 100, 3, 0]
    filtered = filter_raters(table, COCO_STYLE)
    assert filtered.everybody["rater_id"].tolist() == ["kept", "dropped", "all", "none", "dropped"]
    assert filtered.kept["rater_id"].tolist() == ["kept", "all"]
    assert filtered.dropped.drop(columns="value").to_numpy().tolist() == [
        ["dropped", "controls_right", 0.8, 2],
        ["none", "controls_right", 0.8, 1],
    ]
    assert filtered.dropped["value"].tolist() == pytest.approx([0.79, np.nan], nan_ok=True)


def test_drawbench_style_leaves_nobody_out_and_needs_no_raters() -> None:
    table = pairwise([*controls("r", 0, 5), {"rater_id": "r"}])
    filtered = filter_raters(table, DRAWBENCH_STYLE)
    assert len(filtered.kept) == len(filtered.everybody) == 1
    assert filtered.dropped.empty
    assert len(filter_raters(table.assign(rater_id=None), DRAWBENCH_STYLE).kept) == 1


def test_the_filter_needs_controls_and_raters() -> None:
    with pytest.raises(ValueError, match="min_controls_right: the ratings hold no control questions"):
        filter_raters(pairwise([{}]), COCO_STYLE)
    with pytest.raises(ValueError, match="no rater_id"):
        rater_quality(pairwise([{"rater_id": None}]))
    with pytest.raises(ValueError, match="rates say nothing of single answers"):
        rater_quality(pd.DataFrame({"rate": [0.5]}))
    with pytest.raises(ValueError, match=r"min_agreement: 1\.5"):
        QualityRules(**(vars(DRAWBENCH_STYLE) | {"min_agreement": 1.5}))


def test_straight_lining_is_about_the_button_and_not_the_model() -> None:
    """Always left, with the sides at random: the choices vary, the button does not."""
    lefts = ["a", "b", "b", "a", "b"]
    rows = [{"displayed_left": left, "choice": left, "prompt_id": f"p{i}"} for i, left in enumerate(lefts)]
    rows.insert(2, {"displayed_left": "a", "choice": "indifferent", "prompt_id": "x"})
    # Another rater's answers in between do not end a run.
    rows.insert(5, {"rater_id": "s", "choice": "b", "prompt_id": "p"})
    quality = rater_quality(pairwise(rows))
    assert quality.loc["r", ["same_answer", "longest_run", "num_sided", "left_share"]].tolist() == [
        "left",
        3,
        5,
        1.0,
    ]
    assert quality.loc["r", "same_answer_share"] == pytest.approx(5 / 6)
    assert quality.loc["r", "left_p"] == pytest.approx(binomtest(5, 5).pvalue)
    assert quality.loc["s", ["same_answer", "num_sided"]].tolist() == ["b", 0]
    assert np.isnan(quality.loc["s", "left_share"])


def test_every_rule_names_who_it_drops_and_why() -> None:
    rows = [
        {
            "rater_id": rater,
            "prompt_id": f"p{i}",
            "choice": choice,
            "displayed_left": left,
            "duration_s": time,
        }
        for rater, choices, lefts, time in (
            ("steady", "abababab", "aabbaabb", 9.0),
            ("left", "abababab", "abababab", 9.0),
            ("fast", "abababab", "aabbaabb", 0.5),
            ("contrary", "babababa", "aabbaabb", 9.0),
        )
        for i, (choice, left) in enumerate(zip(choices, lefts, strict=True))
    ]
    table = pairwise([*rows, {"rater_id": "few", "prompt_id": "p0", "duration_s": 0.1}])
    assert filter_raters(table, DRAWBENCH_STYLE).dropped.empty
    rules = QualityRules(
        min_controls_right=None,
        max_same_answer_share=0.9,
        min_median_duration_s=1.0,
        max_one_side_share=0.9,
        min_agreement=0.2,
        min_answers=5,
    )
    filtered = filter_raters(table, rules)
    found = filtered.dropped[["rater_id", "rule", "value", "limit", "num_judgements"]].to_numpy().tolist()
    assert found == [
        ["left", "same_answer_share", 1.0, 0.9, 8],
        ["fast", "median_duration_s", 0.5, 1.0, 8],
        ["left", "one_side_share", 1.0, 0.9, 8],
        ["contrary", "agreement", pytest.approx(0.0, abs=0.05), 0.2, 8],
    ]
    assert set(filtered.kept["rater_id"]) == {"steady", "few"}


def naive_agreement(table: pd.DataFrame, rater: str) -> tuple[int, float]:
    """Double loop: for each judgement of the rater, the share of others on this pair with the same winner."""

    def said(row) -> tuple[object, object]:
        winner = {"a": row.model_a, "b": row.model_b}.get(row.choice, "indifferent")
        return (row.prompt_id, row.question, frozenset((row.model_a, row.model_b))), winner

    rows = [row for row in table.itertuples() if not row.is_control]
    shares = []
    for own in (row for row in rows if row.rater_id == rater):
        others = [said(row)[1] for row in rows if row.rater_id != rater and said(row)[0] == said(own)[0]]
        if others:
            shares.append(np.mean([winner == said(own)[1] for winner in others]))
    return len(shares), float(np.mean(shares)) if shares else np.nan


@settings(deadline=None, max_examples=15)
@given(
    st.lists(
        st.fixed_dictionaries(
            {
                "prompt_id": st.sampled_from(["p", "q"]),
                "question": st.sampled_from(["x", "y"]),
                "rater_id": st.sampled_from(["r", "s", "t"]),
                "models": st.permutations(["A", "B", "C"]),
                "choice": st.sampled_from(["a", "indifferent", "b"]),
                "is_control": st.booleans(),
            }
        ),
        min_size=1,
        max_size=25,
    )
)
def test_leave_one_out_agreement_is_that_of_a_double_loop(drawn: list[dict]) -> None:
    rows = [
        row
        | {"model_a": row["models"][0], "model_b": row["models"][1]}
        | ({"control_answer": "a"} if row["is_control"] else {})
        for row in drawn
    ]
    table = pairwise(rows)
    quality = rater_quality(table)
    for rater in quality.index:
        compared, agreement = naive_agreement(table, rater)
        assert quality.loc[rater, "num_compared"] == compared
        assert quality.loc[rater, "agreement"] == pytest.approx(agreement, nan_ok=True)
