"""With and without the raters that rules leave out; rankings and agreement; what cannot be had."""

import json
from dataclasses import replace

import pandas as pd
import pytest
from simulated_ratings import pairwise_ratings, pointwise_ratings

from drawbench_eval.ratings import COCO_STYLE, DRAWBENCH_STYLE
from drawbench_eval.ratings.aggregation import plain
from drawbench_eval.stats.ranking import rank_models

SIZES = {"x": 4, "y": 5}
STRENGTHS = {"m": 0.8, "k": 0.0, "l": -0.5}


def ratings(**changes):
    return pairwise_ratings(**{"sizes": SIZES, "strengths": STRENGTHS, "num_raters": 8, **changes})


def test_results_with_and_without_the_filter(results_of) -> None:
    table = ratings()
    results = results_of(table, rules=COCO_STYLE)
    careful = table[~table["rater_id"].isin(["rater-06", "rater-07"])]
    alone = results_of(careful)
    kept = [replace(row, raters="all") for row in results.rows if row.raters == "kept"]
    assert kept == alone.rows
    everybody = results_of(table)
    assert [row for row in results.rows if row.raters == "all"] == everybody.rows
    assert {row.raters for row in everybody.rows} == {"all"}
    for entries in (results.comparisons, results.agreement, results.rankings, results.categories):
        assert {entry.raters for entry in entries} == {"all", "kept"}


def test_when_nobody_is_left(results_of) -> None:
    with pytest.raises(ValueError, match="quality: the rules leave out all 8 raters"):
        results_of(ratings(), rules=replace(DRAWBENCH_STYLE, min_agreement=1.0))


def test_rankings_are_those_of_all_pairs_together(results_of) -> None:
    table = ratings(questions=("alignment",))
    (found,) = results_of(table).rankings
    judged = table[~table["is_control"]]
    expected = rank_models(
        judged["model_a"], judged["model_b"], judged["choice"].map({"a": 1, "indifferent": 0, "b": -1}),
        judged["prompt_id"], judged["rater_id"],
    )  # fmt: skip
    assert found.models[0].model == "m"
    by_name = dict(zip(expected.models, expected.strengths, strict=True))
    for model in found.models:
        assert model.strength == pytest.approx(by_name[model.model])
    order = [expected.models.index(model.model) for model in found.models]
    assert found.win[0][1] == pytest.approx(expected.win[order[0], order[1]])


def test_a_graph_in_two_parts_has_no_ranking_and_says_so(results_of) -> None:
    table = ratings(strengths={"m": 0.3, "k": 0, "l": 0, "o": 0}, pairs=[("m", "k"), ("l", "o")])
    results = results_of(table)
    assert results.rankings == []
    reasons = {one.reason for one in results.not_offered if one.what == "ranking"}
    assert reasons == {"comparisons: k, m were never compared with l, o; a ranking takes one connected graph"}


def test_agreement_of_everything_and_of_each_pair(results_of) -> None:
    found = results_of(ratings(questions=("alignment",))).agreement
    assert [one.pair for one in found] == [None, ("k", "l"), ("k", "m"), ("l", "m")]
    assert found[0].nominal.num_units == 27
    assert found[0].raw.value > found[0].nominal.value


def test_nobody_agrees_with_himself(results_of) -> None:
    """Answers that raters gave a second time, at random or the same, change no measure and are counted."""
    table = ratings(questions=("alignment",), num_controls=0)
    twice = pd.concat([table, table, table.sample(frac=0.5, random_state=0).assign(choice="a")])
    once, again = results_of(table).agreement, results_of(twice.reset_index(drop=True)).agreement
    assert [replace(one, num_repeats=0) for one in again] == once
    assert {one.num_repeats for one in once} == {0}
    assert again[0].num_repeats == len(twice) - len(table)
    assert sum(one.num_repeats for one in again[1:]) == again[0].num_repeats
    # With one rater but for one unit, that unit alone says anything.
    alone = pointwise_ratings({"m": (0.5, 0.2, 0.3)}, num_prompts=5).assign(rater_id="only")
    alone = pd.concat([alone, alone.iloc[[0]].assign(rater_id="other")], ignore_index=True)
    (found,) = results_of(alone, "alignment").agreement
    assert (found.raw.num_units, found.raw.num_ratings) == (1, 2)


def test_one_rater_and_unknown_raters_do_not_agree(results_of) -> None:
    table = pointwise_ratings({"m": (0.5, 0.2, 0.3)})
    alone = results_of(table.assign(rater_id="only"), "alignment")
    nobody = results_of(table.assign(rater_id=None), "alignment")
    assert [one.reason for one in (*alone.not_offered, *nobody.not_offered)] == [
        "there is one rater",
        "some rows have no rater_id",
    ]


def test_a_prompt_in_two_categories_and_an_unknown_first_model(results_of) -> None:
    table = ratings()
    table.loc[0, "category"] = "y"
    with pytest.raises(ValueError, match="prompt 'x-00': its category is 'y' in one row and 'x' in another"):
        results_of(table)
    with pytest.raises(ValueError, match="first: nobody is none of the models k, l, m"):
        results_of(ratings(num_controls=0), first="nobody")


def test_plain_values_are_json(results_of) -> None:
    results = results_of(ratings(questions=("alignment",)))
    text = json.dumps(plain(results), allow_nan=False)
    assert json.loads(text)["rows"][0]["pair"] == ["k", "l"]
    assert plain((float("nan"), 1.0)) is None
    assert plain([float("nan"), 1.0]) == [None, 1.0]
