import math

import numpy as np
import pytest
from scipy.stats import norm, t

from drawbench_eval.analysis.paired import prompt_draws
from drawbench_eval.analysis.resampled import resample, two_sided_p, widened
from drawbench_eval.stats.clustered import clustered_mean


def test_means_are_means_and_distances_move_by_their_influence(made):
    runs, scores, _ = made.make_sweep({"a": [(1, 0.5, 7.0), (2, 1.0, 9.0)]}, n=300)
    found = resample(runs, scores, ["score", "fd_scenes"], num_draws=4000)
    means = [scores[run.run_id]["score"].mean() for run in runs]
    assert found.observed["score"] == pytest.approx(means)
    assert found.observed["fd_scenes"].tolist() == [7.0, 9.0]
    spread = [scores[run.run_id]["fd_scenes"].std(ddof=0) / math.sqrt(300) for run in runs]
    assert found.draws["fd_scenes"].std(axis=0) == pytest.approx(spread, rel=0.05)
    assert found.draws["fd_scenes"].mean(axis=0) == pytest.approx([7.0, 9.0], abs=0.01)
    # Both runs are redrawn together: what they share cancels in the difference.
    difference = found.draws["score"][:, 1] - found.draws["score"][:, 0]
    assert difference.std() < 0.2 * found.draws["score"][:, 0].std()


def test_undefined_draws_leave_no_interval(made):
    runs, scores, _ = made.make_sweep({"a": [(1, 0.5, 7.0)]}, n=50)
    found = resample(runs, scores, ["score"], num_draws=100)
    draws = np.linspace(-1, 1, 100)
    assert found.effect(0.0, draws).ci95 == pytest.approx((-0.95, 0.95))
    draws[:6] = np.nan
    assert found.effect(0.0, draws).ci95 is None


def test_p_is_that_of_the_draws_and_agrees_with_the_interval():
    draws = norm.ppf((np.arange(20000) + 0.5) / 20000, loc=1.5)
    assert two_sided_p(draws, 50) == pytest.approx(2 * norm.cdf(-1.5), rel=0.01)
    assert two_sided_p(-draws, 50) == pytest.approx(2 * norm.cdf(-1.5), rel=0.01)
    edge = norm.ppf((np.arange(20000) + 0.5) / 20000, loc=norm.ppf(0.975))
    assert two_sided_p(edge + 0.01, 50) < 0.05 < two_sided_p(edge - 0.01, 50)


def test_far_out_p_is_that_of_t():
    far = norm.ppf((np.arange(2000) + 0.5) / 2000, loc=4.5)
    assert two_sided_p(far, 100) == pytest.approx(2 * t.sf(4.5, 99), rel=0.1)
    assert two_sided_p(far, 20) == pytest.approx(2 * t.sf(4.5, 19), rel=0.1)


def test_p_is_undefined_without_spread_or_draws_and_with_few_prompts():
    assert math.isnan(two_sided_p(np.zeros(100), 50))
    assert math.isnan(two_sided_p(np.full(100, np.nan), 50))
    draws = np.linspace(-1, 3, 100)
    assert math.isnan(two_sided_p(draws, 9))
    assert two_sided_p(draws, 10) < 1


@pytest.mark.parametrize("num_prompts", [2, 5, 40])
def test_widened_draws_have_the_spread_of_the_clustered_error(num_prompts):
    values = np.random.default_rng(0).normal(size=num_prompts)
    drawn = prompt_draws(num_prompts, 20000, seed=0) @ values / num_prompts
    error = clustered_mean(values, np.arange(num_prompts)).standard_error
    assert widened(values.mean(), drawn, num_prompts).std() == pytest.approx(error, rel=0.02)
    assert widened(1.0, np.array([1.0, 1.0]), 1).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("num_prompts", [10, 20])
def test_few_prompts_find_little_more_than_they_may(num_prompts):
    """4,000 differences of which none is there: p below 0.05 in 6.0 % of 20 prompts, 8.0 % of 10."""
    values = np.random.default_rng(1).normal(size=(4000, num_prompts))
    drawn = values @ (prompt_draws(num_prompts, 1000, seed=0) / num_prompts).T
    plain, mended = (
        np.mean([two_sided_p(draws, num_prompts) < 0.05 for draws in every])
        for every in (drawn, widened(values.mean(axis=1)[:, None], drawn, num_prompts))
    )
    assert mended < plain
    assert mended <= 0.08
