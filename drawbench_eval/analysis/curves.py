"""Runs that differ in the guidance weight alone make a curve."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from drawbench_eval.analysis.collect import TRAINING, Run, comparable, varying

WEIGHT = "model.guidance_weight"
SR_WEIGHTS = ("model.sr64.guidance_weight", "model.sr256.guidance_weight")
THRESHOLD = "model.threshold"
MODES = ("none", "static", "dynamic")
SAMPLES = "model.samples_sha256"
NOT_GUIDED = "none"
_MOST_NAMED = 4
_HASH_DIGITS = 8


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Runs over the guidance weight, all else equal, in order of weight.

    `weight_key` is the setting that holds the weight: of the base, or of a super-resolution.
    `mode` is the thresholding, `context` what else sets this curve apart ("" when nothing does).
    A model without a guidance weight stands at w = 1, which is no guidance. `guidance_kind`: "cfg",
    "distilled" or "none"; weights of curves of unlike kind are not on one scale.
    """

    name: str
    mode: str
    context: str
    runs: tuple[Run, ...]
    weights: tuple[float, ...]
    guidance_kind: str = "cfg"
    weight_key: str = WEIGHT

    def at(self, weight: float) -> Run:
        """The run at `weight`."""
        return self.runs[self.weights.index(weight)]

    @property
    def is_set(self) -> bool:
        """Whether it is one run of a model without guidance: a point, and no curve."""
        return self.guidance_kind == NOT_GUIDED and len(self.runs) == 1

    def point(self, weight: float) -> str:
        """What the run at `weight` is called: "dynamic, w = 4"; a set by its name alone."""
        return self.name if self.is_set else f"{self.name}, w = {weight:g}"

    def with_metrics(self, names: Sequence[str]) -> "Curve":
        """The curve of those runs that have a value in every one of these metrics; it may be empty."""
        runs = tuple(run for run in self.runs if has_metrics(run, names))
        weights = tuple(weight for run, weight in zip(self.runs, self.weights, strict=True) if run in runs)
        return replace(self, runs=runs, weights=weights)


def swept_weight(runs: Iterable[Run]) -> str:
    """The guidance weight that makes curves: the base's, or a super-resolution's where that alone varies."""
    varied = varying(runs)
    return next((key for key in (WEIGHT, *SR_WEIGHTS) if key in varied), WEIGHT)


def weight_name(key: str) -> str:
    """'guidance weight', or 'sr64 guidance weight'."""
    return key.removeprefix("model.").replace(".", " ").replace("_", " ")


def make_curves(runs: Sequence[Run]) -> tuple[Curve, ...]:
    """The complete runs as curves, in the order none, static, dynamic, then by context.

    A setting that varies only because the thresholding does (each mode has one value of it) is not named, nor
    are hashes that come with other settings. Images made elsewhere go by their run's label.
    """
    complete = [run for run in runs if run.status == "complete"]
    weight = swept_weight(complete)
    sets = _names_of_sets([run for run in complete if made_elsewhere(run)])
    others = [run for run in complete if not made_elsewhere(run)]
    named = _named(others, weight)
    groups: dict[tuple[str, str], list[Run]] = {}
    kinds = {guidance_kind(run) for run in others}
    for run in complete:
        parts = sets[run.run_id] if made_elsewhere(run) else _parts(run, named)
        # Where it varies, but no setting of the model tells of it.
        told = made_elsewhere(run) or any(key.endswith("guidance_kind") for key in named)
        if len(kinds) > 1 and not told:
            parts.append(f"guidance {guidance_kind(run)}")
        groups.setdefault((_mode(run), ", ".join(parts)), []).append(run)
    modes = {mode for mode, _ in groups}
    return tuple(
        _curve(mode, context, groups[mode, context], weight, name_mode=len(modes) > 1 or not context)
        for mode, context in sorted(groups, key=_rank)
    )


def has_metrics(run: Run, names: Iterable[str]) -> bool:
    """Whether the run has a value in every one of these metrics."""
    entries = [run.metrics.get(name) for name in names]
    return all(entry is not None and entry["value"] is not None for entry in entries)


def guidance_kind(run: Run) -> str:
    """What the guidance weight means to the run's model, from its protocols: "cfg", "distilled" or "none".

    A run that does not record it counts as "cfg" where it has a weight, else as "none".
    """
    for entry in run.metrics.values():
        kind = entry["protocol"]["values"].get("guidance_kind")
        if kind is not None:
            return str(kind)
    return "none" if run.factors.get(WEIGHT) is None else "cfg"


def made_elsewhere(run: Run) -> bool:
    """Whether its images were found and not made: of their model nothing is known, not even the seeds."""
    return SAMPLES in run.factors


def _curve(mode: str, context: str, runs: list[Run], weight: str, *, name_mode: bool) -> Curve:
    ordered = sorted(runs, key=lambda run: weight_of(run, weight))
    parts = (mode, context) if name_mode else (context,)
    name = ", ".join(part for part in parts if part) or ordered[0].label
    return Curve(
        name=name,
        mode=mode,
        context=context,
        runs=tuple(ordered),
        weights=tuple(weight_of(run, weight) for run in ordered),
        guidance_kind=guidance_kind(ordered[0]),
        weight_key=weight,
    )


def _rank(group: tuple[str, str]) -> tuple[int, str, str]:
    mode, context = group
    return (MODES.index(mode) if mode in MODES else len(MODES)), mode, context


def _mode(run: Run) -> str:
    return str(run.factors.get(THRESHOLD) or "")


def weight_of(run: Run, key: str = WEIGHT) -> float:
    """The run's guidance weight, 1 where it has none."""
    value = run.factors.get(key)
    return float(value) if isinstance(value, int | float) else 1.0


def determined(key: str, by: Sequence[str], runs: Sequence[Run]) -> bool:
    """Whether runs that agree in the settings `by` agree in `key`."""
    values: dict[tuple[object, ...], object] = {}
    for run in runs:
        leaders = tuple(comparable(run.factors.get(leader)) for leader in by)
        value = comparable(run.factors.get(key))
        if values.setdefault(leaders, value) != value:
            return False
    return True


def is_hash(key: str) -> bool:
    """Whether the setting is the hash of a file, which no reader tells runs apart by."""
    return "sha256" in key or ".weights." in key


def _parts(run: Run, named: Sequence[str]) -> list[str]:
    """The run's values of the settings, each after its setting's name where there are several or no words."""
    values = [run.factors.get(key) for key in named]
    if len(values) == 1 and isinstance(values[0], str) and values[0] and not is_hash(named[0]):
        return [shown_setting(values[0])]
    return [_part(run, key, value) for key, value in zip(named, values, strict=True)]


def _part(run: Run, key: str, value: object) -> str:
    name = key.removeprefix("model.")
    if not is_hash(key):
        return f"{name} {shown_setting(value)}"
    checkpoint = run.training
    if "step" in checkpoint and key == f"model.weights.{checkpoint['stage']}":
        return f"{checkpoint['series']} step {checkpoint['step']}"
    return f"{name} {str(value)[:_HASH_DIGITS]}"


def _names_of_sets(runs: Sequence[Run]) -> dict[str, list[str]]:
    """Run id -> its label, with a hash where two sets share one, and settings that the same images vary."""
    hashes: dict[str, set[str]] = {}
    for run in runs:
        hashes.setdefault(run.label, set()).add(str(run.factors[SAMPLES]))
    rest = [key for key in varying(runs) if not determined(key, [SAMPLES], runs)]
    named = {}
    for run in runs:
        label = run.label
        if len(hashes[run.label]) > 1:
            label += f" {str(run.factors[SAMPLES])[:_HASH_DIGITS]}"
        named[run.run_id] = [label, *(_part(run, key, run.factors.get(key)) for key in rest)]
    return named


def _named(runs: Sequence[Run], weight: str) -> list[str]:
    """The settings that tell the runs' curves apart, without hashes where other settings do.

    Where they would fill a line, as with models of different kinds, only as many as it takes.
    """
    varied = [key for key in varying(runs) if key not in (weight, THRESHOLD)]
    varied = [key for key in varied if not determined(key, [THRESHOLD], runs)]
    named = [key for key in varied if not is_hash(key)]
    if len(named) > _MOST_NAMED:
        needed: list[str] = []
        for key in sorted(named, key=lambda key: (key.count("."), len(key), key)):
            if not determined(key, [THRESHOLD, *needed], runs):
                needed.append(key)
        named = needed
    for key in varied:
        if is_hash(key) and not determined(key, [THRESHOLD, *named], runs):
            named.append(key)
    # A checkpoint that goes by its step says its training too.
    by_step = {f"model.weights.{run.training['stage']}" for run in runs if "step" in run.training}
    return [key for key in named if key != TRAINING] if by_step & {*named} else named


def shown_setting(value: object, *, most: int | None = 24) -> str:
    """A setting as text: 1 for 1.0, true for True, none where there is none.

    It is cut to `most` characters, None for whole.
    """
    if value is None:
        return "none"
    if isinstance(value, bool):
        return str(value).lower()
    text = f"{value:g}" if isinstance(value, int | float) else str(value)
    return text if most is None or len(text) <= most else text[: most - 3] + "..."
