"""Runs that stand beside each other: read from their folders, and refused where they are not alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from drawbench_eval.analysis.collect import (
    MetricInfo,
    Run,
    metric_infos,
    read_run,
    require_one_protocol,
)
from drawbench_eval.analysis.paired import read_scores
from drawbench_eval.files import digest

# What belongs to a model and not to how it is measured; it stands on the page and refuses nothing here, where
# no axis is a guidance weight.
OF_THE_MODEL = ("guidance_kind",)
_NAMED = 3


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A complete run under the name that results bear; `scores`: a row a sample, in the values' unit."""

    name: str
    run: Run
    scores: pd.DataFrame

    def entry(self, metric: str) -> Mapping[str, Any]:
        """The metric's entry of run.json."""
        found: Mapping[str, Any] = self.run.metrics[metric]
        return found


@dataclass(frozen=True, kw_only=True)
class Field:
    """Contestants that may be compared; `metrics` are those that all have, `left_out` the others.

    `categories`: prompt id -> category.
    """

    contestants: tuple[Contestant, ...]
    metrics: Mapping[str, MetricInfo]
    left_out: Mapping[str, tuple[str, ...]]
    categories: Mapping[str, str]


def read_contestant(name: str, folder: Path) -> Contestant:
    """The run in `folder`. Raises ValueError when it is not complete or its scores cannot be read."""
    run = read_run(folder)
    if run.status != "complete":
        raise ValueError(
            f"compare.sets.{name}: run {folder} is not complete ({run.reason}); evaluate it first"
        )
    return Contestant(name=name, run=run, scores=read_scores(run))


def make_field(contestants: Sequence[Contestant]) -> Field:
    """The contestants, ready to compare.

    Raises ValueError, in one line with their names, for fewer than two, for one run under two names, for
    other prompts, for no metric that all have, and for numbers of unlike protocol.
    """
    if len(contestants) < 2:
        raise ValueError(f"compare.sets: {len(contestants)} given; it takes two or more to compare")
    first = contestants[0]
    seen: dict[str, str] = {}
    for one in contestants:
        if one.run.run_id in seen:
            raise ValueError(
                f"compare.sets: {seen[one.run.run_id]} and {one.name} are the same run ({one.run.run_id})"
            )
        seen[one.run.run_id] = one.name
        _require_same_prompts(first, one)
    infos = [metric_infos([one.run]) for one in contestants]
    shared = [name for name in infos[0] if all(name in other for other in infos)]
    if not shared:
        raise ValueError(
            "compare.sets: no metric that all have; "
            + ", ".join(f"{one.name} has {', '.join(one.run.metrics) or 'none'}" for one in contestants)
        )
    metrics = metric_infos([_with_metrics(one.run, shared) for one in contestants])
    _require_alike(metrics, contestants)
    names = dict.fromkeys(name for info in infos for name in info if name not in shared)
    return Field(
        contestants=tuple(contestants),
        metrics=metrics,
        left_out={
            name: tuple(one.name for one, info in zip(contestants, infos, strict=True) if name not in info)
            for name in names
        },
        categories=_categories(first.scores),
    )


def _require_same_prompts(a: Contestant, b: Contestant) -> None:
    of_a, of_b = (set(one.scores["prompt_id"].astype(str)) for one in (a, b))
    only = {a.name: sorted(of_a - of_b), b.name: sorted(of_b - of_a)}
    said = [f"{len(ids)} only in {name} ({_some(ids)})" for name, ids in only.items() if ids]
    if said:
        raise ValueError(f"compare.sets: {a.name} and {b.name} are of unlike prompts: {', '.join(said)}")
    hashes = [_prompts_sha256(one) for one in (a, b)]
    if hashes[0] != hashes[1]:
        raise ValueError(
            f"compare.sets: {a.name} and {b.name} have equal prompt ids and unlike texts or categories "
            f"(prompts {str(hashes[0])[:10]} and {str(hashes[1])[:10]}); evaluate both with one prompts=..."
        )


def _prompts_sha256(one: Contestant) -> Any:
    return one.run.factors.get("prompts.sha256")


def _some(ids: Sequence[str]) -> str:
    return ", ".join(ids[:_NAMED]) + (", ..." if len(ids) > _NAMED else "")


def _require_alike(metrics: Mapping[str, MetricInfo], contestants: Sequence[Contestant]) -> None:
    """Raises ValueError for unlike protocols, but for what belongs to the models."""
    measured: dict[str, MetricInfo] = {}
    for name, info in metrics.items():
        kept = [
            {key: value for key, value in values.items() if key not in OF_THE_MODEL}
            for values in info.protocols.values()
        ]
        measured[name] = replace(info, protocols={digest(values)[:10]: values for values in kept})
    try:
        require_one_protocol(measured)
    except ValueError as error:
        names = ", ".join(one.name for one in contestants)
        said = str(error).removesuffix("; report them apart, or allow mixed protocols")
        raise ValueError(
            f"compare.sets: {names} are not of one protocol: {said}; evaluate all by the same settings"
        ) from error


def _with_metrics(run: Run, names: Sequence[str]) -> Run:
    assert run.record is not None
    return replace(
        run, record=replace(run.record, metrics={name: run.record.metrics[name] for name in names})
    )


def _categories(scores: pd.DataFrame) -> dict[str, str]:
    pairs = zip(scores["prompt_id"].astype(str), scores["category"].fillna("").astype(str), strict=True)
    return dict(pairs)
