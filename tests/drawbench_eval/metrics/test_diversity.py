import math
from itertools import combinations

import numpy as np
import pytest

from drawbench_eval.features.bank import DirectFeatures
from drawbench_eval.metrics.diversity import Diversity, mean_distances
from drawbench_eval.stats.clustered import t_quantile
from tests.drawbench_eval.metrics.fakes import PROMPT_SET, FakeExtractor, Pixels, fed, images, prompt_of


def make() -> Diversity:
    return Diversity(source=DirectFeatures(FakeExtractor()), prompt_set=PROMPT_SET, conditions={})


def features(pictures: list[Pixels]) -> list[np.ndarray]:
    return list(FakeExtractor().extract(pictures).astype(float))


def test_the_value_is_the_mean_over_prompts_of_the_mean_over_pairs() -> None:
    pictures = images(1, 30)
    value, columns = fed(make(), pictures).compute()
    vectors = features(pictures)
    means = [
        np.mean([np.linalg.norm(a - b) for a, b in combinations(vectors[at : at + 3], 2)])
        for at in range(0, 30, 3)
    ]
    assert value.value == pytest.approx(np.mean(means), rel=1e-12)
    reach = t_quantile(9, 0.95) * np.std(means, ddof=1) / math.sqrt(10)
    assert value.ci95 == pytest.approx((np.mean(means) - reach, np.mean(means) + reach), rel=1e-9)
    to_others = (np.linalg.norm(vectors[4] - vectors[3]) + np.linalg.norm(vectors[4] - vectors[5])) / 2
    assert columns["diversity"][4] == pytest.approx(to_others, rel=1e-12)


def test_prompts_count_alike_however_many_images_they_have() -> None:
    pictures = images(2, 7)
    metric = make()
    metric.update(pictures, [prompt_of(0)] * 2 + [prompt_of(3)] * 5)
    vectors = features(pictures)
    first = np.linalg.norm(vectors[0] - vectors[1])
    second = np.mean([np.linalg.norm(a - b) for a, b in combinations(vectors[2:], 2)])
    value = metric.compute().value
    assert value.value == pytest.approx((first + second) / 2, rel=1e-12)
    by_pairs = (first + 10 * second) / 11
    assert abs(by_pairs - value.value) > 1e-3


def test_images_of_a_prompt_may_lie_apart_in_the_order() -> None:
    pictures = images(3, 6)
    together, apart = make(), make()
    together.update(pictures, [prompt_of(0)] * 3 + [prompt_of(3)] * 3)
    order = [0, 3, 1, 4, 2, 5]
    apart.update([pictures[i] for i in order], [prompt_of(0), prompt_of(3)] * 3)
    assert apart.compute().value.value == pytest.approx(together.compute().value.value, rel=1e-12)
    np.testing.assert_allclose(
        apart.compute().columns["diversity"], together.compute().columns["diversity"][order], rtol=1e-12
    )


def test_a_prompt_with_a_single_image_is_unscored_and_not_zero() -> None:
    pictures = images(4, 5)
    metric = make()
    metric.update([*pictures, None], [prompt_of(0)] * 2 + [prompt_of(3)] * 2 + [prompt_of(6)] * 2)
    value, columns = metric.compute()
    np.testing.assert_array_equal(np.isnan(columns["diversity"]), [False] * 4 + [True] * 2)
    assert (value.n, value.num_unscored) == (4, 2)
    assert value.value == pytest.approx(columns["diversity"][:4].mean(), rel=1e-12)
    assert value.notes == ()


def test_without_a_pair_it_is_undefined_and_says_so() -> None:
    metric = make()
    metric.update(images(5, 2), [prompt_of(0), prompt_of(3)])
    value = metric.compute().value
    assert math.isnan(value.value)
    assert all(map(math.isnan, value.ci95))
    assert (value.n, value.num_unscored) == (0, 2)
    assert value.notes == ("undefined: no prompt has two images",)


def test_one_prompt_has_a_value_and_no_interval() -> None:
    metric = make()
    metric.update(images(6, 3), [prompt_of(0)] * 3)
    value = metric.compute().value
    assert value.value > 0
    assert all(map(math.isnan, value.ci95))


def test_copies_of_one_image_have_no_diversity() -> None:
    picture = images(7, 1)[0]
    value, columns = fed(make(), [picture] * 6).compute()
    assert value.value == 0.0
    np.testing.assert_array_equal(columns["diversity"], np.zeros(6))


def test_mean_distances_need_no_order_and_leave_the_lonely_out() -> None:
    vectors = np.array([[0.0, 0.0], [9.0, 9.0], [3.0, 4.0], [0.0, 1.0]])
    found = mean_distances(vectors, np.array([7, 2, 7, 7]))
    a, b = math.hypot(3, 4), math.hypot(3, 3)
    np.testing.assert_allclose(found, [(a + 1) / 2, math.nan, (a + b) / 2, (1 + b) / 2], rtol=1e-12)
