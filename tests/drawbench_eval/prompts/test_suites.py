import csv
import io
import random
from collections import Counter
from pathlib import Path

import pytest

from drawbench_eval.prompt import PromptSet
from drawbench_eval.prompts import DRAWBENCH, GENEVAL, PARTI, read_table, suite_prompts
from drawbench_eval.prompts.suites import Suite

DATA = Path(__file__).parents[4] / "shared" / "data"

ROWS = [
    (f"{name} number {i}, really", name) for name, count in DRAWBENCH.counts.items() for i in range(count)
]


def drawbench(
    folder: Path,
    rows: list[tuple[str, str]] = ROWS,
    header: tuple[str, str] = ("Prompts", "Category"),
    encoding: str = "utf-8",
) -> PromptSet:
    text = io.StringIO()
    csv.writer(text).writerows([header, *rows])
    path = folder / "drawbench.csv"
    path.write_text(text.getvalue(), encoding=encoding, newline="")
    return suite_prompts(DRAWBENCH, read_table(path))


def test_the_counts_are_the_published_totals() -> None:
    assert [(sum(s.counts.values()), len(s.counts)) for s in (DRAWBENCH, PARTI, GENEVAL)] == [
        (200, 11),
        (1632, 12),
        (553, 6),
    ]


def test_copies_of_drawbench_hold_the_same_prompts(tmp_path: Path) -> None:
    whole = drawbench(tmp_path)
    assert Counter(prompt.category for prompt in whole.prompts) == DRAWBENCH.counts
    shuffled = random.Random(0).sample(ROWS, len(ROWS))
    spaced = [(text, f"{name} " if name.startswith("Gary") else name) for text, name in shuffled]
    copies = [
        drawbench(tmp_path, header=("Prompt", "Category"), encoding="utf-8-sig"),
        drawbench(tmp_path, header=("prompts", "category")),
        drawbench(tmp_path, rows=spaced),
        drawbench(tmp_path, rows=[(name, text) for text, name in spaced], header=("Category", "Prompts")),
    ]
    assert {copy.sha256 for copy in copies} == {whole.sha256}
    assert [p.text for p in copies[2].prompts] == [text for text, _ in spaced]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            ROWS[:150],
            r"150 prompts are not drawbench's 200: Colors 25 of 25, .*, Reddit \d+ of 38, Text 0 of 21; give",
        ),
        ([*ROWS, ROWS[0]], r"201 prompts are not drawbench's 200: Colors 26 of 25,"),
        ([*ROWS[:-1], ROWS[0]], r"200 prompts are not drawbench's 200: Colors 26 of 25, .*Text 20 of 21"),
        (
            [*ROWS[:-1], ROWS[-2]],
            r"line 201: 'Text number 19, really' stands already in .* line 200; drawbench",
        ),
        (
            [("x", "Colours"), *ROWS[1:]],
            r"line 2: category 'Colours' is none of drawbench's: Colors, Conflicting",
        ),
    ],
)
def test_what_is_not_drawbench(tmp_path: Path, rows: list[tuple[str, str]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        drawbench(tmp_path, rows=rows)


def test_columns_that_are_not_the_suite_s(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match="needs one column called Prompts or Prompt; its columns are text, Cat"
    ):
        drawbench(tmp_path, header=("text", "Category"))
    with pytest.raises(ValueError, match="needs one column called Category; its columns are Prompt, Kind"):
        drawbench(tmp_path, header=("Prompt", "Kind"))
    with pytest.raises(
        ValueError, match="needs one column called Prompts or Prompt; its columns are Prompt, prompts"
    ):
        drawbench(tmp_path, header=("Prompt", "prompts"))


@pytest.mark.shared_data
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
@pytest.mark.parametrize(
    ("suite", "path", "number"),
    [
        (DRAWBENCH, "drawbench/drawbench.csv", 200),
        (DRAWBENCH, "drawbench/drawbench_bom.csv", 200),
        (PARTI, "prompts/PartiPrompts.tsv", 1632),
        (GENEVAL, "prompts/geneval_evaluation_metadata.jsonl", 553),
    ],
)
def test_published_files(suite: Suite, path: str, number: int) -> None:
    prompts = suite_prompts(suite, read_table(DATA / path)).prompts
    assert len(prompts) == number
    assert Counter(prompt.category for prompt in prompts) == suite.counts


@pytest.mark.shared_data
@pytest.mark.skipif(not DATA.exists(), reason="needs ../shared/data")
def test_details_of_the_published_files() -> None:
    one, two = (
        suite_prompts(DRAWBENCH, read_table(DATA / "drawbench" / name))
        for name in ("drawbench.csv", "drawbench_bom.csv")
    )
    assert one.sha256 == two.sha256
    parti = suite_prompts(PARTI, read_table(DATA / "prompts" / "PartiPrompts.tsv")).prompts
    (quoted,) = [prompt for prompt in parti if prompt.text.startswith('"')]
    assert quoted.text.startswith('"G I G G L E" painted in thick')
    assert quoted.metadata == {"Challenge": "Writing & Symbols", "Note": ""}
    geneval = suite_prompts(
        GENEVAL, read_table(DATA / "prompts" / "geneval_evaluation_metadata.jsonl")
    ).prompts
    assert geneval[0].metadata == {"tag": "single_object", "include": [{"class": "bench", "count": 1}]}
    assert sum("exclude" in (prompt.metadata or {}) for prompt in geneval) == 80
