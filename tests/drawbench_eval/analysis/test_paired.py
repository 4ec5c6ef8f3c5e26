import numpy as np
import pandas as pd
import pytest

from drawbench_eval.analysis.collect import Run
from drawbench_eval.analysis.paired import make_panel, percentile_interval, prompt_draws, read_scores
from drawbench_eval.stats.clustered import paired_difference


def frame(values, prompts, seeds=None):
    return pd.DataFrame(
        {
            "sample_id": [f"{prompt}-{index}" for index, prompt in enumerate(prompts)],
            "prompt_id": prompts,
            "category": "c",
            "seed": seeds or list(range(len(prompts))),
            "score": values,
        }
    )


def test_panel_joins_by_sample_whatever_the_order_and_drops_what_one_lacks():
    a = frame([1.0, 2.0, 3.0, np.nan], ["p", "p", "q", "q"])
    b = frame([10.0, 20.0, 30.0, 40.0], ["p", "p", "q", "q"]).iloc[::-1].iloc[:3]
    panel = make_panel({"a": a, "b": b}, ["a", "b"], ["score"])
    assert panel.prompt_ids == ("p", "q")
    np.testing.assert_array_equal(panel.values, [[2.0, 20.0], [3.0, 30.0]])


def test_mean_is_the_paired_difference_clustered_by_prompt():
    rng = np.random.default_rng(0)
    prompts = [f"p{index // 3}" for index in range(30)]
    a, b = frame(rng.normal(size=30), prompts), frame(rng.normal(size=30), prompts)
    panel = make_panel({"a": a, "b": b}, ["a", "b"], ["score"])
    effect = panel.mean(panel.values[:, 0] - panel.values[:, 1])
    keys = list(zip(prompts, range(30), strict=True))
    expected = paired_difference(a["score"], keys, b["score"], keys).difference
    assert effect.value == pytest.approx(expected.value)
    assert effect.ci95 == pytest.approx(expected.interval())
    assert (effect.n, effect.num_prompts) == (30, 10)


def test_one_prompt_has_no_interval():
    panel = make_panel({"a": frame([1.0, 2.0], ["p", "p"])}, ["a"], ["score"])
    assert panel.mean(panel.values[:, 0]).ci95 is None


def test_draws_with_every_prompt_once_give_the_means():
    panel = make_panel({"a": frame([1.0, 2.0, 6.0], ["p", "p", "q"])}, ["a"], ["score"])
    np.testing.assert_allclose(
        panel.draw_means(np.array([[1.0, 1.0], [2.0, 0.0], [0.0, 3.0]]))[:, 0], [3, 1.5, 6]
    )
    draws = prompt_draws(7, 50, seed=0)
    assert draws.shape == (50, 7)
    np.testing.assert_array_equal(draws.sum(axis=1), 7)
    np.testing.assert_array_equal(draws, prompt_draws(7, 50, seed=0))


def test_bootstrap_spread_is_that_of_the_mean():
    rng = np.random.default_rng(3)
    values = rng.normal(size=200)
    panel = make_panel({"a": frame(values, [f"p{index:03d}" for index in range(200)])}, ["a"], ["score"])
    low, high = percentile_interval(panel.draw_means(prompt_draws(200, 4000, seed=1))[:, 0])
    assert (high - low) / 2 == pytest.approx(1.96 * values.std(ddof=1) / np.sqrt(200), rel=0.06)


def test_what_cannot_be_paired_is_named():
    a, b = frame([1.0], ["p"]), frame([1.0], ["p"]).assign(prompt_id="other")
    with pytest.raises(ValueError, match="run b: its samples belong to other prompts"):
        make_panel({"a": a, "b": b}, ["a", "b"], ["score"])
    with pytest.raises(ValueError, match="lacks the column nothing"):
        make_panel({"a": a}, ["a"], ["nothing"])
    with pytest.raises(ValueError, match="no sample that all of them scored"):
        make_panel({"a": frame([np.nan], ["p"])}, ["a"], ["score"])


def test_scores_file_is_checked(tmp_path):
    run = Run(run_id="0123456789", label="x", status="complete", folder=tmp_path, record=None)
    with pytest.raises(ValueError, match=r"scores\.parquet: cannot be read"):
        read_scores(run)
    frame([1.0], ["p"]).drop(columns="seed").to_parquet(tmp_path / "scores.parquet")
    with pytest.raises(ValueError, match="lacks the column seed"):
        read_scores(run)
    pd.concat([frame([1.0], ["p"])] * 2).to_parquet(tmp_path / "scores.parquet")
    with pytest.raises(ValueError, match="'p-0' stands there twice"):
        read_scores(run)
