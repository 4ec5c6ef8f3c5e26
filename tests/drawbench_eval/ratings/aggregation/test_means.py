"""Means of models, their differences, and who is on par with the reference."""

from dataclasses import replace

import numpy as np
import pytest
from simulated_ratings import pointwise_ratings

from drawbench_eval.ratings.aggregation import OnParSettings

SAME = {"ours": (0.8, 0.1, 0.1), "reference": (0.8, 0.1, 0.1)}
WORSE = {"theirs": (0.3, 0.3, 0.4), **SAME}


def test_means_and_differences(results_of) -> None:
    table = pointwise_ratings(WORSE)
    results = results_of(table, "alignment")
    by_model = {model: rows["value"].to_numpy() for model, rows in table.groupby("model")}
    found = {
        (row.model, row.average): row.value for row in results.rows
        if row.statistic == "mean" and row.category is None
    }  # fmt: skip
    for model, values in by_model.items():
        assert found[model, "micro"] == pytest.approx(values.mean())
        of_prompts = table[table["model"] == model].groupby("prompt_id")["value"].mean()
        assert found[model, "by prompt"] == pytest.approx(of_prompts.mean())
        of_categories = table[table["model"] == model].groupby("category")["value"].mean()
        assert found[model, "macro"] == pytest.approx(of_categories.mean())
    pairs = {
        row.pair: row for row in results.rows if row.statistic == "difference" and row.average == "micro"
    }
    assert set(pairs) == {("ours", "reference"), ("ours", "theirs"), ("reference", "theirs")}
    a, b = by_model["ours"], by_model["theirs"]
    row = pairs["ours", "theirs"]
    assert row.value == pytest.approx(a.mean() - b.mean())
    pooled = 1.959964 * np.sqrt(a.var(ddof=1) / len(a) + b.var(ddof=1) / len(b))
    assert row.ci95_pooled == pytest.approx((row.value - pooled, row.value + pooled))


def test_what_is_judged_alike_is_on_par_and_what_is_worse_is_not(results_of) -> None:
    # So much agreement that ten points are resolved.
    table = pointwise_ratings(WORSE, num_prompts=200, num_raters=20, each=8)
    results = results_of(table, "alignment")
    tests = {test.pair[0]: test for test in results.comparisons if test.test == "two one-sided"}
    assert set(tests) == {"ours", "theirs"}
    assert tests["ours"].is_significant
    assert not tests["theirs"].is_significant
    assert tests["ours"].margin == 5
    assert tests["ours"].family == "alignment, on par"
    (ours,) = [one for one in results.on_par if one.model == "ours"]
    assert ours.tests.p_value == tests["ours"].p_value


@pytest.mark.parametrize(
    ("changes", "count"),
    [({}, 2), ({"reference": None}, 0), ({"reference": "absent"}, 0), ({"alignment_margin": None}, 0)],
)
def test_without_reference_or_margin_nothing_is_tested(results_of, changes, count: int) -> None:
    settings = OnParSettings(reference="reference", alignment_margin=5, margins=None)
    results = results_of(pointwise_ratings(WORSE), "alignment", on_par=replace(settings, **changes))
    assert len(results.on_par) == count


def test_a_margin_of_its_own_for_other_kinds(results_of) -> None:
    table = pointwise_ratings(SAME, question="quality")
    assert results_of(table, "ordinal").on_par == []
    on_par = OnParSettings(reference="reference", alignment_margin=5, margins={"quality": 8})
    (one,) = results_of(table, "ordinal", on_par=on_par).on_par
    assert one.tests.margin == 8
