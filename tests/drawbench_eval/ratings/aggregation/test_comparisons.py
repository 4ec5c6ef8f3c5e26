"""Holm within declared families; categories by sign flips, and those that have no chance."""

import numpy as np
import pytest
from simulated_ratings import pairwise_ratings
from statsmodels.stats.multitest import multipletests

SIZES = {"seven": 7, "many": 30}
STRENGTHS = {"m": 1.5, "k": 0.0, "l": -0.2}


def ratings(questions=("alignment", "fidelity")):
    return pairwise_ratings(
        sizes=SIZES, strengths=STRENGTHS, questions=questions, num_raters=10, num_careless=0, num_controls=0
    )


def test_each_question_is_a_family_and_its_categories_another(results_of) -> None:
    tests = results_of(ratings()).comparisons
    families = {test.family for test in tests}
    assert families == {
        "alignment", "fidelity", "alignment, by category", "fidelity, by category",
    }  # fmt: skip
    for family in families:
        own = [test for test in tests if test.family == family]
        assert len(own) == (3 if "category" not in str(family) else 6)
        expected = multipletests([test.p_value for test in own], method="holm")[1]
        assert [test.p_holm for test in own] == pytest.approx(expected)
        assert [test.is_significant for test in own] == list(expected <= 0.05)


def test_declared_families_and_what_is_exploratory(results_of) -> None:
    together = results_of(ratings(), families={"main": ["alignment", "fidelity"]}).comparisons
    assert sum(test.family == "main" for test in together) == 6
    alone = results_of(ratings(), families={"main": ["fidelity"]}).comparisons
    exploratory = [test for test in alone if test.question == "alignment"]
    assert {test.family for test in exploratory} == {None}
    assert all(np.isnan(test.p_holm) for test in exploratory)
    with pytest.raises(ValueError, match="families: quality is none of the questions in these ratings"):
        results_of(ratings(), families={"main": ["quality"]})


def test_seven_prompts_cannot_be_significant_in_six_tests(results_of) -> None:
    together = results_of(ratings(), families={"main": ["alignment", "fidelity"]}).comparisons
    tests = [test for test in together if test.category is not None]
    assert {test.test for test in tests} == {"sign flip"}
    for test in tests:
        # 2^(1-7) = 0.0156 six times is 0.094; three times, as by question alone, 0.047.
        assert test.smallest_p == (2**-6 if test.category == "seven" else pytest.approx(1 / 20_001))
    seven = [test for test in tests if test.category == "seven"]
    assert len(seven) == 6
    assert not any(test.can_be_significant for test in seven)
    assert all(test.can_be_significant for test in tests if test.category == "many")
    assert any(test.is_significant for test in tests)
    assert all(test.can_be_significant for test in results_of(ratings()).comparisons)


def test_the_estimate_is_the_difference_of_shares(results_of) -> None:
    results = results_of(ratings())
    test = results.comparisons[0]
    shares = {
        row.statistic: row.value
        for row in results.rows
        if (row.question, row.pair, row.category, row.average) == (test.question, test.pair, None, "micro")
    }
    assert test.estimate == pytest.approx(shares["share_a"] - shares["share_b"])
    assert (test.clustered_by, test.num_prompts) == ("prompts and raters", 37)


def test_what_all_agree_on_has_no_interval_and_no_p(results_of) -> None:
    table = ratings(("alignment",)).assign(choice="a", category=None)
    for test in results_of(table).comparisons:
        assert abs(test.estimate) == pytest.approx(1.0)
        assert (test.ci, test.is_significant) == (None, False)
        assert np.isnan(test.p_value)
    # Two raters leave one degree of freedom: an interval wider than any difference is cut.
    few = ratings(("alignment",))
    test = results_of(few[few["rater_id"].isin(["rater-00", "rater-01"])].assign(category=None)).comparisons[
        0
    ]
    assert test.ci is not None
    assert -1 <= test.ci[0] < test.ci[1] <= 1


def test_where_nothing_is_known_each_judgement_stands_for_itself(results_of) -> None:
    table = ratings(("alignment",)).assign(prompt_id=None, rater_id=None, category=None)
    results = results_of(table)
    assert {test.clustered_by for test in results.comparisons} == {"judgements"}
    assert {ranking.clustered_by for ranking in results.rankings} == {"judgements"}
    assert [one.what for one in results.not_offered] == ["agreement"]
