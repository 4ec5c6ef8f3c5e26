import math

import numpy as np
import pytest
from scipy.stats import norm

from drawbench_eval.analysis.resampled import resample, two_sided_p


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


def test_p_is_that_of_the_normal_law_and_agrees_with_the_interval():
    draws = norm.ppf((np.arange(20000) + 0.5) / 20000, loc=1.5)
    assert two_sided_p(draws) == pytest.approx(2 * norm.cdf(-1.5), rel=0.01)
    assert two_sided_p(-draws) == pytest.approx(2 * norm.cdf(-1.5), rel=0.01)
    edge = norm.ppf((np.arange(20000) + 0.5) / 20000, loc=norm.ppf(0.975))
    assert two_sided_p(edge + 0.01) < 0.05 < two_sided_p(edge - 0.01)
    far = norm.ppf((np.arange(2000) + 0.5) / 2000, loc=4.5)
    assert two_sided_p(far) == pytest.approx(2 * norm.cdf(-4.5), rel=0.1)


def test_p_is_undefined_without_spread_or_draws():
    assert math.isnan(two_sided_p(np.zeros(100)))
    assert math.isnan(two_sided_p(np.full(100, np.nan)))
