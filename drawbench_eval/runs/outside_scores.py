"""Per-sample scores made elsewhere (GenEval, VQAScore, ImageReward, HPS, a judge) -> columns of a run.

A file (.csv, .tsv, .jsonl, .parquet) with a row a sample: its id (`sample_id`, or `path` as in manifest.csv)
and one or more columns of numbers. An empty cell is a sample that the scorer did not score.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from drawbench_eval.files import sha256_file
from drawbench_eval.protocol import Protocol, Scalar
from drawbench_eval.stats.clustered import clustered_mean

MADE_ELSEWHERE = "scores made elsewhere"
_KEYS = ("sample_id", "path")
_NAMED = 5


@dataclass(frozen=True, kw_only=True)
class ScoresSettings:
    """The `scores` setting.

    columns: which become metrics; None takes all columns of numbers. lower_is_better: those of them.
    made_by: what made them, such as "VQAScore clip-flant5-xxl": part of the protocol.
    """

    path: Path
    columns: tuple[str, ...] | None = None
    lower_is_better: tuple[str, ...] = ()
    made_by: str | None = None


@dataclass(frozen=True, kw_only=True)
class OutsideScores:
    """Scores of the samples of a set, by name and then by sample id; NaN where there is none.

    `remarks`: what every number says of ids that do not fit.
    """

    values: Mapping[str, Mapping[str, float]]
    lower_is_better: tuple[str, ...]
    made_by: str | None
    sha256: str
    location: str
    remarks: tuple[str, ...] = field(default=())

    def factors(self) -> dict[str, Any]:
        """What can change the numbers: the file's content, and how it is read."""
        return {
            "scores.sha256": self.sha256,
            "scores.columns": list(self.values),
            "scores.lower_is_better": list(self.lower_is_better),
            "scores.made_by": self.made_by,
        }

    def column(self, name: str, sample_ids: Sequence[str]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The scores of these samples, in their order."""
        own = self.values[name]
        return np.array([own.get(sample_id, np.nan) for sample_id in sample_ids], dtype=np.float64)

    def entry(
        self,
        name: str,
        sample_ids: Sequence[str],
        prompt_ids: Sequence[str],
        conditions: Mapping[str, Scalar],
    ) -> dict[str, Any]:
        """The form of run.json: mean, interval clustered by prompt, n, unscored, protocol."""
        column = self.column(name, sample_ids)
        scored = np.isfinite(column)
        mean = clustered_mean(column[scored], np.asarray(prompt_ids, dtype=str)[scored])
        low, high = mean.interval()
        protocol = Protocol(
            name=name,
            values={
                "metric": name,
                "extractor": MADE_ELSEWHERE,
                "made_by": self.made_by,
                "n_requested": len(column),
                **conditions,
            },
        )
        return {
            "value": _number(mean.value),
            "ci95": [_number(low), _number(high)],
            "n": mean.n,
            "num_unscored": len(column) - mean.n,
            "higher_is_better": name not in self.lower_is_better,
            "unit": "",
            "protocol": {"id": protocol.id, "name": protocol.name, "values": dict(protocol.values)},
            "notes": list(self.remarks),
        }


def read_scores_file(
    settings: ScoresSettings, samples: Mapping[str, str], *, allow_incomplete: bool
) -> OutsideScores:
    """The scores of `samples` (id -> path in the set).

    Raises ValueError, counted and named, for ids that stand twice, and, unless `allow_incomplete`, for
    samples without a row and rows without a sample; for a file that cannot be read, has no id column, or has
    text where a score should be.
    """
    table, where = _table(settings.path), f"scores: {settings.path}"
    key = next((name for name in _KEYS if name in table.columns), None)
    if key is None:
        raise ValueError(f"{where}: no column sample_id or path; its columns are {', '.join(table.columns)}")
    ids = table[key].astype(str)
    repeated = list(dict.fromkeys(ids[ids.duplicated()]))
    if repeated:
        raise ValueError(
            f"{where}: {key}s that stand more than once: {len(repeated)} ({_some(repeated)}); one row "
            "a sample"
        )
    if key == "path":
        by_path = {path: sample_id for sample_id, path in samples.items() if path}
        ids = ids.map(lambda path: by_path.get(path, path))
    names = _columns(settings, table, where)
    values = {
        name: dict(zip(ids, _numbers(table[name], ids, f"{where}: column {name}"), strict=True))
        for name in names
    }
    known = set(ids)
    missing = [sample_id for sample_id in samples if sample_id not in known]
    strangers = [one for one in ids if one not in samples]
    said = [
        f"{what} {len(found)} ({_some(found)})"
        for what, found in (("samples without a row", missing), ("rows of no sample", strangers))
        if found
    ]
    if said and not allow_incomplete:
        raise ValueError(
            f"{where}: {', '.join(said)}; allow_incomplete=true takes the others, with every number saying so"
        )
    return OutsideScores(
        values=values,
        lower_is_better=settings.lower_is_better,
        made_by=settings.made_by,
        sha256=sha256_file(settings.path),
        location=str(settings.path),
        remarks=tuple(f"{settings.path.name}: {one}" for one in said),
    )


def _table(path: Path) -> pd.DataFrame:
    try:
        if path.suffix == ".parquet":
            table = pd.read_parquet(path)
        elif path.suffix == ".jsonl":
            table = pd.read_json(path, lines=True, dtype=False)
        elif path.suffix in (".csv", ".tsv"):
            # Ids such as 007 are text.
            table = pd.read_csv(
                path,
                sep="\t" if path.suffix == ".tsv" else ",",
                dtype=dict.fromkeys(_KEYS, str),
                encoding="utf-8-sig",
            )
        else:
            raise ValueError(f"{path.suffix or 'no ending'} is not .csv, .tsv, .jsonl or .parquet")
    except (OSError, ValueError) as error:
        raise ValueError(f"scores: {path}: cannot be read ({' '.join(str(error).split())})") from error
    return table.rename(columns=str)


def _columns(settings: ScoresSettings, table: pd.DataFrame, where: str) -> tuple[str, ...]:
    numeric = [
        name
        for name in table.columns
        if name not in (*_KEYS, "prompt_id", "seed") and pd.api.types.is_numeric_dtype(table[name])
    ]
    names = tuple(numeric) if settings.columns is None else settings.columns
    if not names:
        raise ValueError(f"{where}: no column of numbers; its columns are {', '.join(table.columns)}")
    for name in (*names, *settings.lower_is_better):
        if name not in table.columns:
            raise ValueError(f"{where}: no column {name}; its columns are {', '.join(table.columns)}")
    for name in settings.lower_is_better:
        if name not in names:
            raise ValueError(f"scores.lower_is_better: {name} is not one of the columns {', '.join(names)}")
    return names


def _numbers(column: pd.Series, ids: pd.Series, where: str) -> list[float]:
    numbers = pd.to_numeric(column, errors="coerce").astype("float64")
    bad = (numbers.isna() & column.notna()) | np.isinf(numbers)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise ValueError(f"{where}, sample {ids.iloc[row]}: {column.iloc[row]} is not a finite number")
    return [float(value) for value in numbers]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
