"""A against B and B against A are one comparison: one way round for both."""

import pandas as pd

_SWAPPED = {"a": "b", "b": "a"}
_PAIRS = (("model_a", "model_b"), ("sample_ids_a", "sample_ids_b"))


def oriented(table: pd.DataFrame, second: str | None = None, first: str | None = None) -> pd.DataFrame:
    """Pairwise ratings with model_a before model_b by their names, choices and sides turned along.

    `second`, such as the reference, always stands as model_b, and `first` as model_a where it is not against
    `second`. The rows stay in their order.
    """
    turn = table["model_a"] > table["model_b"]
    if first is not None:
        turn = (turn | (table["model_b"] == first)) & (table["model_a"] != first)
    if second is not None:
        turn = (turn | (table["model_a"] == second)) & (table["model_b"] != second)
    turn = turn.astype(bool)
    result = table.copy()
    for a, b in _PAIRS:
        result[a] = table[a].mask(turn, table[b])
        result[b] = table[b].mask(turn, table[a])
    for column in ("choice", "control_answer", "displayed_left"):
        swapped = table[column].replace(_SWAPPED)
        result[column] = table[column].mask(turn, swapped)
    return result
