"""ratings.json -> its figures: preference bars, forest plots, win matrices, rater quality."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

from matplotlib.figure import Figure

from drawbench_eval.analysis.ratings_document import shown_raters
from drawbench_eval.files import atomic_path, write_text
from drawbench_eval.report.blocks import Picture
from drawbench_eval.report.exports import to_pngs
from drawbench_eval.report.ratings_bars import preference_bars
from drawbench_eval.report.ratings_forest import forest
from drawbench_eval.report.ratings_raters import known_measures, rater_quality_figure
from drawbench_eval.report.ratings_style import Entry, render
from drawbench_eval.report.ratings_wins import win_matrix
from drawbench_eval.report.style import shortened

# Name, caption and drawing of a figure.
_Planned = tuple[str, str, Callable[[], Figure]]

# Figures of one kind for so many pairs or questions at most; the numbers of all stand in ratings.json.
MOST_FIGURES = 12
# Lines of one forest plot: more do not fit on a page.
MOST_LINES = 30
# Letters of each name of a pair.
_NAME = 21


def ratings_figures(document: Entry, *, of_a_kind: int | None = None) -> tuple[Picture, ...]:
    """The figures of a ratings.json, as parsed. Where raters were left out they show the kept ones.

    With `of_a_kind` only so many of each kind: preference bars, forest plots, categories, win matrices.
    """
    kinds: dict[str, list[_Planned]] = {}
    for planned in _planned(document):
        kinds.setdefault(planned[0].partition("-")[0], []).append(planned)
    return tuple(render(*planned) for of_kind in kinds.values() for planned in of_kind[:of_a_kind])


def num_figures(document: Entry) -> int:
    """How many figures there are in all."""
    return len(_planned(document))


def _planned(document: Entry) -> list[_Planned]:
    """Name, caption and drawing of each figure."""
    raters = shown_raters(document)

    def mine(key: str) -> list[Entry]:
        return [entry for entry in document[key] if entry["raters"] == raters]

    rows = [row for row in mine("results") if row["subset"] == "all"]
    return [
        *_bars(rows),
        *_forests(rows, document["questions"]),
        *_category_forests(rows, mine("categories")),
        *_wins(mine("rankings")),
        *_raters(document["raters"]),
    ]


def write_figures(folder: Path, figures: Sequence[Picture]) -> None:
    """Writes each as NAME.svg and NAME.png, and removes figures that an earlier run left there."""
    names = {f"{figure.name}.{suffix}" for figure in figures for suffix in ("svg", "png")}
    for old in (*folder.glob("*.svg"), *folder.glob("*.png")):
        if old.name not in names:
            old.unlink()
    for figure, png in zip(figures, to_pngs(tuple(figures)), strict=True):
        write_text(folder / f"{figure.name}.svg", figure.svg)
        with atomic_path(folder / f"{figure.name}.png") as temporary:
            temporary.write_bytes(png)


def _raters(raters: Entry) -> Iterator[_Planned]:
    if known_measures(raters["quality"]):
        yield (
            "raters",
            f"How each of {raters['num']} raters answered.",
            partial(rater_quality_figure, raters["quality"], raters["dropped"], raters["rules"]),
        )


def _bars(rows: Sequence[Entry]) -> Iterator[_Planned]:
    pairs = list(dict.fromkeys(tuple(row["pair"]) for row in rows if row["statistic"] == "share_a"))
    for number, pair in enumerate(pairs[:MOST_FIGURES], start=1):
        chosen = [row for row in rows if row["pair"] is not None and tuple(row["pair"]) == pair]
        yield (
            f"preference-{number:02d}",
            (
                f"{pair[0]} against {pair[1]}: shares of judgements, with 95 % intervals clustered by prompt "
                "and rater where they are known."
            ),
            partial(preference_bars, chosen, pair),
        )


def _forests(rows: Sequence[Entry], questions: Mapping[str, Entry]) -> Iterator[_Planned]:
    for number, (question, about) in enumerate(list(questions.items())[:MOST_FIGURES], start=1):
        statistic = {"pairwise": "preference", "realism": "preference_rate"}.get(about["kind"], "mean")
        in_percent = statistic != "mean" or about["kind"] == "proportion"
        chosen = [
            row
            for row in rows
            if row["question"] == question
            and row["statistic"] == statistic
            and row["convention"] in (None, "split")
            and row["category"] is None
            and row["average"] == "micro"
        ]
        if not chosen:
            continue
        if statistic == "mean":
            chosen.sort(key=lambda row: -row["value"])
        more = f" The first {MOST_LINES} of {len(chosen)}." if len(chosen) > MOST_LINES else ""
        chosen = chosen[:MOST_LINES]
        unit = {
            "preference": "first preferred, indifferent as half (%)",
            "preference_rate": "taken for the more real one (%)",
            "mean": f"{question}, mean{' (%)' if in_percent else ''}",
        }[statistic]
        yield (
            f"forest-{number:02d}",
            f"{question}: values with the pooled interval of the paper and the clustered one.{more}",
            partial(
                forest,
                chosen,
                [
                    " : ".join(shortened(name, _NAME) for name in row["pair"])
                    if row["pair"]
                    else shortened(row["model"], 2 * _NAME)
                    for row in chosen
                ],
                xlabel=unit if statistic == "mean" else f"{question}: {unit}",
                in_percent=in_percent,
                neutral=None if statistic == "mean" else 50.0,
            ),
        )


def _category_forests(rows: Sequence[Entry], categories: Sequence[Entry]) -> Iterator[_Planned]:
    """Of choices: each category's own rate and the shrunken one."""
    described = [one for one in categories if one["pair"] is not None and one["shrunken"] is not None]
    for number, one in enumerate(described[:MOST_FIGURES], start=1):
        lent = {entry["category"]: entry for entry in one["shrunken"]["categories"]}
        chosen = [
            row
            for row in rows
            if row["question"] == one["question"]
            and row["pair"] == one["pair"]
            and row["convention"] == "split"
            and row["category"] in lent
        ]
        if not chosen:
            continue
        yield (
            f"categories-{number:02d}",
            (
                f"{one['question']}, {' against '.join(one['pair'])}: categories, and what they are when "
                "they borrow from each other."
            ),
            partial(
                forest,
                chosen,
                [f"{row['category']} ({lent[row['category']]['num_prompts']})" for row in chosen],
                xlabel=f"{shortened(one['pair'][0])} preferred to {shortened(one['pair'][1])}\n"
                f"{one['question']}, indifferent as half (%)",
                in_percent=True,
                neutral=50.0,
                shrunken=[lent[row["category"]] for row in chosen],
            ),
        )


def _wins(rankings: Sequence[Entry]) -> Iterator[_Planned]:
    many = [ranking for ranking in rankings if len(ranking["models"]) > 2]
    for number, ranking in enumerate(many[:MOST_FIGURES], start=1):
        yield (
            f"wins-{number:02d}",
            f"{ranking['question']}: probabilities of Davidson's model, models from the best on.",
            partial(win_matrix, ranking),
        )
