"""The tables of human ratings: choices between two, values of one, tests, rankings, scores against raters."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from drawbench_eval.analysis.ratings_document import Entry, RatingsDocument
from drawbench_eval.report.numbers import column_decimals, fixed
from drawbench_eval.report.tables import Cell, Table

MOST_LINES = 24
"""Lines of one table; all of them stand in ratings.json."""

Interval = tuple[float, float]

_NO_INTERVAL = (math.nan, math.nan)
_NO_MEASURE: Entry = {"value": None, "ci95": None}
_UNDEFINED = -1e308
_SHARES = ("share_a", "share_indifferent", "share_b")


def choices_table(document: RatingsDocument) -> Table | None:
    """A row a question and pair: the three shares, and the rate of the first by both conventions."""
    groups: dict[tuple[str, str], dict[str, Entry]] = {}
    for row in _over_all(document):
        if row["kind"] == "pairwise" and row["pair"] is not None:
            key = (row["question"], _pair(row["pair"]))
            groups.setdefault(key, {})[row["convention"] or row["statistic"]] = row
    rows = [
        (
            Cell(text=question, key=question),
            Cell(text=pair, key=pair),
            *(_percent(found[share]["value"]) for share in _SHARES),
            *(_percent(found[one]["value"], clustered(found[one])) for one in ("split", "dropped")),
            _count(found["split"]["n"]),
        )
        for (question, pair), found in list(groups.items())[:MOST_LINES]
    ]
    columns = (
        "Question",
        "Pair",
        "First",
        "Indiff.",
        "Second",
        "First, split",
        "First, dropped",
        "Judgements",
    )
    notes = ("", "first : second", "%", "%", "%", "% with indifferent as half", "% of those decided", "")
    return _table(columns, notes, rows)


def values_table(document: RatingsDocument) -> Table | None:
    """A row a question and model: the mean, or the rate against the reference, with both intervals."""
    lines = [
        row
        for row in _over_all(document)
        if row["statistic"] in ("mean", "preference_rate") and row["model"] is not None
    ]
    rows = []
    for row in lines[:MOST_LINES]:
        is_rate = row["statistic"] == "preference_rate" or row["kind"] == "proportion"
        cell = _percent if is_rate else _value
        pooled = cell(None, _bounds(row["ci95_pooled"])).detail or "–"
        rows.append(
            (
                Cell(text=row["question"], key=row["question"]),
                Cell(text=row["model"], key=row["model"]),
                cell(row["value"], clustered(row)),
                Cell(text=pooled, key=pooled),
                Cell(text="%" if is_rate else "of 100" if row["kind"] == "alignment" else "its scale"),
                _count(row["n"]),
            )
        )
    columns = ("Question", "Model", "Value", "As if independent", "Unit", "Judgements")
    notes = ("", "", "95 % interval, clustered", "95 % interval, as the paper prints it", "", "")
    return _table(columns, notes, rows)


def comparisons_table(document: RatingsDocument) -> Table | None:
    """A row a test over all prompts: the difference, p after Holm, and what follows."""
    tests = [one for one in document.shown("comparisons") if one["category"] is None]
    rows = []
    for one in tests[:MOST_LINES]:
        p = one["p_value"] if one["family"] is None else one["p_holm"]
        rows.append(
            (
                Cell(text=one["question"], key=one["question"]),
                Cell(text=" − ".join(one["pair"]), key=_pair(one["pair"])),
                _value(one["estimate"], _bounds(one["ci"])),
                Cell(text=_p(p), key=1.0 if p is None else p),
                Cell(text=one["family"] or "exploratory", key=one["family"] or ""),
                Cell(text=verdict_of(one), key=verdict_of(one)),
            )
        )
    columns = ("Question", "Pair", "Difference", "p", "Family", "Verdict")
    notes = ("", "", "95 % interval", "Holm", "", "")
    return _table(columns, notes, rows)


def verdict_of(one: Entry) -> str:
    """'A ahead', 'on par within 5', 'not resolved', 'cannot be significant', 'no error'."""
    if one["margin"] is not None:
        return f"{'on par' if one['is_significant'] else 'not shown to be on par'} within {one['margin']:g}"
    if one["is_significant"]:
        return f"{one['pair'][0 if one['estimate'] > 0 else 1]} ahead"
    if one["p_value"] is None:
        return "no error to test against"
    return "not resolved" if one["can_be_significant"] else "cannot be significant at this n"


def rankings_table(document: RatingsDocument) -> Table | None:
    """A row a question and model, where three or more were compared in pairs."""
    rows = [
        (
            Cell(text=ranking["question"], key=ranking["question"]),
            Cell(text=_ranks(one["rank_interval"]), key=one["rank"]),
            Cell(text=one["model"], key=one["model"]),
            _value(one["strength"], _bounds(one["ci95"])),
            Cell(text=_number(one["half_win"], 2), key=_key(one["half_win"])),
            _count(one["num_judgements"]),
        )
        for ranking in document.shown("rankings")
        if len(ranking["models"]) > 2
        for one in ranking["models"]
    ]
    columns = ("Question", "Ranks", "Model", "Strength", "Half-win view", "Judgements")
    notes = ("", "95 %", "", "Davidson, 95 % interval", "ties as half a win", "")
    return _table(columns, notes, rows[:MOST_LINES])


def metrics_table(document: RatingsDocument) -> Table | None:
    """A row a score and question: how well the score follows the raters."""
    rows = []
    for one in document.shown("metrics")[:MOST_LINES]:
        scope = one["scope"] if one["model"] is None else f"{one['scope']}, {one['model']}"
        found = [one[name] or _NO_MEASURE for name in ("kendall", "spearman", "accuracy")]
        rows.append(
            (
                Cell(text=one["metric"], key=one["metric"]),
                Cell(text=one["question"], key=one["question"]),
                Cell(text=scope, key=scope),
                *(_value(measure["value"], _bounds(measure["ci95"])) for measure in found),
                _count(one["num_items"]),
            )
        )
    columns = ("Score", "Question", "Of", "Kendall's tau-b", "Spearman's rho", "Accuracy", "Items")
    return _table(columns, ("",) * len(columns), rows)


def _table(
    columns: tuple[str, ...], notes: tuple[str, ...], rows: Sequence[tuple[Cell, ...]]
) -> Table | None:
    return Table(columns=columns, notes=notes, rows=tuple(rows), grouped=True) if rows else None


def _over_all(document: RatingsDocument) -> list[Entry]:
    """Results of all prompts, each judgement counting the same."""
    return [row for row in document.shown("results") if row["category"] is None and row["average"] == "micro"]


def clustered(row: Entry) -> Interval:
    """The interval to believe: the clustered one, that of independent judgements where nothing clusters."""
    is_free = row["num_prompts"] is None and row["num_raters"] is None
    return _bounds(row["ci95_pooled"] if is_free else row["ci95_clustered"])


def _percent(value: float | None, interval: Interval = _NO_INTERVAL) -> Cell:
    detail = _interval_text(interval, lambda bound: fixed(100 * bound, 1))
    return Cell(text="–" if value is None else fixed(100 * value, 1), detail=detail, key=_key(value))


def _value(value: float | None, interval: Interval) -> Cell:
    digits = column_decimals([interval])
    detail = _interval_text(interval, lambda bound: fixed(bound, digits))
    return Cell(text=_number(value, digits), detail=detail, key=_key(value))


def _interval_text(interval: Interval, write: Callable[[float], str]) -> str:
    return "" if any(map(math.isnan, interval)) else " to ".join(map(write, interval))


def _bounds(interval: Sequence[float] | None) -> Interval:
    return _NO_INTERVAL if interval is None else (float(interval[0]), float(interval[1]))


def _number(value: float | None, digits: int) -> str:
    return "–" if value is None else fixed(value, digits)


def _key(value: float | None) -> float:
    return _UNDEFINED if value is None else value


def _count(value: int) -> Cell:
    return Cell(text=str(value), key=value)


def _pair(pair: Iterable[str]) -> str:
    return " : ".join(pair)


def _p(p: float | None) -> str:
    if p is None:
        return "–"
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _ranks(interval: Sequence[int]) -> str:
    low, high = interval
    return str(low) if low == high else f"{low} to {high}"


def rated_values(document: RatingsDocument) -> Mapping[str, Any]:
    """What leaderboard.json repeats of ratings.json: where from, and the entries that the page shows.

    `images`: how many of the images that raters saw each set has; None where that is not known.
    """
    return {
        "name": document.name,
        "file": str(document.path),
        "sha256": document.sha256,
        "images": _seen(document),
        "results": document.shown("results"),
        "comparisons": document.shown("comparisons"),
        "rankings": document.shown("rankings"),
    }


def _seen(document: RatingsDocument) -> Mapping[str, Any] | None:
    if document.seen is None:
        return None
    return {
        model: {name: seen.counts for name, seen in held.items()} for model, held in document.seen.items()
    }
