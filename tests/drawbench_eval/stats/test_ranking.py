"""Rankings: errors by prompts and raters, ranks that leave out what is shown, other orders of the rows."""

import math

import numpy as np
import pytest
import scipy.stats
from numpy.typing import NDArray

from drawbench_eval.stats.ranking import Ranking, rank_models
from drawbench_eval.stats.twoway import two_way_mean

Array = NDArray[np.float64]
MODELS = np.array(["m0", "m1", "m2", "m3"])


def judgements(
    theta: list[float],
    num_prompts: int,
    num_raters: int,
    *,
    nu: float = 0.6,
    noise: float = 0.0,
    seed: int = 0,
) -> tuple[Array, ...]:
    """Every pair of models for every prompt by every rater; prompts and raters favour models of their own."""
    rng = np.random.default_rng(seed)
    pair = np.array([(i, j) for i in range(len(theta)) for j in range(i)])
    prompt, rater, which = (
        axis.ravel()
        for axis in np.meshgrid(range(num_prompts), range(num_raters), range(len(pair)), indexing="ij")
    )
    a, b = pair[which].T
    by_prompt, by_rater = noise * rng.normal(size=(2, max(num_prompts, num_raters), len(theta)))
    strength = np.array(theta)
    gap = strength[a] - strength[b]
    gap = (gap + by_prompt[prompt, a] - by_prompt[prompt, b] + by_rater[rater, a] - by_rater[rater, b]) / 2
    u = rng.random(len(gap)) * (np.exp(gap) + np.exp(-gap) + nu)
    choice = np.where(u < np.exp(gap), 1, np.where(u < np.exp(gap) + nu, 0, -1))
    return MODELS[a], MODELS[b], choice, prompt, rater


def test_two_models_have_the_error_of_their_log_odds() -> None:
    a, b, choice, prompt, rater = judgements([0.4, -0.4], 40, 8, noise=0.5)
    found = rank_models(a, b, choice, prompt, rater)
    # The gap is the log odds of the decided judgements; its influence is that of their mean over p q.
    decided = choice != 0
    share = two_way_mean(choice[decided] < 0, prompt[decided], rater[decided]).estimate
    odds = share.value / (1 - share.value)
    assert found.strengths[0] == pytest.approx(math.log(odds) / 2, rel=1e-8)
    error = share.standard_error / (share.value * (1 - share.value)) / 2
    # The indifferent judgements have no influence, but count among the cells in G/(G-1).
    assert found.standard_error == pytest.approx([error, error], rel=1e-3)
    assert found.interval[0, 1] - found.strengths[0] == pytest.approx(2.36462425 * error, rel=1e-3)
    assert (found.num_prompts, found.num_raters) == (40, 8)


def test_noise_of_prompts_and_raters_widens() -> None:
    a, b, choice, prompt, rater = judgements([0.6, 0.2, -0.2, -0.6], 30, 6, noise=1.0)
    by_row = rank_models(a, b, choice, np.arange(len(a)))
    by_prompt = rank_models(a, b, choice, prompt)
    by_both = rank_models(a, b, choice, prompt, rater)
    assert (by_row.strengths == by_both.strengths).all()
    assert (by_prompt.standard_error > 1.3 * by_row.standard_error).all()
    assert (by_both.standard_error > 1.1 * by_prompt.standard_error).all()
    assert by_prompt.num_raters is None
    a, b, choice, prompt, _ = judgements([0.6, 0.2, -0.2, -0.6], 30, 6)
    calm, calm_by_row = rank_models(a, b, choice, prompt), rank_models(a, b, choice, np.arange(len(a)))
    assert calm.standard_error / calm_by_row.standard_error == pytest.approx(np.ones(4), abs=0.35)


def test_ranks_leave_out_what_is_shown() -> None:
    found = rank_models(*judgements([1.5, 0.02, 0.0, -1.5], 60, 12))
    assert found.models == ("m0", "m1", "m2", "m3")
    assert found.rank[[0, 3]].tolist() == [1, 4]
    assert found.rank_interval.tolist() == [[1, 1], [2, 3], [2, 3], [4, 4]]
    assert found.p_values[0, 3] < 1e-6
    assert found.p_values[1, 2] > 0.05
    assert (found.p_values == found.p_values.T)[~np.eye(4, dtype=bool)].all()
    assert (found.win > found.win.T)[np.triu_indices(4, 1)][[0, 1, 2, 4, 5]].all()
    assert found.win + found.win.T + found.tie == pytest.approx(1 - np.eye(4), abs=1e-12)
    assert found.num_judgements.tolist() == [60 * 12 * 3] * 4


def test_p_values_are_adjusted_over_all_pairs() -> None:
    found = rank_models(*judgements([0.3, 0.1, -0.1, -0.3], 30, 12, noise=0.3))
    p = found.p_values[np.triu_indices(4, 1)]
    narrow = rank_models(*judgements([0.3, -0.3], 30, 12, noise=0.3))
    assert len(p) == 6
    assert sorted(p)[-1] <= 1
    assert found.rank_interval[:, 0].tolist() <= found.rank.tolist() <= found.rank_interval[:, 1].tolist()
    gap = narrow.strengths[0] - narrow.strengths[1]
    # With two models there is one pair, and p is that of the gap by itself.
    alone = 2 * scipy.stats.t.sf(abs(gap) / (2 * narrow.standard_error[0]), 11)
    assert narrow.p_values[0, 1] == pytest.approx(alone, rel=1e-6)


def same(one: Ranking, other: Ranking) -> None:
    assert one.models == other.models
    assert one.strengths == pytest.approx(other.strengths, abs=1e-8)
    assert one.interval == pytest.approx(other.interval, abs=1e-7)
    assert one.half_win == pytest.approx(other.half_win, abs=1e-8)
    assert one.nu == pytest.approx(other.nu, rel=1e-7)


def test_neither_order_nor_sides_matter() -> None:
    a, b, choice, prompt, rater = judgements([0.5, 0.1, -0.6], 20, 6)
    one = rank_models(a, b, choice, prompt, rater)
    order = np.random.default_rng(0).permutation(len(a))
    same(one, rank_models(a[order], b[order], choice[order], prompt[order], rater[order]))
    swapped = np.random.default_rng(1).random(len(a)) < 0.5
    same(
        one,
        rank_models(
            np.where(swapped, b, a),
            np.where(swapped, a, b),
            np.where(swapped, -choice, choice),
            prompt,
            rater,
        ),
    )


def test_one_prompt_has_strengths_and_no_intervals() -> None:
    a, b, choice, prompt, _ = judgements([0.5, 0.0, -0.5], 1, 60)
    found = rank_models(a, b, choice, prompt)
    assert np.isfinite(found.strengths).all()
    assert np.isnan(found.interval).all()
    assert np.isnan(found.p_values).all()
    assert found.rank_interval.tolist() == [[1, 3]] * 3


def test_answers_alike_on_every_prompt_are_no_error_to_test_by() -> None:
    """Four prompts, each answered a, a, b: a leads by log 2, and no prompt says how sure that is."""
    prompts, choices = np.repeat(np.arange(4), 3), np.tile([1, 1, -1], 4)
    found = rank_models(["x"] * 12, ["y"] * 12, choices, prompts)
    assert found.strengths == pytest.approx([math.log(2) / 2, -math.log(2) / 2])
    assert found.standard_error.tolist() == [0, 0]
    assert np.isnan(found.interval).all()
    assert np.isnan(found.p_values).all()
    assert found.rank.tolist() == [1, 2]
    assert found.rank_interval.tolist() == [[1, 2], [1, 2]]


def test_a_gap_without_error_counts_in_the_family_of_the_others() -> None:
    """x against y is alike on every prompt and cannot be tested; z's pairs can, and stay three to Holm."""
    rng = np.random.default_rng(0)
    a, b, choice, prompt = [], [], [], []
    for index in range(40):
        a += ["x", "x", "y", "y"]
        b += ["y", "y", "x", "x"]
        choice += [1, -1, 1, -1]
        # z meets both with one answer, so that what it adds to the errors of x and y is the same.
        won = 1 if rng.random() < 0.9 else -1
        a += ["x", "y"]
        b += ["z", "z"]
        choice += [won, won]
        prompt += [index] * 6
    found = rank_models(a, b, choice, prompt)
    assert math.isnan(found.p_values[0, 1])
    gap = found.strengths[0] - found.strengths[2]
    # x and y have half of z's error each, against it, so the gap's error is 1.5 times that of z.
    alone = 2 * scipy.stats.t.sf(gap / (1.5 * found.standard_error[2]), 39)
    assert found.p_values[0, 2] == pytest.approx(3 * alone, rel=1e-6)
    assert found.rank_interval.tolist() == [[1, 2], [1, 2], [3, 3]]


def test_without_ties_both_views_are_one() -> None:
    a, b, choice, prompt, rater = judgements([0.5, 0.0, -0.5], 20, 6, nu=0.0)
    found = rank_models(a, b, choice, prompt, rater)
    assert found.nu == 0.0
    assert found.half_win == pytest.approx(found.strengths, abs=1e-9)
    assert not found.tie.any()


def test_what_cannot_be_ranked_is_said() -> None:
    with pytest.raises(ValueError, match="u, v were never compared with x, y"):
        rank_models(["x", "y", "u", "v"], ["y", "x", "v", "u"], [1, 1, 1, 1], [0, 1, 2, 3])
    with pytest.raises(ValueError, match="x never lost to nor tied with y"):
        rank_models(["x", "x"], ["y", "y"], [1, 1], [0, 1])
    with pytest.raises(ValueError, match="prompts: shape"):
        rank_models(["x", "y"], ["y", "x"], [1, 1], [0])
