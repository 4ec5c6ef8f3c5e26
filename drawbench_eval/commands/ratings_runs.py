"""Finished runs as scores to hold against ratings."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from drawbench_eval.analysis.collect import Run
from drawbench_eval.analysis.paired import read_scores
from drawbench_eval.ratings.aggregation import ScoredRun
from drawbench_eval.runs.record import FILE_NAME, RunRecord, read_record


def scored_runs(runs: Mapping[str, Any]) -> dict[str, ScoredRun]:
    """The runs by the names of models in the ratings.

    Raises ValueError for a folder without a finished run, and where the runs have no score in common.
    """
    if not runs:
        raise ValueError("runs: none; write 'runs={MODEL: results/runs/RUN}', or null")
    found = {str(model): _scored(f"runs.{model}", folder) for model, folder in runs.items()}
    if not set.intersection(*(set(run.higher_is_better) for run in found.values())):
        raise ValueError(f"runs: {', '.join(found)} have no score of samples in common")
    return found


def _scored(key: str, folder: object) -> ScoredRun:
    if not isinstance(folder, str) or not folder:
        raise ValueError(f"{key}: {folder!r} is not a run's folder")
    path = Path(folder)
    record = read_record(path) if path.is_dir() else None
    if record is None:
        raise ValueError(f"{key}: {path} has no {FILE_NAME}; name the folder of a finished run")
    if record.status != "complete":
        raise ValueError(f"{key}: {path} is a {record.status} run; it must be complete")
    run = Run(run_id=record.run_id, label=record.label, status="complete", folder=path, record=record)
    scores = read_scores(run)
    return ScoredRun(scores=scores, higher_is_better=_directions(record, scores))


def _directions(record: RunRecord, scores: pd.DataFrame) -> dict[str, bool]:
    """Whether more is better, for each metric that has a score of every sample."""
    return {
        name: bool(entry["higher_is_better"])
        for name, entry in record.metrics.items()
        if name in scores and pd.api.types.is_numeric_dtype(scores[name])
    }
