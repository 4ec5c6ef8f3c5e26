"""A comparison in sentences, each made from numbers alone."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from drawbench_eval.analysis.findings import decimals, in_words, minus
from drawbench_eval.analysis.leaderboard import Difference, Leaderboard
from drawbench_eval.analysis.measures import measure
from drawbench_eval.analysis.paired import SAME, Effect


def sentences(board: Leaderboard) -> tuple[str, ...]:
    """For each metric: which set leads and over which others that is significant; then the categories."""
    said = [_of_metric(board, metric) for metric in board.field.metrics]
    said += [_of_categories(board, metric) for metric in board.field.metrics]
    return tuple(sentence for sentence in said if sentence)


def effect(difference: Difference) -> Effect:
    """The difference as an effect that `in_words` prints."""
    low, high = difference.ci95
    estimate = difference.paired.difference
    known = math.isfinite(low) and math.isfinite(high)
    return Effect(
        value=estimate.value,
        ci95=(low, high) if known else None,
        n=estimate.n,
        num_prompts=estimate.num_clusters,
    )


def p_in_words(p: float) -> str:
    """'p = 0.03', 'p < 0.001', 'p undefined'."""
    if math.isnan(p):
        return "p undefined"
    return "p < 0.001" if p < 0.001 else f"p = {p:.2g}" if p < 0.1 else f"p = {p:.2f}"


def _of_metric(board: Leaderboard, metric: str) -> str:
    info = board.field.metrics[metric]
    values = {
        one.name: float(one.entry(metric)["value"])
        for one in board.field.contestants
        if one.entry(metric)["value"] is not None
    }
    if len(values) < 2:
        return f"{_capital(measure(metric).short)} is defined for {len(values)} of the sets only."
    best = max(values, key=lambda name: values[name] if info.higher_is_better else -values[name])
    way = "highest" if info.higher_is_better else "lowest"
    tests = [one for one in board.differences if one.metric == metric and best in (one.a, one.b)]
    digits = max((decimals(one.value, effect(one).ci95) for one in tests), default=3)
    lead = f"{best} has the {way} {measure(metric).short} ({minus(f'{values[best]:.{digits}f}')})"
    if not tests:
        return f"{lead}; whether that is more than chance was not tested."
    won = [_against(best, one, higher=info.higher_is_better) for one in tests if one.better == best]
    # The best value may lose the paired test, where prompts without a partner made it the best.
    lost = [_other(best, one) for one in tests if one.better not in (best, None)]
    equal = [_other(best, one) for one in tests if effect(one).is_zero]
    open_ = [
        _against(best, one, higher=info.higher_is_better)
        for one in tests
        if one.better is None and not effect(one).is_zero
    ]
    parts = []
    if equal:
        parts.append(f"equal to {_joined(equal)} on every prompt")
    if won:
        parts.append(f"significantly better than {_joined(won)}")
    if open_:
        parts.append(f"{'but ' if won else ''}not shown to be better than {_joined(open_)}")
    if lost:
        but = "but " if won or open_ else ""
        parts.append(f"{but}on the prompts that both have, significantly worse than {_joined(lost)}")
    return f"{lead}: {'; '.join(parts)}."


def _against(best: str, one: Difference, *, higher: bool) -> str:
    """The other set, and by how much the best is better: positive whichever way is better."""
    other = _other(best, one)
    found = effect(one)
    if (one.a == best) != higher:
        ci95 = None if found.ci95 is None else (-found.ci95[1], -found.ci95[0])
        found = Effect(value=-found.value, ci95=ci95, n=found.n, num_prompts=found.num_prompts)
    if found.is_constant:
        same = f"difference {minus(f'{found.value:.3g}')} on every prompt"
        return f"{other}, {same}, which leaves no spread to test"
    return f"{other}, difference {in_words(found, signed=False)}, {p_in_words(one.p_holm)}"


def _other(best: str, one: Difference) -> str:
    return one.b if one.a == best else one.a


def _of_categories(board: Leaderboard, metric: str) -> str:
    leaders = category_leaders(board, metric)
    if not leaders:
        return ""
    counts = Counter(names[0] for names in leaders.values() if len(names) == 1)
    said = [f"best for {name} in {count}" for name, count in counts.most_common()]
    num_tied = len(leaders) - counts.total()
    said += [f"as good for two or more in {num_tied}"] if num_tied else []
    return (
        f"By {measure(metric).short} in {len(leaders)} categories the mean is {', '.join(said)} "
        "(a description: categories hold few prompts and are not tested)."
    )


def category_leaders(board: Leaderboard, metric: str) -> dict[str, tuple[str, ...]]:
    """Category -> the sets with the best plain mean there: several where they are equal."""
    higher = board.field.metrics[metric].higher_is_better
    cells = [cell for cell in board.categories if cell.metric == metric]
    leaders = {}
    for category in dict.fromkeys(cell.found.category for cell in cells):
        own = [cell for cell in cells if cell.found.category == category]
        best = (max if higher else min)(cell.found.mean for cell in own)
        leaders[category] = tuple(
            cell.name for cell in own if math.isclose(cell.found.mean, best, rel_tol=SAME, abs_tol=SAME)
        )
    return leaders


def _joined(items: Sequence[str]) -> str:
    return "; ".join(items)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
