"""The figures of ratings.json: which there are, what stands in them, the same bytes each time."""

import io
import json
import re
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from simulated_ratings import pairwise_ratings, pointwise_ratings

from drawbench_eval.ratings import COCO_STYLE, DRAWBENCH_STYLE, Question, filter_raters, rater_quality
from drawbench_eval.ratings.aggregation import (
    OnParSettings,
    ResultSettings,
    plain,
    rating_results,
    results_json,
)
from drawbench_eval.report.exports import to_pngs
from drawbench_eval.report.ratings_bars import preference_bars
from drawbench_eval.report.ratings_figures import ratings_figures, write_figures
from drawbench_eval.report.ratings_wins import win_matrix
from drawbench_eval.report.style import figure_style

SETTINGS = ResultSettings(
    clusters=("prompts", "raters"),
    first="m<b>$x_1$",
    on_par=OnParSettings(reference="reference", alignment_margin=5, margins=None),
    families=None,
    alpha=0.05,
    seed=0,
    num_draws=100,
)
# A name that markup or a formula would swallow.
STRENGTHS = {"m<b>$x_1$": 0.8, "k": 0.0, "l": -0.4}


def document(table, kind, rules, **changes):
    question = Question(name=None, written=None, kind=kind, levels=None, words=(), reference=None)
    filtered = filter_raters(table, rules)
    questions = dict.fromkeys(table["question"].unique(), question)
    settings = replace(SETTINGS, **changes)
    results = rating_results(filtered, questions, settings)
    quality = rater_quality(table).reset_index().to_dict("records")
    made = {
        "questions": plain(questions),
        "raters": {
            "num": table["rater_id"].nunique(), "rules": plain(rules),
            "quality": [{key: plain(value) for key, value in row.items()} for row in quality],
            "dropped": filtered.dropped.to_dict("records"),
        },
        **results_json(results, settings),
    }  # fmt: skip
    # As it is read from the file.
    return json.loads(json.dumps(made, default=lambda value: value.item()))


@pytest.fixture(scope="module")
def pairwise():
    table = pairwise_ratings(sizes={"x": 3, "y": 4}, strengths=STRENGTHS, num_raters=8, each=4)
    return document(table, "pairwise", COCO_STYLE)


def test_which_figures_there_are(pairwise, tmp_path) -> None:
    figures = ratings_figures(pairwise)
    assert [figure.name for figure in figures] == [
        *("preference-01", "preference-02", "preference-03", "forest-01", "forest-02"),
        *(f"categories-{number:02d}" for number in range(1, 7)),
        *("wins-01", "wins-02", "raters"),
    ]
    assert figures[0].caption.startswith("k against l: shares of judgements")
    (tmp_path / "wins-09.svg").write_text("old")
    write_figures(tmp_path, figures)
    assert {path.name for path in tmp_path.iterdir()} == {
        f"{figure.name}.{suffix}" for figure in figures for suffix in ("svg", "png")
    }
    for figure in figures:
        assert figure.svg.startswith("<?xml")
        with Image.open(tmp_path / f"{figure.name}.png") as image:
            assert image.width == round(200 * figure.width)
            assert_whole(image)


def assert_whole(image: Image.Image) -> None:
    """Something is there, and nothing is cut off at the border."""
    pixels = np.asarray(image.convert("L"))
    assert pixels.min() < 60
    assert (pixels[[0, -1]] == 255).all()
    assert (pixels[:, [0, -1]] == 255).all()


def test_long_names_are_not_cut_off(pairwise) -> None:
    text = json.dumps(pairwise)
    for name in STRENGTHS:
        text = text.replace(json.dumps(name), json.dumps(f"{name}, trained for many weeks on many images"))
    text = text.replace('"x"', '"a category whose name is long"')
    for png in to_pngs(ratings_figures(json.loads(text), of_a_kind=1)):
        assert_whole(Image.open(io.BytesIO(png)))


def test_a_forest_of_many_pairs_fits_on_a_page_and_says_what_it_leaves_out(pairwise) -> None:
    row = next(row for row in pairwise["results"] if row["convention"] == "split" and not row["category"])
    many = [
        {**row, "pair": [f"the first of many models, number {i}", f"the second of them, number {i}"]}
        for i in range(40)
    ]
    (figure,) = (
        one for one in ratings_figures({**pairwise, "results": many}) if one.name.startswith("forest-")
    )
    assert figure.caption.endswith("The first 30 of 40.")
    height = float(re.search(r'height="([\d.]+)pt"', figure.svg)[1]) / 72
    assert 7 < height < 9
    assert not any("The first" in one.caption for one in ratings_figures(pairwise))


def test_the_same_bytes_each_time(pairwise) -> None:
    first, second = ratings_figures(pairwise), ratings_figures(pairwise)
    assert [one.svg for one in first] == [one.svg for one in second]
    assert to_pngs(first) == to_pngs(second)


def test_bars_show_the_shares_of_each_category_and_the_intervals(pairwise) -> None:
    rows = [
        row for row in pairwise["results"]
        if row["raters"] == "kept" and row["pair"] == ["m<b>$x_1$", "k"]
    ]  # fmt: skip
    figure = preference_bars(rows, ("m<b>$x_1$", "k"))
    ax = figure.axes[0]
    labels = [text.get_text() for text in ax.get_yticklabels()]
    assert labels == ["all prompts", "mean of categories", "x (3)", "y (4)"]
    widths = np.array([patch.get_width() for patch in ax.patches]).reshape(3, 4)
    assert widths.sum(axis=0) == pytest.approx(np.full(4, 100))
    shares = {
        row["category"]: row["value"] for row in rows
        if row["question"] == "alignment" and row["statistic"] == "share_a" and row["average"] == "micro"
    }  # fmt: skip
    assert widths[0, [0, 2, 3]] == pytest.approx([100 * shares[None], 100 * shares["x"], 100 * shares["y"]])
    (row,) = [
        row for row in rows
        if row["question"] == "alignment" and row["statistic"] == "share_b" and row["category"] == "y"
    ]  # fmt: skip
    low, high = row["ci95_clustered"]
    arms = [line.get_xdata() for line in ax.lines]
    assert any(np.allclose(arm, [100 - 100 * low, 100 - 100 * high]) for arm in arms)


def test_the_matrix_has_a_number_for_each_two_models(pairwise) -> None:
    ranking = pairwise["rankings"][0]
    texts = [text.get_text() for text in win_matrix(ranking).axes[0].texts]
    assert len(texts) == 6
    assert texts[0] == f"{100 * ranking['win'][0][1]:.0f}"


def test_pointwise_questions_have_a_forest_from_the_best_down() -> None:
    table = pointwise_ratings({"bad": (0.1, 0.2, 0.7), "good": (0.8, 0.1, 0.1)}, num_prompts=8)
    figures = ratings_figures(document(table, "alignment", DRAWBENCH_STYLE, first=None))
    assert [figure.name for figure in figures] == ["forest-01", "raters"]


def test_names_are_text_and_not_formulas(pairwise) -> None:
    with figure_style("x"):
        figure = win_matrix(pairwise["rankings"][0])
        names = [text.get_text() for text in figure.axes[0].get_xticklabels()]
        assert "m<b>$x_1$" in names
        assert not any(text.get_parse_math() for text in figure.axes[0].get_xticklabels())
