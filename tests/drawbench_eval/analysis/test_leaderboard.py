"""Comparisons of three synthetic runs: what Holm, shrinkage and fronts are given, and the sentences."""

import math
from dataclasses import replace

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from drawbench_eval.analysis.compare_pairs import detectable, mean_difference, prompt_means
from drawbench_eval.analysis.compare_words import category_leaders, sentences
from drawbench_eval.analysis.contestants import make_field, read_contestant
from drawbench_eval.analysis.leaderboard import NUM_COSTS, CompareChoices, make_leaderboard
from drawbench_eval.analysis.published_results import published_fid30k
from drawbench_eval.report.compare_tables import categories_table, differences_table, verdict
from drawbench_eval.stats.shrinkage import shrink_categories

# Far apart in distance; "plain" and "curbed" close in alignment, "strong" well above both.
SETS = {"plain": "none-w1-", "curbed": "dynamic-w1-", "strong": "dynamic-w4-"}


@pytest.fixture(scope="module")
def field(results):
    folders = {name: next((results / "runs").glob(f"{start}*")) for name, start in SETS.items()}
    return make_field([read_contestant(name, folder) for name, folder in folders.items()])


@pytest.fixture(scope="module")
def board(field):
    families = {"all": ["scenes_clip_score", "scenes_accuracy"]}
    return make_leaderboard(field, CompareChoices(families=families, order_by="scenes_clip_score"))


def differences_in(board, *metrics):
    return [one for one in board.differences if one.metric in metrics]


def test_a_family_is_corrected_together_and_a_metric_of_none_alone(board):
    together = differences_in(board, "scenes_clip_score", "scenes_accuracy")
    alone = differences_in(board, "fd_scenes")
    for family, size in ((together, 6), (alone, 3)):
        assert [one.family_size for one in family] == [size] * size
        _, expected, _, _ = multipletests([one.p_value for one in family], method="holm")
        assert [one.p_holm for one in family] == pytest.approx(list(expected))
    # The correction does something here.
    assert any(one.p_holm > one.p_value for one in together)


def test_better_is_what_the_corrected_p_says_in_the_metrics_own_direction(board):
    verdicts = {(one.metric, one.a, one.b): one.better for one in board.differences}
    assert verdicts["scenes_clip_score", "plain", "strong"] == "strong"
    assert verdicts["scenes_clip_score", "plain", "curbed"] is None
    for one in board.differences:
        assert (one.better is not None) == (one.p_holm <= 0.05)
        if one.better is not None:
            higher = board.field.metrics[one.metric].higher_is_better
            assert one.better == (one.a if (one.value > 0) == higher else one.b)


def test_detectable_is_at_the_familys_strictest_level(board, field):
    (one,) = [
        d for d in board.differences if (d.metric, d.a, d.b) == ("scenes_clip_score", "plain", "strong")
    ]
    scores = {contestant.name: contestant.scores for contestant in field.contestants}
    found = mean_difference(scores["plain"], scores["strong"], "scenes_clip_score").difference
    assert one.detectable == pytest.approx(detectable(found, alpha=0.05 / 6, power=0.8))


def test_a_baseline_stands_second_and_leaves_the_other_pairs_out(field):
    board = make_leaderboard(field, CompareChoices(baseline="plain"))
    pairs = {(one.a, one.b) for one in board.differences}
    assert pairs == {("curbed", "plain"), ("strong", "plain")}
    assert {one.family_size for one in board.differences} == {2}


def test_equivalence_only_where_a_margin_was_given(field):
    board = make_leaderboard(field, CompareChoices(equivalence={"scenes_clip_score": 0.05}))
    verdicts = {(one.metric, one.a, one.b): one.equivalent for one in board.differences}
    assert verdicts["scenes_clip_score", "plain", "curbed"] is True
    assert verdicts["scenes_clip_score", "plain", "strong"] is False
    assert verdicts["scenes_accuracy", "plain", "curbed"] is None


def test_equivalence_is_claimed_at_the_alpha_of_all_tests(field):
    """The two-sided 1 - 2 alpha interval decides: a margin between those of two alphas tells them apart."""
    scores = {one.name: one.scores for one in field.contestants}
    found = mean_difference(scores["plain"], scores["curbed"], "scenes_clip_score").difference
    ends = [max(map(abs, found.interval(1 - 2 * alpha))) for alpha in (0.05, 0.005)]
    margin = sum(ends) / 2
    verdicts = []
    for alpha in (0.05, 0.005):
        choices = CompareChoices(equivalence={"scenes_clip_score": margin}, alpha=alpha)
        board = make_leaderboard(field, choices)
        verdicts.append(differences_in(board, "scenes_clip_score")[0].equivalent)
    assert verdicts == [True, False]


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"families": {"x": 3}}, r"families.x: 3 is not a list; write x: \[METRIC"),
        ({"families": {"x": "fd_scenes"}}, "families.x: fd_scenes is not a list"),
        ({"families": {"x": {"fd_scenes": 1}}}, "families.x: .* is not a list"),
        ({"families": {"x": [["kid"]]}}, r"families.x: \['kid'\] is not the name of a metric"),
        ({"equivalence": {"fd_scenes": True}}, "equivalence.fd_scenes: True is not a margin above 0"),
        ({"equivalence": {"fd_scenes": "1"}}, "equivalence.fd_scenes: 1 is not a margin above 0"),
    ],
)
def test_choices_of_another_kind_are_refused_by_key(choices, said):
    with pytest.raises(ValueError, match=said):
        CompareChoices(**choices)


def test_order_is_by_the_metrics_own_direction(field, board):
    assert board.order[0] == "strong"
    by_distance = make_leaderboard(field, CompareChoices(order_by="fd_scenes"))
    values = [by_distance.contestant(name).entry("fd_scenes")["value"] for name in by_distance.order]
    assert values == sorted(values)


def test_categories_are_shrunken_means_of_prompt_means(board, field):
    means = prompt_means(board.contestant("strong").scores, "scenes_clip_score")
    labels = [field.categories[prompt_id] for prompt_id in means.index]
    expected = {cell.category: cell for cell in shrink_categories(means.to_numpy(), labels).categories}
    found = {
        cell.found.category: cell.found
        for cell in board.categories
        if (cell.name, cell.metric) == ("strong", "scenes_clip_score")
    }
    assert found.keys() == expected.keys()
    assert len(found) == 11
    for category, cell in found.items():
        own = means[np.array(labels) == category].mean()
        assert cell.mean == pytest.approx(own)
        assert cell.shrunken == pytest.approx(expected[category].shrunken)
    assert not any(cell.metric == "fd_scenes" for cell in board.categories)


def test_costs_are_the_prompts_that_add_most(board):
    for name in SETS:
        added = [one.added for one in board.costs if one.name == name]
        assert len(added) == NUM_COSTS
        assert added == sorted(added, reverse=True)
        scores = board.contestant(name).scores
        sums = scores.groupby("prompt_id")["fd_scenes"].sum() / len(scores)
        assert added[0] == pytest.approx(sums.max())


def test_the_front_holds_who_nobody_beats_in_both(board):
    values = {
        name: (board.contestant(name).entry("fd_scenes")["value"],
               board.contestant(name).entry("scenes_clip_score")["value"])
        for name in SETS
    }  # fmt: skip
    expected = {
        name
        for name, (x, y) in values.items()
        if not any(a <= x and b >= y and (a, b) != (x, y) for a, b in values.values())
    }
    assert set(board.fronts["fd_scenes", "scenes_clip_score"]) == expected


def test_sentences_say_who_leads_and_over_whom_that_is_significant(board):
    said = next(one for one in sentences(board) if "CLIP" in one or "cosine" in one)
    assert said.startswith("strong has the highest")
    assert "significantly better than" in said
    assert "not shown" not in said
    close = next(one for one in sentences(board) if one.startswith(board.order[0]) or "lowest" in one)
    assert close.endswith(".")


@pytest.fixture(scope="module")
def twins(results):
    """Two runs with equal scores, and one that is far better."""
    names = {"one": "dynamic-w1-", "two": "dynamic-w1-", "strong": "dynamic-w4-"}
    folders = {name: next((results / "runs").glob(f"{start}*")) for name, start in names.items()}
    one, two, strong = (read_contestant(name, folder) for name, folder in folders.items())
    return make_field([one, replace(two, run=replace(two.run, run_id="another")), strong])


def test_equal_sets_are_called_equal_and_neither_leads(twins):
    choices = CompareChoices(equivalence={"scenes_clip_score": 0.05}, order_by="scenes_clip_score")
    board = make_leaderboard(twins, choices)
    same = [one for one in board.differences if (one.a, one.b) == ("one", "two")]
    assert len(same) == len(twins.metrics)
    assert {verdict(one) for one in same} == {"equal"}
    assert all(math.isnan(one.p_holm) and one.better is None and one.equivalent is None for one in same)
    # The test that could not be made still counts, so the others are corrected as strictly as planned.
    other = differences_in(board, "scenes_clip_score")
    assert {one.family_size for one in other} == {3}
    assert [one.p_holm / one.p_value for one in other if one not in same] == pytest.approx([3, 3])
    table = differences_table(board)
    cells = [row[2] for row in table.rows if row[1].text == "one \u2212 two"]
    assert {(cell.text, cell.detail) for cell in cells} == {("0", "on every prompt")}
    pair = make_leaderboard(make_field(twins.contestants[:2]), choices)
    said = " ".join(sentences(pair))
    assert "one has the highest scenes CLIP score" in said
    assert "equal to two on every prompt." in said
    assert "p undefined" not in said
    assert "not shown" not in said
    assert "in 11 categories the mean is as good for two or more in 11 (" in said
    assert {row[-1].text for row in categories_table(pair, "scenes_clip_score").rows} == {"2 equal"}


def test_category_leaders_follow_the_plain_means(board):
    leaders = category_leaders(board, "scenes_clip_score")
    assert set(leaders.values()) == {("strong",)}


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        (CompareChoices(baseline="nobody"), "compare.baseline: nobody is not one of plain, curbed, strong"),
        (CompareChoices(order_by="fid"), "compare.order_by: fid is not a metric that all sets have"),
        (CompareChoices(families={"f": ["kid"]}), "compare.families.f: kid is not a metric that all sets"),
    ],
)
def test_what_is_not_there_is_named(field, choices, said):
    with pytest.raises(ValueError, match=said):
        make_leaderboard(field, choices)


def test_table_1_of_the_paper():
    rows = {row.model: row.fid_30k for row in published_fid30k()}
    assert rows["Imagen"] == 7.27
    assert rows["DALL-E 2"] == 10.39
    assert all(math.isfinite(value) for value in rows.values())
