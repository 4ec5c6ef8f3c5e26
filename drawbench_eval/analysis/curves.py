"""Runs that differ in the guidance weight alone make a curve."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from drawbench_eval.analysis.collect import Run, comparable, varying

WEIGHT = "model.guidance_weight"
THRESHOLD = "model.threshold"
ENCODER = "model.text_encoder"
MODES = ("none", "static", "dynamic")


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Runs over the guidance weight, all else equal, in order of weight.

    `mode` is the thresholding, `context` what else sets this curve apart ("" when nothing does).
    A model without a guidance weight stands at w = 1, which is no guidance.
    """

    name: str
    mode: str
    context: str
    runs: tuple[Run, ...]
    weights: tuple[float, ...]

    def at(self, weight: float) -> Run:
        """The run at `weight`."""
        return self.runs[self.weights.index(weight)]

    def with_metrics(self, names: Sequence[str]) -> "Curve":
        """The curve of those runs that have a value in every one of these metrics; it may be empty."""
        runs = tuple(run for run in self.runs if all(_has(run, name) for name in names))
        weights = tuple(weight for run, weight in zip(self.runs, self.weights, strict=True) if run in runs)
        return replace(self, runs=runs, weights=weights)


def make_curves(runs: Sequence[Run]) -> tuple[Curve, ...]:
    """The complete runs as curves, in the order none, static, dynamic, then by context.

    A setting that varies only because the thresholding does (each mode has one value of it) is not named, nor
    are the weights that come with a text encoder.
    """
    complete = [run for run in runs if run.status == "complete"]
    others = [key for key in varying(complete) if key not in (WEIGHT, THRESHOLD)]
    named = [
        key
        for key in others
        if not _follows(key, THRESHOLD, complete)
        and not (key.startswith("model.weights.") and _follows(key, ENCODER, complete))
    ]
    groups: dict[tuple[str, str], list[Run]] = {}
    for run in complete:
        context = ", ".join(f"{key.removeprefix('model.')} {_brief(run.factors.get(key))}" for key in named)
        groups.setdefault((_mode(run), context), []).append(run)
    return tuple(_curve(mode, context, groups[mode, context]) for mode, context in sorted(groups, key=_rank))


def _has(run: Run, name: str) -> bool:
    entry = run.metrics.get(name)
    return entry is not None and entry["value"] is not None


def _curve(mode: str, context: str, runs: list[Run]) -> Curve:
    ordered = sorted(runs, key=_weight)
    name = ", ".join(part for part in (mode, context) if part) or ordered[0].label
    return Curve(
        name=name,
        mode=mode,
        context=context,
        runs=tuple(ordered),
        weights=tuple(_weight(run) for run in ordered),
    )


def _rank(group: tuple[str, str]) -> tuple[int, str, str]:
    mode, context = group
    return (MODES.index(mode) if mode in MODES else len(MODES)), mode, context


def _mode(run: Run) -> str:
    return str(run.factors.get(THRESHOLD) or "")


def _weight(run: Run) -> float:
    value = run.factors.get(WEIGHT)
    return float(value) if isinstance(value, int | float) else 1.0


def _follows(key: str, leader: str, runs: Sequence[Run]) -> bool:
    """Whether `leader` varies and each value of it comes with one value of `key`."""
    values: dict[object, set[object]] = {}
    for run in runs:
        values.setdefault(comparable(run.factors.get(leader)), set()).add(comparable(run.factors.get(key)))
    return len(values) > 1 and all(len(seen) == 1 for seen in values.values())


def _brief(value: object) -> str:
    text = f"{value:g}" if isinstance(value, int | float) and not isinstance(value, bool) else str(value)
    return text if len(text) <= 24 else text[:21] + "..."
