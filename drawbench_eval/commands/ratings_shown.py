"""The main of ratings.json in the terminal; everything else stands in the file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

Entry = Mapping[str, Any]

_NUM_SHOWN = 24
_NUM_TESTS = 12
_FEW, _POOLED = " *", " +"
_CHOICES = ("a : b", "a %", "indiff. %", "b %", "a, split", "95 %", "n")
_VALUES = ("model", "value", "95 %", "n")


def say(document: Entry, folder: Path) -> None:
    """Print what was read, the values over all prompts, the tests, agreement and rankings."""
    counts, raters = document["counts"], document["raters"]
    who = "" if raters["num"] is None else f" of {raters['num']} raters"
    print(
        f"{counts['rows']} rows: {counts['accepted']} accepted, {counts['rejected']} rejected; "
        f"{counts['accepted'] - counts['controls']} judgements{who}, {counts['controls']} controls"
    )
    dropped = {entry["rater_id"] for entry in document["raters"]["dropped"]}
    if dropped:
        print(f"left out by the rules: {len(dropped)} raters; results with and without them follow")
    for columns, lines in (
        (_CHOICES, choice_lines(document["results"])),
        (_VALUES, value_lines(document["results"])),
    ):
        _tables(columns, lines)
    _tests(document["comparisons"])
    for entry in document["agreement"]:
        if entry["model"] is None and entry["pair"] is None:
            _agreement(entry)
    for ranking in document["rankings"]:
        _ranking(ranking)
    for entry in document["metrics"]:
        if entry["model"] is None:
            _metric(entry)
    if document["metrics"] or (document["images"] or {}).get("runs"):
        _images(document["images"])
    for entry in document["not_offered"]:
        print(f"no {entry['what']} of {entry['question']}{_who(entry)}: {entry['reason']}")
    print(f"{folder / 'ratings.json'}: all of it")


def _tables(columns: Sequence[str], lines: Sequence[tuple[str, ...]]) -> None:
    """A table for each question, which stands above it; names may be folded, numbers not."""
    shown = lines[:_NUM_SHOWN]
    for about in dict.fromkeys(line[0] for line in shown):
        table = Table(title=about, title_justify="left", title_style="bold")
        for name in columns:
            is_text = name in ("model", "a : b")
            table.add_column(
                name, overflow="fold", no_wrap=not is_text, justify="left" if is_text else "right"
            )
        for line in shown:
            if line[0] == about:
                table.add_row(*line[1:])
        Console().print(table)
    _explain(lines)
    if len(lines) > _NUM_SHOWN:
        print(f"{len(lines) - _NUM_SHOWN} more in ratings.json")


def _explain(lines: Sequence[tuple[str, ...]]) -> None:
    intervals = [line[-2] for line in lines]
    if any(interval.endswith(_FEW) for interval in intervals):
        print("*: the interval rests on fewer than 10 prompts or raters")
    if any(interval.endswith(_POOLED) for interval in intervals):
        print("+: as if judgements were independent; neither prompts nor raters are known")


def choice_lines(rows: Sequence[Entry]) -> list[tuple[str, ...]]:
    """A line for each question and pair: the shares and the split rate of all judgements, in percent."""
    groups: dict[tuple[str, ...], dict[str, Entry]] = {}
    for row in rows:
        if row["kind"] == "pairwise" and row["category"] is None and row["average"] == "micro":
            name = row["convention"] or row["statistic"]
            groups.setdefault((_about(row), " : ".join(row["pair"])), {})[name] = row
    return [
        (
            *key,
            *(_percent(found[f"share_{side}"]["value"]) for side in ("a", "indifferent", "b")),
            _percent(found["split"]["value"]),
            _interval(found["split"], in_percent=True),
            str(found["split"]["n"]),
        )
        for key, found in groups.items()
    ]


def value_lines(rows: Sequence[Entry]) -> list[tuple[str, ...]]:
    """A line for each question and model: the preference rate in percent, or the mean, of all judgements."""
    lines: list[tuple[str, ...]] = []
    for row in rows:
        is_rate = row["statistic"] == "preference_rate" or row["kind"] == "proportion"
        is_value = row["statistic"] in ("preference_rate", "mean")
        if is_value and row["category"] is None and row["average"] == "micro":
            value = f"{_percent(row['value'])} %" if is_rate else _decimal(row["value"])
            interval = _interval(row, in_percent=is_rate)
            lines.append((_about(row), row["model"], value, interval, str(row["n"])))
    return lines


def _about(row: Entry) -> str:
    subset = "" if row["subset"] == "all" else f", {row['subset']}"
    return f"{row['question']}{subset}{_who(row)}"


def _tests(tests: Sequence[Entry]) -> None:
    overall = [test for test in tests if test["category"] is None]
    for test in overall[:_NUM_TESTS]:
        a, b = test["pair"]
        family = "exploratory" if test["family"] is None else f"Holm in {test['family']}"
        p = test["p_value"] if test["family"] is None else test["p_holm"]
        ci, shown = test["ci"], "p undefined" if p is None else f"p = {p:.2g}"
        within = f" [{ci[0]:.3f}, {ci[1]:.3f}]" if ci else ""
        verdict = ""
        if test["margin"] is not None:
            verdict = (
                f", {'on par' if test['is_significant'] else 'not shown to be on par'} "
                f"within {test['margin']:g}"
            )
        print(
            f"{test['question']}{_who(test)}: {a} - {b} = {test['estimate']:.3f}{within}, {shown} "
            f"({family}){verdict}"
        )
    if len(overall) > _NUM_TESTS:
        print(f"{len(overall) - _NUM_TESTS} more tests in ratings.json")
    impossible = [test for test in tests if not test["can_be_significant"] and test["category"] is not None]
    if impossible:
        print(f"{len(impossible)} tests of categories could not be significant with so few prompts")


def _agreement(entry: Entry) -> None:
    said = []
    for measure in ("nominal", "ordinal", "interval", "fleiss", "raw"):
        found = entry[measure]
        if found["value"] is not None:
            ci = found["ci95"]
            said.append(f"{measure} {found['value']:.3f}" + (f" [{ci[0]:.3f}, {ci[1]:.3f}]" if ci else ""))
    repeats = entry["num_repeats"]
    again = f"; {repeats} answers to what the rater had judged before are left out" if repeats else ""
    print(f"agreement on {entry['question']}{_who(entry)}: {', '.join(said) or 'undefined'}{again}")


def _ranking(ranking: Entry) -> None:
    models = [
        f"{_ranks(model['rank_interval'])} {model['model']} ({model['strength']:+.2f})"
        for model in ranking["models"]
    ]
    print(f"ranking by {ranking['question']}{_who(ranking)}: {', '.join(models)}")


def _metric(entry: Entry) -> None:
    said = []
    for name in ("kendall", "spearman", "accuracy"):
        found = entry[name]
        if found is not None and found["value"] is not None:
            ci = found["ci95"]
            said.append(f"{name} {found['value']:.3f}" + (f" [{ci[0]:.3f}, {ci[1]:.3f}]" if ci else ""))
    unscored = f", {entry['num_unscored']} without a score" if entry["num_unscored"] else ""
    print(
        f"{entry['metric']} against {entry['question']}{_who(entry)} ({entry['scope']}): "
        f"{', '.join(said) or 'undefined'}; {entry['num_items']} items{unscored}"
    )


def _images(images: Entry | None) -> None:
    """Whether the scores are of the very images that raters saw."""
    held = {} if images is None else images["runs"]
    for model, seen in held.items():
        same, all_shown = seen["same"], seen["shown"]
        print(f"{model}: {same} of the {all_shown} images that raters saw are the run's, by their hashes")
    if not held:
        print(
            "whether raters saw these very images is not known: no hashes of images came with the ratings "
            "(images.json of survey)"
        )


def _ranks(interval: Sequence[int]) -> str:
    low, high = interval
    return str(low) if low == high else f"{low}-{high}"


def _who(entry: Entry) -> str:
    return "" if entry["raters"] == "all" else " (kept raters)"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.1f}"


def _decimal(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _interval(row: Entry, *, in_percent: bool) -> str:
    """The clustered interval, or the pooled one where nothing is known to cluster by, and said to be that."""
    write = _percent if in_percent else _decimal
    if row["ci95_clustered"] is not None:
        low, high = row["ci95_clustered"]
        return f"{write(low)} to {write(high)}{_FEW if row['few_clusters'] else ''}"
    if row["standard_error"] is None and row["ci95_pooled"] is not None and row["num_prompts"] is None:
        low, high = row["ci95_pooled"]
        return f"{write(low)} to {write(high)}{_POOLED}"
    return "undefined"
