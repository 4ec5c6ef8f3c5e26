"""The judgements that a result is about, and who and what they share."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drawbench_eval.ratings.aggregation.settings import Cluster, ResultSettings
from drawbench_eval.ratings.orientation import oriented
from drawbench_eval.ratings.schema import QuestionKind, is_known
from drawbench_eval.stats.clustered import Array

Raters = Literal["all", "kept"]
Subset = Literal["all", "no people"]
Codes = NDArray[np.int64]
Pair = tuple[str, str]

CHOICE = {"a": 1.0, "indifferent": 0.0, "b": -1.0}


@dataclass(frozen=True, kw_only=True)
class Selection:
    """Judgements of one question, without control questions, in one of the canonical forms.

    `raters`: whether these are all raters', or those that the rules kept. `subset`: of all prompts, or of
    those without people. `clusters`: what errors allow for, where it is known.
    """

    question: str
    kind: QuestionKind
    raters: Raters
    subset: Subset
    clusters: tuple[Cluster, ...]
    table: pd.DataFrame

    def where(self, chosen: pd.Series) -> Selection:
        """Those of the judgements that are chosen."""
        return replace(self, table=self.table[chosen])

    def of(self, subset: Subset) -> Selection:
        """The same judgements under the name of the subset that they are of."""
        return replace(self, subset=subset)

    @property
    def prompts(self) -> Codes | None:
        """The prompt of each judgement [n] as a number; None where it is not known or not asked for."""
        return self._codes("prompt_id") if "prompts" in self.clusters else None

    @property
    def rater_codes(self) -> Codes | None:
        """The rater of each judgement [n] as a number; None where it is not known or not asked for."""
        return self._codes("rater_id") if "raters" in self.clusters else None

    @property
    def labels(self) -> tuple[Codes | None, Codes | None]:
        """Prompts and raters; where neither is known each judgement counts as a prompt of its own."""
        prompts, raters = self.prompts, self.rater_codes
        return (np.arange(len(self.table)), None) if prompts is None and raters is None else (prompts, raters)

    @property
    def clustered_by(self) -> str:
        """What `labels` are, in words."""
        known = [
            name
            for name, codes in (("prompts", self.prompts), ("raters", self.rater_codes))
            if codes is not None
        ]
        return " and ".join(known) or "judgements"

    @property
    def has_categories(self) -> bool:
        """Whether each judgement has a category, and there are two or more of them."""
        return is_known(self.table, "category") and self.table["category"].nunique() > 1

    @property
    def choices(self) -> Array:
        """Choices [n] as 1 (a), 0 (indifferent), -1 (b)."""
        return np.asarray(self.table["choice"].map(CHOICE), dtype=np.float64)

    @property
    def values(self) -> Array:
        """Values or rates [n]."""
        name = "value" if "value" in self.table else "rate"
        return np.asarray(self.table[name], dtype=np.float64)

    def by_pair(self) -> Iterator[tuple[Pair, Selection]]:
        """The judgements of each pair of models, by the names."""
        for (a, b), rows in self.table.groupby(["model_a", "model_b"], sort=True):
            yield (str(a), str(b)), replace(self, table=rows)

    def by_model(self) -> Iterator[tuple[str, Selection]]:
        """The judgements of each model, by the names."""
        for model, rows in self.table.groupby("model", sort=True):
            yield str(model), replace(self, table=rows)

    def by_category(self) -> Iterator[tuple[str, Selection]]:
        """The judgements of each category, by the names."""
        for category, rows in self.table.groupby("category", sort=True):
            yield str(category), replace(self, table=rows)

    def prompt_means(self, answers: Array) -> pd.DataFrame:
        """The mean of answers [n] for each prompt: columns `category` and `mean`, by the prompts' names."""
        frame = self.table[["prompt_id", "category"]].assign(mean=answers)
        return frame.groupby("prompt_id", sort=True).agg(
            category=("category", "first"), mean=("mean", "mean")
        )

    @property
    def category_codes(self) -> Codes:
        """The category of each judgement [n] as a number."""
        return np.asarray(pd.factorize(self.table["category"], sort=True)[0], dtype=np.int64)

    def _codes(self, column: str) -> Codes | None:
        if not is_known(self.table, column):
            return None
        return np.asarray(pd.factorize(self.table[column], sort=True)[0], dtype=np.int64)


def select(
    table: pd.DataFrame,
    question: str,
    kind: QuestionKind,
    settings: ResultSettings,
    *,
    raters: Raters,
    reference: str | None,
) -> Selection:
    """The judgements of a question, pairs one way round; a realism question's reference stands second."""
    rows = table[table["question"] == question]
    if "choice" in rows:
        rows = oriented(rows, second=reference, first=settings.first)
    return Selection(
        question=question, kind=kind, raters=raters, subset="all", clusters=settings.clusters, table=rows
    )
