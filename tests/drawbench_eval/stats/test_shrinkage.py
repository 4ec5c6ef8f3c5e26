"""Shrunken means against statsmodels' mixed model, and at both ends of shrinking."""

import numpy as np
import pytest
import statsmodels.api as sm

from drawbench_eval.stats.shrinkage import shrink_categories


def unequal(seed: int, between: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    category = np.repeat(np.arange(11), [25, 10, 19, 20, 20, 10, 10, 20, 7, 38, 21])
    return 0.2 + between * rng.normal(size=11)[category] + 0.4 * rng.normal(size=200), category


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_estimates_are_those_of_a_mixed_model(seed: int) -> None:
    values, category = unequal(seed, 0.3)
    fit = sm.MixedLM(values, np.ones((200, 1)), groups=category).fit(reml=True, method="bfgs")
    found = shrink_categories(values, [f"c{index:02d}" for index in category])
    assert found.mean == pytest.approx(fit.fe_params[0], abs=1e-5)
    assert found.between**2 == pytest.approx(float(np.ravel(fit.cov_re)[0]), rel=1e-3)
    assert found.within**2 == pytest.approx(fit.scale, rel=1e-4)
    shrunken = [fit.fe_params[0] + float(fit.random_effects[k].iloc[0]) for k in range(11)]
    assert [c.shrunken for c in found.categories] == pytest.approx(shrunken, abs=1e-5)
    assert [c.category for c in found.categories] == [f"c{k:02d}" for k in range(11)]
    assert [c.num_prompts for c in found.categories][-3:] == [7, 38, 21]


def test_errors_are_the_mixed_model_equations() -> None:
    """The inverse of Henderson's mixed-model equations gives the prediction errors."""
    values, category = unequal(5, 0.3)
    found = shrink_categories(values, category)
    design = np.column_stack([np.ones(200), np.eye(11)[category]])
    equations = design.T @ design / found.within**2
    equations[1:, 1:] += np.eye(11) / found.between**2
    inverse = np.linalg.inv(equations)
    contrasts = np.column_stack([np.ones(11), np.eye(11)])
    expected = np.sqrt(np.einsum("kq,qr,kr->k", contrasts, inverse, contrasts))
    assert [c.standard_error for c in found.categories] == pytest.approx(expected, rel=1e-6)
    low, high = found.categories[8].interval
    assert (low + high) / 2 == pytest.approx(found.categories[8].shrunken)
    assert high - low == pytest.approx(2 * 1.9725 * expected[8], rel=1e-4)


def test_small_categories_are_drawn_further() -> None:
    values, category = unequal(0, 0.3)
    found = shrink_categories(values, category)
    kept = [(c.shrunken - found.mean) / (c.mean - found.mean) for c in found.categories]
    assert all(0 < share < 1 for share in kept)
    assert np.argmin(kept) == 8
    assert np.argmax(kept) == 9


def test_equal_categories_are_one_and_unlike_ones_are_left() -> None:
    values = np.tile([1.0, -1.0], 20)
    same = shrink_categories(values, np.repeat(np.arange(4), 10))
    assert same.between == 0.0
    assert {c.shrunken for c in same.categories} == {same.mean}
    apart = shrink_categories([5.0, 5.0, 7.0, 7.0], ["x", "x", "y", "y"])
    assert [c.shrunken for c in apart.categories] == pytest.approx([5, 7], abs=1e-3)
    constant = shrink_categories([3.0, 3.0, 3.0], ["x", "x", "y"])
    assert [c.shrunken for c in constant.categories] == pytest.approx([3, 3])


def test_too_little_is_refused() -> None:
    for categories in (["x", "x"], ["x", "y"]):
        with pytest.raises(ValueError, match="shrinking takes two categories"):
            shrink_categories([1.0, 2.0], categories)
    with pytest.raises(ValueError, match="values finite"):
        shrink_categories([1.0, np.nan], ["x", "x"])
