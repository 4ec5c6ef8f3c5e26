import numpy as np
import pandas as pd
import pytest

from drawbench_eval.ratings import oriented

COLUMNS = ["model_a", "model_b", "choice", "control_answer", "sample_ids_a", "sample_ids_b", "displayed_left"]
TABLE = pd.DataFrame(
    [
        ("B", "A", "a", "b", "sB", "sA", "a"),
        ("A", "B", "a", None, "sA", "sB", None),
        ("C", "A", "indifferent", None, None, "sA", "b"),
    ],
    columns=COLUMNS,
    dtype=object,
)


def test_comparisons_stand_one_way_round() -> None:
    assert oriented(TABLE).fillna("-").to_numpy().tolist() == [
        ["A", "B", "b", "a", "sA", "sB", "b"],
        ["A", "B", "a", "-", "sA", "sB", "-"],
        ["A", "C", "indifferent", "-", "sA", "-", "a"],
    ]
    pd.testing.assert_frame_equal(oriented(oriented(TABLE)), oriented(TABLE))


@pytest.mark.parametrize("second", ["A", "B"])
def test_the_reference_stands_second(second: str) -> None:
    turned = oriented(TABLE, second)
    has = (TABLE[["model_a", "model_b"]] == second).any(axis=1)
    assert (turned["model_b"][has] == second).all()

    def winners(table: pd.DataFrame) -> list[str]:
        return np.where(table["choice"] == "a", table["model_a"], table["model_b"]).tolist()[:2]

    assert winners(turned) == winners(TABLE) == ["B", "A"]


@pytest.mark.parametrize("first", ["A", "B", "C"])
def test_a_model_can_stand_first_but_not_before_the_reference(first: str) -> None:
    turned = oriented(TABLE, first=first)
    has = (TABLE[["model_a", "model_b"]] == first).any(axis=1)
    assert (turned["model_a"][has] == first).all()
    assert (turned["model_a"][~has] < turned["model_b"][~has]).all()
    both = oriented(TABLE, second="A", first=first)
    assert (both["model_b"] == "A").all()
