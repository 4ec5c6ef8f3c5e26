"""A metric by category of the prompts, and accuracy by kind of fact, at chosen runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from drawbench_eval.analysis.collect import Run
from drawbench_eval.analysis.curves import Curve


@dataclass(frozen=True, kw_only=True)
class Breakdown:
    """Means by group (rows) and run (columns); `values` and `n` are [groups, runs], NaN where nothing was
    scored.
    """

    groups: tuple[str, ...]
    values: NDArray[np.float64]
    n: NDArray[np.int64]


def by_category(scores: Mapping[str, pd.DataFrame], run_ids: Sequence[str], metric: str) -> Breakdown:
    """Mean of `metric` by prompt category; a last row holds all categories together."""
    categories = sorted({str(name) for run_id in run_ids for name in scores[run_id]["category"].unique()})
    columns = []
    for run_id in run_ids:
        frame = scores[run_id]
        groups = [frame[frame["category"].astype(str) == name] for name in categories] + [frame]
        columns.append([group[metric].to_numpy(dtype=np.float64) for group in groups])
    return _breakdown((*categories, "all"), columns)


def by_kind(scores: Mapping[str, pd.DataFrame], run_ids: Sequence[str], metric: str) -> Breakdown:
    """Share of captions of each kind of fact that hold, each over the captions that claim one
    (`<metric>.<kind>`).

    Kinds that no caption claims are left out. `unreadable` is turned into its complement, "readable", so that
    higher is better in every row.
    """
    prefix = f"{metric}."
    kinds = sorted({name for run_id in run_ids for name in scores[run_id].columns if name.startswith(prefix)})
    columns = []
    for run_id in run_ids:
        frame = scores[run_id]
        cells = []
        for kind in kinds:
            values = frame[kind].to_numpy(dtype=np.float64) if kind in frame.columns else np.full(0, np.nan)
            cells.append(1 - values if kind == f"{prefix}unreadable" else values)
        columns.append(cells)
    names = [kind.removeprefix(prefix) for kind in kinds]
    return _claimed(
        _breakdown(tuple("readable" if name == "unreadable" else name for name in names), columns)
    )


def _claimed(table: Breakdown) -> Breakdown:
    """Without groups of which nothing was scored in any run."""
    kept = np.flatnonzero(table.n.sum(axis=1))
    groups = tuple(table.groups[index] for index in kept)
    return Breakdown(groups=groups, values=table.values[kept], n=table.n[kept])


def _breakdown(groups: tuple[str, ...], columns: Sequence[Sequence[NDArray[np.float64]]]) -> Breakdown:
    scored = [[cell[~np.isnan(cell)] for cell in column] for column in columns]
    values = [[float(cell.mean()) if len(cell) else np.nan for cell in column] for column in scored]
    return Breakdown(
        groups=groups,
        values=np.array(values, dtype=np.float64).reshape(len(columns), len(groups)).T,
        n=np.array([[len(cell) for cell in column] for column in scored], dtype=np.int64)
        .reshape(len(columns), len(groups))
        .T,
    )


def telling_runs(curve: Curve, alignment: str, distance: str | None) -> tuple[Run, ...]:
    """A few runs that tell a curve's story, by weight: both ends, best alignment, smallest distance."""

    def value(run: Run, name: str, missing: float) -> float:
        entry = run.metrics.get(name)
        return missing if entry is None or entry["value"] is None else float(entry["value"])

    chosen = {0, len(curve.runs) - 1}
    chosen.add(int(np.argmax([value(run, alignment, -np.inf) for run in curve.runs])))
    if distance is not None:
        chosen.add(int(np.argmin([value(run, distance, np.inf) for run in curve.runs])))
    return tuple(curve.runs[index] for index in sorted(chosen))
