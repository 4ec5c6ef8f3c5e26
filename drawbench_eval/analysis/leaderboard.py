"""Several runs on the same prompts -> differences with families and power, categories, and what cost most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import combinations

import numpy as np

from drawbench_eval.analysis.collect import outside
from drawbench_eval.analysis.compare_pairs import (
    Kind,
    Paired,
    detectable,
    influence_by_prompt,
    influence_difference,
    kind_of,
    mean_difference,
    prompt_means,
)
from drawbench_eval.analysis.contestants import Contestant, Field
from drawbench_eval.analysis.measures import ALIGNMENT, DISTANCE, present
from drawbench_eval.analysis.pareto import pareto_front
from drawbench_eval.stats.equivalence import equivalence
from drawbench_eval.stats.multiple import holm_by_family
from drawbench_eval.stats.shrinkage import ShrunkenCategory, shrink_categories


@dataclass(frozen=True, kw_only=True)
class CompareChoices:
    """What is fixed before the numbers are seen.

    baseline: only differences from this set; None compares all pairs. families: name -> metrics whose tests
    Holm corrects together; a metric in none is a family of its own. equivalence: metric -> margin in its
    unit. order_by: the metric that orders the leaderboard; None takes the first.
    """

    baseline: str | None = None
    families: Mapping[str, Sequence[str]] = field(default_factory=dict)
    equivalence: Mapping[str, float] = field(default_factory=dict)
    order_by: str | None = None
    alpha: float = 0.05
    power: float = 0.8

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 0.5:
            raise ValueError(f"alpha: {self.alpha:g}; must lie between 0 and 0.5")
        if not self.alpha < self.power < 1:
            raise ValueError(f"power: {self.power:g}; must lie between alpha and 1")
        owner: dict[str, str] = {}
        for family, metrics in self.families.items():
            if isinstance(metrics, str) or not isinstance(metrics, Sequence):
                raise ValueError(f"families.{family}: {metrics} is not a list; write {family}: [METRIC, ...]")
            for metric in metrics:
                if not isinstance(metric, str):
                    raise ValueError(f"families.{family}: {metric} is not the name of a metric")
                if metric in owner:
                    raise ValueError(f"families: {metric} stands in {owner[metric]} and in {family}")
                owner[metric] = family
        for metric, margin in self.equivalence.items():
            is_number = isinstance(margin, int | float) and not isinstance(margin, bool)
            if not (is_number and math.isfinite(margin) and margin > 0):
                raise ValueError(f"equivalence.{metric}: {margin} is not a margin above 0")

    def family_of(self, metric: str) -> str:
        """The family that a metric's tests belong to."""
        return next((name for name, metrics in self.families.items() if metric in metrics), metric)


@dataclass(frozen=True, kw_only=True)
class Difference:
    """a - b in one metric.

    p is two-sided, `p_holm` corrected within `family` of `family_size` tests; both are NaN where the error is
    0 or undefined. `detectable`: the smallest true difference found with the power asked for at alpha over
    the family's size. `better`: the name of the significantly better set, None where neither is.
    `equivalent`: None where no margin was given or no test can be made.
    """

    metric: str
    a: str
    b: str
    kind: Kind
    paired: Paired
    family: str
    family_size: int
    p_value: float
    p_holm: float
    detectable: float
    better: str | None
    margin: float | None
    equivalent: bool | None

    @property
    def value(self) -> float:
        return self.paired.difference.value

    @property
    def ci95(self) -> tuple[float, float]:
        return self.paired.difference.interval()


@dataclass(frozen=True, kw_only=True)
class CategoryCell:
    """What a metric is for a set in one category, over its prompts."""

    metric: str
    name: str
    found: ShrunkenCategory


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a prompt's images add to a set's distance: removing them would lower it by about this much."""

    metric: str
    name: str
    prompt_id: str
    added: float


@dataclass(frozen=True, kw_only=True)
class Leaderboard:
    """Everything that the page and the files are made of; `order`: names, the best by `order_by` first."""

    field: Field
    choices: CompareChoices
    order_by: str
    order: tuple[str, ...]
    differences: tuple[Difference, ...]
    categories: tuple[CategoryCell, ...]
    costs: tuple[Cost, ...]
    fronts: Mapping[tuple[str, str], tuple[str, ...]]

    def contestant(self, name: str) -> Contestant:
        """The set of this name."""
        return next(one for one in self.field.contestants if one.name == name)


NUM_COSTS = 5


def make_leaderboard(field_: Field, choices: CompareChoices) -> Leaderboard:
    """The comparison. Raises ValueError for a metric or a baseline that is not there."""
    names = [one.name for one in field_.contestants]
    _check(choices, field_, names)
    order_by = choices.order_by or next(iter(field_.metrics))
    sign = -1 if field_.metrics[order_by].higher_is_better else 1
    order = sorted(names, key=lambda name: _sort_key(field_, name, order_by, sign))
    return Leaderboard(
        field=field_,
        choices=choices,
        order_by=order_by,
        order=tuple(order),
        differences=_differences(field_, choices),
        categories=_categories(field_),
        costs=_costs(field_),
        fronts=_fronts(field_),
    )


def _check(choices: CompareChoices, field_: Field, names: Sequence[str]) -> None:
    if choices.baseline is not None and choices.baseline not in names:
        raise ValueError(f"compare.baseline: {choices.baseline} is not one of {', '.join(names)}")
    asked = {
        **{f"families.{family}": list(metrics) for family, metrics in choices.families.items()},
        "equivalence": list(choices.equivalence),
        "order_by": [choices.order_by] if choices.order_by else [],
    }
    for key, metrics in asked.items():
        for metric in metrics:
            if metric not in field_.metrics:
                raise ValueError(
                    f"compare.{key}: {metric} is not a metric that all sets have; they have "
                    f"{', '.join(field_.metrics)}"
                )


def _value(one: Contestant, metric: str) -> float:
    value = one.entry(metric)["value"]
    return math.nan if value is None else float(value)


def _sort_key(field_: Field, name: str, metric: str, sign: int) -> tuple[bool, float]:
    value = next(_value(one, metric) for one in field_.contestants if one.name == name)
    return math.isnan(value), sign * value


def _differences(field_: Field, choices: CompareChoices) -> tuple[Difference, ...]:
    found = []
    for metric, info in field_.metrics.items():
        for a, b in combinations(field_.contestants, 2):
            if choices.baseline is not None and choices.baseline not in (a.name, b.name):
                continue
            if choices.baseline == a.name:
                a, b = b, a
            kind = kind_of(metric, a.scores, b.scores)
            if kind == "no column" or math.isnan(_value(a, metric)) or math.isnan(_value(b, metric)):
                continue
            paired = _paired(metric, kind, a, b)
            margin = choices.equivalence.get(metric)
            tested = (
                equivalence(paired.difference, margin=margin, alpha=choices.alpha)
                if margin is not None
                else None
            )
            found.append(
                Difference(
                    metric=metric,
                    a=a.name,
                    b=b.name,
                    kind=kind,
                    paired=paired,
                    family=choices.family_of(metric),
                    family_size=0,
                    p_value=paired.difference.p_value,
                    p_holm=math.nan,
                    detectable=math.nan,
                    better=a.name if (paired.difference.value > 0) == info.higher_is_better else b.name,
                    margin=margin,
                    equivalent=None if tested is None or math.isnan(tested.p_value) else tested.is_equivalent,
                )
            )
    return _corrected(found, choices)


def _paired(metric: str, kind: Kind, a: Contestant, b: Contestant) -> Paired:
    if kind == "per prompt":
        return mean_difference(a.scores, b.scores, metric)
    return influence_difference(
        a.scores, b.scores, metric, value_a=_value(a, metric), value_b=_value(b, metric)
    )


def _corrected(found: Sequence[Difference], choices: CompareChoices) -> tuple[Difference, ...]:
    families = [one.family for one in found]
    adjusted = holm_by_family([one.p_value for one in found], families) if found else np.zeros(0)
    done = []
    for one, p_holm in zip(found, adjusted, strict=True):
        size = families.count(one.family)
        done.append(
            replace(
                one,
                family_size=size,
                p_holm=float(p_holm),
                detectable=detectable(one.paired.difference, alpha=choices.alpha / size, power=choices.power),
                better=one.better if p_holm <= choices.alpha else None,
            )
        )
    return tuple(done)


def _categories(field_: Field) -> tuple[CategoryCell, ...]:
    """Means by category of every metric that has a value per prompt; none without two categories."""
    if len(set(field_.categories.values())) < 2:
        return ()
    cells = []
    for metric in field_.metrics:
        if kind_of(metric, *(one.scores for one in field_.contestants)) != "per prompt":
            continue
        for one in field_.contestants:
            means = prompt_means(one.scores, metric)
            labels = [field_.categories[prompt_id] or "no category" for prompt_id in means.index]
            if len(set(labels)) < 2 or len(set(labels)) == len(labels):
                continue
            shrinkage = shrink_categories(means.to_numpy(dtype=np.float64), labels)
            cells += [
                CategoryCell(metric=metric, name=one.name, found=found) for found in shrinkage.categories
            ]
    return tuple(cells)


def _costs(field_: Field) -> tuple[Cost, ...]:
    """The prompts that add most to each set's first Frechet distance."""
    metric = next(iter(present(DISTANCE, field_.metrics)), None)
    if metric is None:
        return ()
    costs = []
    for one in field_.contestants:
        if metric in one.scores.columns:
            added = influence_by_prompt(one.scores, metric).sort_values(ascending=False, kind="stable")
            costs += [
                Cost(metric=metric, name=one.name, prompt_id=str(prompt_id), added=float(value))
                for prompt_id, value in added.head(NUM_COSTS).items()
            ]
    return tuple(costs)


def _fronts(field_: Field) -> dict[tuple[str, str], tuple[str, ...]]:
    """For each (distance, alignment): the sets that no other is as good as in both, and better in one."""
    distance = next(iter(present(DISTANCE, field_.metrics)), None)
    if distance is None:
        return {}
    fronts = {}
    for alignment in (*present(ALIGNMENT, field_.metrics), *outside(field_.metrics)):
        x = np.array([_value(one, distance) for one in field_.contestants])
        y = np.array([_value(one, alignment) for one in field_.contestants])
        on = pareto_front(x, y, y_higher=field_.metrics[alignment].higher_is_better)
        fronts[distance, alignment] = tuple(
            one.name for one, is_on in zip(field_.contestants, on, strict=True) if is_on
        )
    return fronts
