"""Rankings of the models of a question, from all its pairwise judgements."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from drawbench_eval.ratings.aggregation.selection import Raters, Selection
from drawbench_eval.stats.ranking import rank_models
from drawbench_eval.stats.rates import Interval


@dataclass(frozen=True, kw_only=True)
class RankedModel:
    """One model: its strength (log odds; those of a ranking sum to 0), rank 1 the best, and all ranks that it
    may have.

    `half_win` is the second view, Bradley-Terry strength with a tie as half a win: shrunken where there are
    ties.
    """

    model: str
    strength: float
    standard_error: float
    ci95: Interval
    rank: int
    rank_interval: tuple[int, int]
    half_win: float
    num_judgements: int


@dataclass(frozen=True, kw_only=True)
class QuestionRanking:
    """Davidson's model of one question. `models` from the best on; `win` and `tie` are probabilities of the
    row's model against the column's, in that order. `nu`: how readily raters are indifferent.
    """

    question: str
    raters: Raters
    models: tuple[RankedModel, ...]
    win: list[list[float]]
    tie: list[list[float]]
    p_holm: list[list[float]]
    nu: float
    clustered_by: str
    num_prompts: int | None
    num_raters: int | None


def rank(selection: Selection) -> QuestionRanking:
    """The ranking of a pairwise question's models.

    Raises ValueError, in the models' names, where the comparisons do not hold them together.
    """
    table = selection.table
    found = rank_models(table["model_a"], table["model_b"], selection.choices, *selection.labels)
    order = np.argsort(-found.strengths, kind="stable")

    def matrix(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[list[float]]:
        return [[float(one) for one in row] for row in values[np.ix_(order, order)]]

    return QuestionRanking(
        question=selection.question,
        raters=selection.raters,
        models=tuple(
            RankedModel(
                model=found.models[k],
                strength=float(found.strengths[k]),
                standard_error=float(found.standard_error[k]),
                ci95=(float(found.interval[k, 0]), float(found.interval[k, 1])),
                rank=int(found.rank[k]),
                rank_interval=(int(found.rank_interval[k, 0]), int(found.rank_interval[k, 1])),
                half_win=float(found.half_win[k]),
                num_judgements=int(found.num_judgements[k]),
            )
            for k in order
        ),
        win=matrix(found.win),
        tie=matrix(found.tie),
        p_holm=matrix(found.p_values),
        nu=found.nu,
        clustered_by=selection.clustered_by,
        num_prompts=found.num_prompts if selection.prompts is not None else None,
        num_raters=found.num_raters,
    )
