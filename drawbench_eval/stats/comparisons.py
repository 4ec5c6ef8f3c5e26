"""Pairwise judgements of many models: who was compared with whom, and whether a ranking can be had of it.

Strengths are finite and unique only where the judgements hold each other in place (Ford 1957, Am. Math. Mon.
64, 28, for wins alone; ties add the second condition below). What is missing is said in the models' names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import NegativeCycleError, bellman_ford, connected_components

from drawbench_eval.stats.clustered import Array

Codes = NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Comparisons:
    """n judgements of pairs of M models: `models` in alphabetical order, sides as indices into them.

    `outcome` [n] is 1 where a was preferred, 0 for indifferent, -1 where b was.
    """

    models: tuple[str, ...]
    a: Codes
    b: Codes
    outcome: Codes

    @property
    def wins(self) -> Array:
        """How often each model was preferred to each other one: [M, M]."""
        winner = np.where(self.outcome > 0, self.a, self.b)
        decided = self.outcome != 0
        return self._count(winner[decided], (self.a + self.b - winner)[decided])

    @property
    def ties(self) -> Array:
        """How often each pair was judged indifferent: [M, M], symmetric."""
        tied = self.outcome == 0
        counts = self._count(self.a[tied], self.b[tied])
        return counts + counts.T

    def _count(self, first: Codes, second: Codes) -> Array:
        size = len(self.models)
        return (
            np.bincount(first * size + second, minlength=size * size).reshape(size, size).astype(np.float64)
        )


def read_comparisons(models_a: ArrayLike, models_b: ArrayLike, choices: ArrayLike) -> Comparisons:
    """Judgements [n] of model a against model b by name, with choices 1 (a), 0 (indifferent), -1 (b).

    Raises ValueError for a model compared with itself, an unknown choice, shapes that differ, and no
    judgements.
    """
    names_a, names_b = np.asarray(models_a, dtype=str), np.asarray(models_b, dtype=str)
    outcome = np.asarray(choices, dtype=np.float64)
    if outcome.ndim != 1 or names_a.shape != outcome.shape or names_b.shape != outcome.shape:
        raise ValueError(
            f"models a, models b and choices: shapes {names_a.shape}, {names_b.shape} and {outcome.shape};"
            " all must be [n]"
        )
    if len(outcome) == 0:
        raise ValueError("comparisons: there are none")
    odd = np.flatnonzero(~np.isin(outcome, (1, 0, -1)))
    if len(odd):
        raise ValueError(
            f"comparison {odd[0]}: choice {outcome[odd[0]]:g} is none of 1 (a), 0 (indifferent), -1 (b)"
        )
    same = np.flatnonzero(names_a == names_b)
    if len(same):
        raise ValueError(f"comparison {same[0]}: model {str(names_a[same[0]])!r} is compared with itself")
    models, codes = np.unique(np.concatenate([names_a, names_b]), return_inverse=True)
    return Comparisons(
        models=tuple(map(str, models)),
        a=codes[: len(outcome)].astype(np.int64),
        b=codes[len(outcome) :].astype(np.int64),
        outcome=outcome.astype(np.int64),
    )


def check_rankable(wins: Array, ties: Array, models: Sequence[str]) -> None:
    """Raises ValueError, with the models' names, where strengths are not finite and unique.

    That is where the models fall into groups never compared with each other; where some never lost to the
    rest nor tied with it; where nothing was decided; and where gaps can grow together with the tie
    parameter, because every tie lies between models that no chain of wins holds closer.
    """
    if not wins.any():
        raise ValueError("comparisons: all are indifferent; strengths cannot be told from them")
    together = wins + wins.T + ties
    count, group = connected_components(csr_array(together), directed=False)
    if count > 1:
        raise ValueError(
            f"comparisons: {_names(models, group == group[0])} were never compared with"
            f" {_names(models, group != group[0])}; a ranking takes one connected graph"
        )
    count, group = connected_components(csr_array(wins + ties), directed=True, connection="strong")
    if count > 1:
        above = _unbeaten(wins + ties, group)
        raise ValueError(
            f"comparisons: {_names(models, above)} never lost to nor tied with {_names(models, ~above)};"
            " their strengths have no finite estimate"
        )
    if ties.any() and _gaps_can_grow(wins, ties):
        raise ValueError(
            "comparisons: each win goes to the stronger and each tie lies between neighbours, without a"
            " contradiction; strengths have no finite estimate from so few"
        )


def _unbeaten(beats: Array, group: NDArray[np.int32]) -> NDArray[np.bool_]:
    """The members of a strongly connected group that no other group has beaten or tied."""
    for code in range(int(group.max()) + 1):
        inside = group == code
        if not beats[np.ix_(~inside, inside)].any():
            return np.asarray(inside)
    raise AssertionError("a finite graph of groups has a source")


def _gaps_can_grow(wins: Array, ties: Array) -> bool:
    """Whether gaps exist that are 1 or more for every win and 1 or less for every tie.

    Along them the likelihood never falls while both gaps and tie parameter grow without end. As constraints
    on differences they hold together unless their graph has a negative cycle.
    """
    size = len(wins)
    # limit[i, j] bounds gap_j - gap_i: -1 where i beat j, 1 where they tied.
    limit = np.where(wins > 0, -1.0, np.where(ties > 0, 1.0, 0.0))
    # A start from which every model is reached; a cost of 0 would read as no edge.
    graph = np.zeros((size + 1, size + 1))
    graph[:size, :size] = limit
    graph[size, :size] = 1.0
    try:
        bellman_ford(csr_array(graph), directed=True, indices=np.array([size]))
    except NegativeCycleError:
        return False
    return True


def _names(models: Sequence[str], chosen: NDArray[np.bool_]) -> str:
    return ", ".join(model for model, is_in in zip(models, chosen, strict=True) if is_in)
