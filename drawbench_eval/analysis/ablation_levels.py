"""Which runs an ablation compares: the values of its factor, in blocks that share everything else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from drawbench_eval.analysis.collect import Run, comparable, varying
from drawbench_eval.analysis.curves import (
    THRESHOLD,
    Curve,
    determined,
    guidance_kind,
    is_hash,
    shown_setting,
    swept_weight,
    weight_of,
)


@dataclass(frozen=True, kw_only=True)
class Block:
    """Runs that differ in the factor, the guidance weight and the training seed alone.

    `runs` is keyed by level (the factor's value as text), training seed ("" for none) and guidance weight,
    which is the setting `weight`.
    """

    context: str
    baseline: str
    weight: str
    runs: Mapping[tuple[str, str, float], Run]

    @property
    def levels(self) -> tuple[str, ...]:
        """The levels other than the baseline."""
        return tuple(dict.fromkeys(level for level, _, _ in self.runs if level != self.baseline))

    @property
    def weights(self) -> tuple[float, ...]:
        """All guidance weights, in order."""
        return tuple(sorted({weight for _, _, weight in self.runs}))

    def pairs(self, level: str) -> tuple[tuple[tuple[Run, Run], ...], ...]:
        """For each training seed that both have, the runs of the level and of the baseline at each shared
        weight.
        """
        seeds = dict.fromkeys(seed for one, seed, _ in self.runs if one == level)
        pairs = [
            tuple(
                (self.runs[level, seed, weight], self.runs[self.baseline, seed, weight])
                for weight in self.weights
                if (level, seed, weight) in self.runs and (self.baseline, seed, weight) in self.runs
            )
            for seed in seeds
        ]
        return tuple(pair for pair in pairs if pair)

    def curve(self, level: str) -> Curve | None:
        """The level's runs as a curve; None where it was trained more than once."""
        own = {(seed, weight): run for (one, seed, weight), run in self.runs.items() if one == level}
        if len({seed for seed, _ in own}) != 1:
            return None
        runs = tuple(sorted(own.values(), key=lambda run: weight_of(run, self.weight)))
        return Curve(
            name=level,
            mode="",
            context="",
            runs=runs,
            weights=tuple(weight_of(run, self.weight) for run in runs),
            guidance_kind=guidance_kind(runs[0]),
            weight_key=self.weight,
        )


def find_factor(runs: Sequence[Run], *, training_seed: str | None = None) -> str | None:
    """The one factor besides guidance that the runs vary, None where there is none or more than one.

    Settings that come with it (weights with an encoder, a percentile with a thresholding mode) do not count.
    """
    complete = [run for run in runs if run.status == "complete"]
    seeds = [training_seed] if training_seed else []
    varied = [key for key in varying(complete) if key not in (swept_weight(complete), *seeds)]
    leaders = [
        key
        for key in varied
        if not is_hash(key) and all(determined(other, [key, *seeds], complete) for other in varied)
    ]
    # Of settings that always change together the one with the shortest name is meant.
    return min(leaders, key=lambda key: (key != THRESHOLD, key.count("."), len(key)), default=None)


def find_blocks(
    runs: Sequence[Run], *, factor: str, baseline: Any = None, training_seed: str | None = None
) -> tuple[Block, ...]:
    """The blocks of an ablation; the baseline without one given is the value of the first run.

    Raises ValueError where the factor does not vary between the complete runs, where the baseline is none of
    its values, and where two runs cannot be told apart.
    """
    complete = [run for run in runs if run.status == "complete"]
    levels = list(dict.fromkeys(_level(run, factor) for run in complete))
    if len(levels) < 2:
        varied = ", ".join(key for key in varying(complete) if not is_hash(key)) or "nothing"
        raise ValueError(f"ablation.factor: {factor} has one value in all runs; what varies is {varied}")
    chosen = levels[0] if baseline is None else shown_setting(baseline, most=None)
    if chosen not in levels:
        raise ValueError(
            f"ablation.baseline: {chosen} is no value of {factor}; write one of {', '.join(levels)}"
        )
    seeds, weight = [training_seed] if training_seed else [], swept_weight(complete)
    rest = [
        key
        for key in varying(complete)
        if key not in (weight, factor, *seeds) and not determined(key, [factor, *seeds], complete)
    ]
    named = [key for key in rest if not is_hash(key)]
    hashes = [key for key in rest if is_hash(key) and not determined(key, [factor, *seeds, *named], complete)]
    blocks: dict[str, dict[tuple[str, str, float], Run]] = {}
    for run in complete:
        context = ", ".join(
            f"{key.removeprefix('model.')} {shown_setting(run.factors.get(key))}" for key in (*named, *hashes)
        )
        seed = str(comparable(run.factors.get(training_seed))) if training_seed else ""
        key = (_level(run, factor), seed, weight_of(run, weight))
        if key in blocks.setdefault(context, {}):
            other = blocks[context][key].run_id
            raise ValueError(
                f"ablation: runs {other} and {run.run_id} cannot be told apart by {factor} and w"
            )
        blocks[context][key] = run
    return tuple(
        Block(context=context, baseline=chosen, weight=weight, runs=found)
        for context, found in blocks.items()
        if {level for level, _, _ in found} > {chosen}
    )


def _level(run: Run, factor: str) -> str:
    return shown_setting(run.factors.get(factor), most=None)
