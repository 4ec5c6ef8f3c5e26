"""Results of simulated ratings."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest

from drawbench_eval.ratings import DRAWBENCH_STYLE, Question, filter_raters
from drawbench_eval.ratings.aggregation import OnParSettings, Results, ResultSettings, rating_results

SETTINGS = ResultSettings(
    clusters=("prompts", "raters"),
    first=None,
    on_par=OnParSettings(reference="reference", alignment_margin=5, margins=None),
    families=None,
    alpha=0.05,
    seed=0,
    num_draws=200,
)

GetResults = Callable[..., Results]


def question(kind: str, **changes: Any) -> Question:
    asked = Question(name=None, written=None, kind="pairwise", levels=None, words=(), reference=None)
    return replace(asked, kind=kind, **changes)


@pytest.fixture
def results_of() -> GetResults:
    """Results of a canonical table whose questions are all of one kind."""

    def get(
        table: pd.DataFrame, kind: str = "pairwise", *, rules: Any = DRAWBENCH_STYLE, **changes: Any
    ) -> Results:
        other = {name: changes.pop(name) for name in ("without_people", "runs") if name in changes}
        reference = {"reference": "reference"} if kind == "realism" else {}
        questions = {name: question(kind, **reference) for name in table["question"].unique()}
        return rating_results(filter_raters(table, rules), questions, replace(SETTINGS, **changes), **other)

    return get
