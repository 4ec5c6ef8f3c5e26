"""Answers under codes -> canonical ratings under names, by the survey's key."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from drawbench_eval.ratings.importing import ImportedRatings
from drawbench_eval.ratings.schema import FormName, check_table
from drawbench_eval.ratings.survey.key import Key, KeyBatch, KeyTrial


@dataclass(frozen=True, kw_only=True)
class Resolved:
    """Canonical ratings. `num_saved_twice`: rows left out because another file holds the very same answer."""

    form: FormName
    table: pd.DataFrame
    num_saved_twice: int


def resolve(imported: ImportedRatings, key: Key) -> Resolved:
    """The ratings with prompts, categories, models, samples and controls as the key has them.

    A rater who saves twice hands in the same answers twice: rows that are equal in every cell count once.

    Raises ValueError, with file, line and column, for a trial that is not in the key and for codes that do
    not belong together.
    """
    form, table, places = imported.form, imported.table, imported.places
    is_again = table.duplicated() & table["timestamp"].notna()
    table, places = table[~is_again], places[~is_again]
    trials = _trials(table, places, key, form)
    named = table.reset_index(drop=True)
    controls = [trial.control_answer for trial in trials]
    named["prompt_id"] = _texts([trial.prompt_id for trial in trials])
    named["category"] = _texts([trial.category for trial in trials])
    named["is_control"] = pd.Series([answer is not None for answer in controls], dtype=bool)
    if form == "pairwise":
        named["model_a"] = _texts([trial.model_a for trial in trials])
        named["model_b"] = _texts([trial.model_b for trial in trials])
        named["sample_ids_a"] = _texts([trial.sample_ids_a for trial in trials])
        named["sample_ids_b"] = _texts([trial.sample_ids_b for trial in trials])
        named["control_answer"] = _texts(controls)
    else:
        named["model"] = _texts([trial.model_a for trial in trials])
        named["sample_ids"] = _texts([trial.sample_ids_a for trial in trials])
        named["control_answer"] = pd.Series(
            [np.nan if answer is None else float(answer) for answer in controls], dtype=np.float64
        )
    check_table(named, form)
    return Resolved(form=form, table=named, num_saved_twice=int(is_again.sum()))


def _texts(values: Sequence[str | None]) -> pd.Series:
    return pd.Series(list(values), dtype=object)


def _trials(table: pd.DataFrame, places: pd.DataFrame, key: Key, form: FormName) -> list[KeyTrial]:
    batches = {batch.id: (batch, {trial.code: trial for trial in batch.trials}) for batch in key.batches}
    columns = ["batch_id", "prompt_id", "question", *_models(form)]
    found = []
    for row, (file, line) in zip(
        table[columns].itertuples(index=False, name=None),
        places[["file", "line"]].itertuples(index=False, name=None),
        strict=True,
    ):
        batch_id, code, question, *models = row

        def mistake(column: str, value: object, what: str, where: str = f"{file} line {line}") -> ValueError:
            return ValueError(f"{where}, column {column}: {value!r} {what}")

        if batch_id not in batches:
            raise mistake(
                "batch_id", batch_id, f"is no batch of survey {key.survey_id}; is this another one's key?"
            )
        batch, trials = batches[batch_id]
        if code not in trials:
            raise mistake("prompt_id", code, f"is no trial of batch {batch.id}")
        trial = trials[code]
        for column, model, side in zip(_models(form), models, "ab", strict=False):
            if model != f"{code}-{side}":
                raise mistake(column, model, f"is not {code}-{side}, as the page writes it")
        if not _fits(batch, trial, question, form):
            raise mistake("question", question, f"is not {batch.question!r}, which batch {batch.id} asks")
        found.append(trial)
    return found


def _models(form: FormName) -> tuple[str, ...]:
    return ("model_a", "model_b") if form == "pairwise" else ("model",)


def _fits(batch: KeyBatch, trial: KeyTrial, question: object, form: FormName) -> bool:
    return question == batch.question and (trial.model_b is not None) == (form == "pairwise")
