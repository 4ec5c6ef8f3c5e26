import numpy as np
import pandas as pd
import pytest

from drawbench_eval.analysis.breakdown import by_category, by_kind, telling_runs
from drawbench_eval.analysis.collect import read_runs
from drawbench_eval.analysis.curves import make_curves


def table():
    return pd.DataFrame(
        {
            "category": ["x", "x", "y", "y"],
            "score": [1.0, 0.0, 1.0, np.nan],
            "score.color": [1.0, 0.0, np.nan, np.nan],
            "score.unreadable": [0.0, 1.0, 0.0, 0.0],
        }
    )


def test_by_category_leaves_unscored_out_and_ends_with_all():
    found = by_category({"a": table()}, ["a"], "score")
    assert found.groups == ("x", "y", "all")
    np.testing.assert_allclose(found.values[:, 0], [0.5, 1.0, 2 / 3])
    np.testing.assert_array_equal(found.n[:, 0], [2, 1, 3])


def test_by_kind_counts_the_captions_that_claim_it_and_turns_unreadable_round():
    found = by_kind({"a": table(), "b": table().drop(columns="score.color")}, ["a", "b"], "score")
    assert found.groups == ("color", "readable")
    np.testing.assert_allclose(found.values, [[0.5, np.nan], [0.75, 0.75]])
    np.testing.assert_array_equal(found.n, [[2, 0], [4, 4]])


def test_telling_runs_are_the_ends_and_the_extremes(results):
    curve = make_curves(read_runs(results))[1]
    told = telling_runs(curve, "scenes_clip_score", "fd_scenes")
    assert [run.factors["model.guidance_weight"] for run in told] == [1, 1.5, 4, 8]


@pytest.mark.parametrize("distance", [None, "fd_scenes"])
def test_telling_runs_of_a_single_point(results, distance):
    curve = make_curves(read_runs(results))[2]
    one = type(curve)(name="x", mode="", context="", runs=curve.runs[:1], weights=curve.weights[:1])
    assert telling_runs(one, "scenes_clip_score", distance) == curve.runs[:1]
