"""Human ratings as a section of a report: the document read back, its tables, sentences, figures, pages."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from simulated_ratings import pairwise_ratings, pointwise_ratings

from drawbench_eval.analysis.ratings_document import read_ratings_document, shown_raters
from drawbench_eval.ratings import write_ratings
from drawbench_eval.report import load_sweep, write_report
from drawbench_eval.report.blocks import Bullets, DataTable, Picture
from drawbench_eval.report.ratings_section import ratings_section, ratings_sentences
from drawbench_eval.report.ratings_tables import (
    choices_table,
    comparisons_table,
    rankings_table,
    values_table,
    verdict_of,
)
from drawbench_eval.report.sections import build_report

# A name that markup or a formula would swallow.
HOSTILE = "m<b>$x_1$ #x"
SIZES = {"x": 3, "y": 4}


def evaluate(folder: Path, table, form: str, *settings: str):
    """ratings.json of a table, through the command line."""
    import sys

    from hydra.core.global_hydra import GlobalHydra

    from drawbench_eval import cli

    folder.mkdir()
    write_ratings(folder / "rows.csv", table, form)
    arguments = ["ratings", f"paths=[{folder / 'rows.csv'}]", "num_draws=100", "figures=false", *settings]
    before, sys.argv = sys.argv, ["drawbench-eval", *arguments, f"output={folder / 'out'}"]
    try:
        assert cli.main() == 0
    finally:
        sys.argv = before
        GlobalHydra.instance().clear()
    return read_ratings_document(folder / "out")


@pytest.fixture(scope="module")
def pairwise(tmp_path_factory):
    table = pairwise_ratings(sizes=SIZES, strengths={HOSTILE: 0.8, "k": 0.0, "l": -0.4}, num_raters=8, each=4)
    folder = tmp_path_factory.mktemp("ratings") / "pairwise"
    return evaluate(folder, table, "pairwise", "quality.style=coco", f"first='{HOSTILE}'")


@pytest.fixture(scope="module")
def pointwise(tmp_path_factory):
    shares = {"ours": (0.5, 0.3, 0.2), "reference": (0.5, 0.3, 0.2)}
    table = pointwise_ratings(shares, num_prompts=12)
    folder = tmp_path_factory.mktemp("ratings") / "pointwise"
    return evaluate(folder, table, "pointwise", "ratings=canonical_pointwise")


def test_the_table_of_choices_has_the_numbers_of_the_kept_raters(pairwise) -> None:
    assert shown_raters(pairwise.values) == "kept"
    table = choices_table(pairwise)
    assert len(table.rows) == 6
    wanted = {
        (row["question"], " : ".join(row["pair"])): row
        for row in pairwise.values["results"]
        if row["raters"] == "kept" and row["convention"] == "split"
        if row["category"] is None and row["average"] == "micro"
    }
    for question, pair, a, indifferent, b, split, _, judgements in table.rows:
        row = wanted[question.text, pair.text]
        assert split.key == row["value"]
        low, high = row["ci95_clustered"]
        assert split.detail == f"{100 * low:.1f} to {100 * high:.1f}"
        assert a.key + indifferent.key + b.key == pytest.approx(1)
        assert a.key + indifferent.key / 2 == pytest.approx(split.key)
        assert judgements.key == row["n"]


def test_tests_rankings_and_sentences(pairwise) -> None:
    verdicts = {row[-1].text for row in comparisons_table(pairwise).rows}
    assert verdicts <= {f"{HOSTILE} ahead", "k ahead", "l ahead", "not resolved"}
    assert rankings_table(pairwise).rows[0][2].text == HOSTILE
    said = ratings_sentences([pairwise])
    assert len(said) == 4
    assert any(one.startswith(f"Asked about alignment, raters preferred {HOSTILE} to k in ") for one in said)


def test_where_all_agree_no_test_is_made_and_no_alpha_named(pairwise) -> None:
    one = {**pairwise.values["comparisons"][0], "margin": None, "is_significant": False}
    certain = {**one, "p_value": None, "can_be_significant": False}
    assert verdict_of(certain) == "no error to test against"
    assert verdict_of({**certain, "p_value": 0.4}) == "cannot be significant at this n"
    (said,) = [block for block in ratings_section([pairwise]).blocks if isinstance(block, Bullets)]
    assert all(text.startswith("Krippendorff's alpha, nominal ") for _, text in said.items)
    unknown = {"value": None, "ci95": None}
    agreement = [
        entry | dict.fromkeys(("nominal", "ordinal", "interval", "fleiss"), unknown)
        for entry in pairwise.values["agreement"]
    ]
    alike = replace(pairwise, values={**pairwise.values, "agreement": agreement})
    (said,) = [block for block in ratings_section([alike]).blocks if isinstance(block, Bullets)]
    assert all(text.startswith("pairs of answers that agree 0.") for _, text in said.items)


def test_single_sets_have_both_intervals_and_the_test_against_photographs(pointwise) -> None:
    table = values_table(pointwise)
    assert [row[1].text for row in table.rows] == ["ours", "reference"]
    assert all(row[2].detail and row[3].text != "–" for row in table.rows)
    assert any("on par within 5" in row[-1].text for row in comparisons_table(pointwise).rows)
    assert choices_table(pointwise) is None


def test_about_keeps_what_is_about_these_models_and_photographs_alone(pairwise, pointwise) -> None:
    kept = pairwise.about([HOSTILE, "l"])
    assert kept.models() == (HOSTILE, "l")
    assert {tuple(row["pair"]) for row in kept.values["results"]} == {(HOSTILE, "l")}
    # A ranking of three is no ranking of two.
    assert kept.values["rankings"] == []
    assert set(pointwise.about(["ours"]).models()) == {"ours", "reference"}


def test_the_report_has_the_section_before_its_limits(pairwise, pointwise, synthetic, tmp_path) -> None:
    runs = synthetic.write_results(tmp_path / "runs", modes=("dynamic",), weights=(1, 4))
    data = replace(load_sweep(runs, "guidance_x_threshold"), ratings=(pairwise, pointwise))
    report = build_report(data)
    titles = [section.title for section in report.sections]
    assert titles[-3:] == ["Human ratings", "Limits and assumptions", "Provenance"]
    blocks = report.sections[-3].blocks
    names = [block.name for block in blocks if isinstance(block, Picture)]
    assert {"ratings-1-preference-01", "ratings-1-wins-01", "ratings-2-forest-01"} <= set(names)
    assert not any(name.endswith("preference-04") for name in names)
    numbers = [
        block.number
        for section in report.sections
        for block in section.blocks
        if isinstance(block, DataTable)
    ]
    assert numbers == list(range(1, len(numbers) + 1))
    assert any("raters preferred" in sentence for sentence in report.answer)
    written = write_report(data, tmp_path / "page")
    assert written[0].read_bytes().startswith(b"%PDF")
    page = written[1].read_text(encoding="utf-8")
    assert "m&lt;b&gt;$x_1$ #x" in page
    assert "<b>" not in page
    assert "Left out by controls_right: 2 raters" in page
    assert (tmp_path / "page" / "figures" / "ratings-1-preference-01.svg") in written
    assert ratings_section(()).blocks == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "not a ratings.json of drawbench-eval ratings; it has no schema_version"),
        ('{"schema_version": 1}', "it has no name, form, questions"),
    ],
)
def test_what_is_no_ratings_json_is_refused(tmp_path, text: str, said: str) -> None:
    (tmp_path / "ratings.json").write_text(text)
    with pytest.raises(ValueError, match=said):
        read_ratings_document(tmp_path)


def test_another_version_is_refused(pairwise, tmp_path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({**pairwise.values, "schema_version": 2}))
    with pytest.raises(ValueError, match="schema_version 2; this version reads 1"):
        read_ratings_document(tmp_path / "x.json")
