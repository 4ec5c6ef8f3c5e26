import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from drawbench_eval.analysis.compare_pairs import (
    detectable,
    influence_by_prompt,
    influence_difference,
    kind_of,
    mean_difference,
)
from drawbench_eval.stats.clustered import Estimate, clustered_mean


def frame(values: np.ndarray, *, column: str = "clip_score") -> pd.DataFrame:
    """Scores [prompts, images]."""
    prompts, images = values.shape
    return pd.DataFrame(
        {
            "sample_id": [f"p{p}-{i}" for p in range(prompts) for i in range(images)],
            "prompt_id": [f"p{p}" for p in range(prompts) for _ in range(images)],
            column: values.ravel(),
        }
    )


@pytest.fixture
def pair() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(3)
    prompts = rng.normal(size=(12, 1))
    return prompts + 0.1 * rng.normal(size=(12, 4)), prompts + 0.1 * rng.normal(size=(12, 4)) - 0.05


def test_the_difference_is_the_paired_t_test_of_prompt_means(pair: tuple[np.ndarray, np.ndarray]) -> None:
    a, b = pair
    # Rows in another order are the same samples.
    found = mean_difference(frame(a), frame(b).sample(frac=1.0, random_state=1), "clip_score").difference
    expected = stats.ttest_rel(a.mean(axis=1), b.mean(axis=1))
    low, high = expected.confidence_interval()
    assert found.value == pytest.approx(a.mean() - b.mean())
    assert found.p_value == pytest.approx(expected.pvalue)
    assert found.interval() == pytest.approx((low, high))
    # Far closer than two sets of unlike prompts would be.
    assert found.standard_error < 0.2 * clustered_mean(a.ravel(), np.repeat(np.arange(12), 4)).standard_error


def test_the_same_images_in_another_order_have_no_difference(pair: tuple[np.ndarray, np.ndarray]) -> None:
    """Sums in another order differ by rounding, which must not become an error and so a p."""
    a = 100 * pair[0]
    other = frame(a).sample(frac=1.0, random_state=1)
    one = mean_difference(frame(a), other, "clip_score").difference
    assert (one.value, one.standard_error) == (0.0, 0.0)
    influence = frame(a - a.mean(), column="fid"), frame(a - a.mean(), column="fid").iloc[::-1]
    set_ = influence_difference(*influence, "fid", value_a=31.0, value_b=31.0 + 4e-12).difference
    assert (set_.value, set_.standard_error) == (0.0, 0.0)
    assert math.isnan(one.p_value)
    assert math.isnan(set_.p_value)


def test_prompts_scored_on_one_side_only_are_left_out_and_counted(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    a, b = (values.copy() for values in pair)
    a[0], b[1], b[2, 0] = np.nan, np.nan, np.nan
    found = mean_difference(frame(a), frame(b), "clip_score")
    assert (found.num_only_a, found.num_only_b) == (1, 1)
    assert found.difference.num_clusters == 10
    expected = np.nanmean(a[2:], axis=1) - np.nanmean(b[2:], axis=1)
    assert found.difference.value == pytest.approx(expected.mean())


def test_a_set_metric_keeps_its_recorded_values_and_has_the_error_of_its_influences(
    pair: tuple[np.ndarray, np.ndarray],
) -> None:
    a, b = (values - values.mean() for values in pair)
    found = influence_difference(
        frame(a, column="fid"), frame(b, column="fid"), "fid", value_a=20.0, value_b=17.5
    ).difference
    assert found.value == 2.5
    expected = clustered_mean((a - b).ravel(), np.repeat(np.arange(12), 4))
    assert found.standard_error == pytest.approx(expected.standard_error)
    assert influence_by_prompt(frame(a, column="fid"), "fid")["p3"] == pytest.approx(a[3].sum() / a.size)


def test_only_influences_make_a_whole_set_metric() -> None:
    scores = pd.DataFrame({"fid": [1.0], "kid": [1.0], "clip_score": [1.0]})
    kinds = [kind_of(name, scores, scores) for name in ("fid", "kid", "clip_score", "recall")]
    assert kinds == ["whole set", "whole set", "per prompt", "no column"]


def test_the_detectable_difference_is_found_with_the_power_asked_for() -> None:
    estimate = Estimate(value=0.0, standard_error=0.02, n=80, num_clusters=20)
    true = detectable(estimate, alpha=0.05, power=0.8)
    draws = stats.nct(19, true / 0.02)
    critical = stats.t.ppf(0.975, 19)
    assert draws.sf(critical) == pytest.approx(0.8, abs=1e-6)
    assert detectable(estimate, alpha=0.01, power=0.8) > true
    alone = Estimate(value=1.0, standard_error=math.nan, n=4, num_clusters=1)
    assert math.isnan(detectable(alone, alpha=0.05, power=0.8))
