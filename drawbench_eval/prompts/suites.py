"""DrawBench, PartiPrompts and GenEval: published tables of prompts, held against their published counts."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.prompts.ids import text_ids
from drawbench_eval.prompts.rows import Row, Table
from drawbench_eval.prompts.table import sourced_set


@dataclass(frozen=True, kw_only=True)
class Suite:
    """What a suite's table looks like.

    text, category: the names that their columns have among copies, whatever the case of their letters.
    metadata: columns that are kept with each prompt. counts: category -> number of prompts.
    """

    name: str
    text: tuple[str, ...]
    category: str
    metadata: tuple[str, ...] = ()
    counts: Mapping[str, int]


# Saharia et al. 2022; the labels and counts of the sheet released with the paper.
DRAWBENCH = Suite(
    name="drawbench",
    text=("Prompts", "Prompt"),
    category="Category",
    counts={
        "Colors": 25,
        "Conflicting": 10,
        "Counting": 19,
        "DALL-E": 20,
        "Descriptions": 20,
        "Gary Marcus et al.": 10,
        "Misspellings": 10,
        "Positional": 20,
        "Rare Words": 7,
        "Reddit": 38,
        "Text": 21,
    },
)

# Yu et al. 2022, arXiv:2206.10789; PartiPrompts.tsv of google-research/parti.
PARTI = Suite(
    name="parti",
    text=("Prompt",),
    category="Category",
    metadata=("Challenge", "Note"),
    counts={
        "Abstract": 51,
        "Animals": 314,
        "Artifacts": 287,
        "Arts": 66,
        "Food & Beverage": 74,
        "Illustrations": 124,
        "Indoor Scenes": 40,
        "Outdoor Scenes": 131,
        "People": 177,
        "Produce & Plants": 50,
        "Vehicles": 104,
        "World Knowledge": 214,
    },
)

# Ghosh et al. 2023, arXiv:2310.11513; evaluation_metadata.jsonl of djghosh13/geneval.
GENEVAL = Suite(
    name="geneval",
    text=("prompt",),
    category="tag",
    metadata=("tag", "include", "exclude"),
    counts={
        "single_object": 80,
        "two_object": 99,
        "counting": 80,
        "colors": 94,
        "position": 100,
        "color_attr": 100,
    },
)


def suite_prompts(suite: Suite, table: Table) -> PromptSet:
    """The prompts of a table, in its order, with ids made of the texts.

    Raises ValueError where it is not the whole suite: another category, other counts, a text twice.
    """
    text_column = _column(table, suite.text)
    category_column = _column(table, (suite.category,))
    texts = [row.text(text_column) for row in table.rows]
    categories = [row.text(category_column).strip() for row in table.rows]
    _check(suite, table, texts, categories)
    ids = text_ids(texts, categories)
    prompts = [
        Prompt(id=identity, text=text, category=category, metadata=_metadata(row, suite.metadata))
        for row, identity, text, category in zip(table.rows, ids, texts, categories, strict=True)
    ]
    return sourced_set(suite.name, prompts, table)


def _column(table: Table, names: tuple[str, ...]) -> str:
    wanted = [name.lower() for name in names]
    found = [column for column in table.columns if column.strip().lower() in wanted]
    if len(found) != 1:
        has = ", ".join(table.columns) or "none"
        raise ValueError(
            f"{table.location}: needs one column called {' or '.join(names)}; its columns are {has}"
        )
    return found[0]


def _check(suite: Suite, table: Table, texts: list[str], categories: list[str]) -> None:
    unknown = next((i for i, category in enumerate(categories) if category not in suite.counts), None)
    if unknown is not None:
        raise ValueError(
            f"{table.rows[unknown].place}: category {categories[unknown]!r} is none of {suite.name}'s: "
            f"{', '.join(suite.counts)}; prompts=file reads prompts of any kind"
        )
    total, found = sum(suite.counts.values()), Counter(categories)
    if dict(found) != dict(suite.counts):
        each = ", ".join(f"{name} {found[name]} of {count}" for name, count in suite.counts.items())
        raise ValueError(
            f"{table.location}: {len(texts)} prompts are not {suite.name}'s {total}: {each}; "
            "give a whole copy, and choose from it with prompts.limit, or read a part with prompts=file"
        )
    first: dict[str, Row] = {}
    for row, text in zip(table.rows, texts, strict=True):
        if first.setdefault(text, row) is not row:
            raise ValueError(
                f"{row.place}: {text!r} stands already in {first[text].place}; {suite.name} has it once"
            )


def _metadata(row: Row, columns: tuple[str, ...]) -> Mapping[str, object] | None:
    kept = {column: row.cells[column] for column in columns if row.cells.get(column) is not None}
    return kept or None
