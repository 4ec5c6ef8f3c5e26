"""Runs of one training's checkpoints make a series: metrics against what the training had behind it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from drawbench_eval.analysis.collect import Run, comparable, varying
from drawbench_eval.analysis.curves import (
    THRESHOLD,
    WEIGHT,
    Curve,
    guidance_kind,
    is_hash,
    shown_setting,
)

MEASURES = ("step", "images", "flops", "seconds")
"""What a training has behind it; flops are estimated as three times the network's forward pass."""


@dataclass(frozen=True, kw_only=True)
class TrainingSeries:
    """Runs that differ in the checkpoint alone, in order of training.

    `curve` holds them with the images behind each in the place of weights; `behind`: a row a run, its values
    of MEASURES, None where unknown.
    """

    curve: Curve
    behind: tuple[tuple[float | None, ...], ...]

    def values(self, measure: str) -> tuple[float | None, ...]:
        """One of MEASURES, run by run."""
        return tuple(row[MEASURES.index(measure)] for row in self.behind)


def training_series(runs: Sequence[Run]) -> tuple[TrainingSeries, ...]:
    """The series of two checkpoints and more among the complete runs; none where no checkpoint is known.

    A series is named after the folder of its training, and after what else differs between series.
    """
    known = [run for run in runs if run.status == "complete" and "images" in run.training]
    stages = {str(run.training["stage"]) for run in known}
    keys = [key for key in varying(known) if key not in {f"model.weights.{stage}" for stage in stages}]
    groups: dict[tuple[object, ...], list[Run]] = {}
    for run in known:
        same = (str(run.training["series"]), *(comparable(run.factors.get(key)) for key in keys))
        groups.setdefault(same, []).append(run)
    named = _named(known, keys)
    series = [_series(group, named) for group in groups.values()]
    return tuple(one for one in series if len(set(one.curve.weights)) > 1)


def _named(runs: Sequence[Run], keys: Sequence[str]) -> list[str]:
    """The settings that differ within a training's runs: those of another training come with its name."""
    seen = {(run.training["series"], key, comparable(run.factors.get(key))) for run in runs for key in keys}
    several = Counter((training, key) for training, key, _ in seen)
    return [key for key in keys if not is_hash(key) and any(several[t, key] > 1 for t, _ in several)]


def _series(runs: Sequence[Run], named: Sequence[str]) -> TrainingSeries:
    ordered = tuple(sorted(runs, key=lambda run: float(run.training["images"])))
    first = ordered[0]
    parts = [str(first.training["series"])]
    for key in named:
        name = {WEIGHT: "w = ", THRESHOLD: ""}.get(key, key.removeprefix("model.") + " ")
        parts.append(name + shown_setting(first.factors.get(key)))
    return TrainingSeries(
        curve=Curve(
            name=", ".join(parts),
            mode=str(first.factors.get(THRESHOLD) or "") if THRESHOLD in named else "",
            context="",
            runs=ordered,
            weights=tuple(float(run.training["images"]) for run in ordered),
            guidance_kind=guidance_kind(first),
        ),
        behind=tuple(tuple(run.training.get(name) for name in MEASURES) for run in ordered),
    )
