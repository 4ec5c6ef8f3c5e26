"""The best setting: found and measured on the same samples, or chosen on one seed and measured on another.

The best of many noisy values is too good: it was picked for its noise too. With `selection=split` the
guidance weight of each curve is chosen on the runs of one seed, and what is reported is the run of another
seed at that weight, whose samples had no say in the choice.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from drawbench_eval.analysis.collect import MetricInfo, Run, comparable, protocol_of
from drawbench_eval.analysis.curves import Curve, make_curves
from drawbench_eval.protocol import Protocol

SEED = "seed"


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Of one curve the weight that `metric` chose, on the run `chosen_on`, and another seed's run there."""

    curve: str
    metric: str
    weight: float
    chosen_on: Run
    reported: Run

    @property
    def protocol_id(self) -> str:
        """The id of the reported number's protocol, with a setting that was chosen on other samples."""
        _, values = protocol_of(self.reported.metrics[self.metric])
        return Protocol(name=self.metric, values={**values, "selection": "split"}).id


def best_of_same_samples(runs: Iterable[Run], metrics: Mapping[str, MetricInfo]) -> dict[str, str]:
    """Metric -> the id of the run that is best in it; nothing where there is no choice."""
    complete = [run for run in runs if run.status == "complete"]
    found = {}
    for name, info in metrics.items():
        valued = [run for run in complete if _value(run, name) is not None]
        if len(valued) > 1:
            found[name] = _best(valued, info).run_id
    return found


def choose(runs: Sequence[Run], metrics: Mapping[str, MetricInfo]) -> tuple[Choice, ...]:
    """For every curve and metric the weight that is best on the smallest seed, measured on the next one.

    Raises ValueError where there is one seed only, or where a chosen weight has no run of the other seed.
    """
    complete = [run for run in runs if run.status == "complete"]
    seeds = sorted({seed for run in complete if isinstance(seed := run.factors.get(SEED), int)})
    if len(seeds) < 2:
        raise ValueError(
            f"selection: split chooses on one seed and reports on another, and the runs have {len(seeds)}; "
            "add seed=0,1 to the sweep"
        )
    first, second = ([run for run in complete if run.factors.get(SEED) == seed] for seed in seeds[:2])
    others = {_but_seed(run): run for run in second}
    return tuple(
        _choice(curve, info, others)
        for curve in make_curves(first)
        for name, info in metrics.items()
        if any(_value(run, name) is not None for run in curve.runs)
    )


def _choice(curve: Curve, info: MetricInfo, others: Mapping[object, Run]) -> Choice:
    chosen = _best([run for run in curve.runs if _value(run, info.name) is not None], info)
    weight = curve.weights[curve.runs.index(chosen)]
    reported = others.get(_but_seed(chosen))
    if reported is None or _value(reported, info.name) is None:
        raise ValueError(
            f"selection: {curve.name}, w = {weight:g} was chosen by {info.name}, and the other seed has no "
            f"such run; run {curve.weight_key}={weight:g} with both seeds"
        )
    return Choice(curve=curve.name, metric=info.name, weight=weight, chosen_on=chosen, reported=reported)


def _best(runs: Sequence[Run], info: MetricInfo) -> Run:
    choose_by = max if info.higher_is_better else min
    return choose_by(runs, key=lambda run: float(run.metrics[info.name]["value"]))


def _value(run: Run, name: str) -> object:
    return run.metrics.get(name, {}).get("value")


def _but_seed(run: Run) -> object:
    """Everything that made the run but the seed."""
    return tuple(sorted((key, comparable(value)) for key, value in run.factors.items() if key != SEED))
