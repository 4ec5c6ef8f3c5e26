import numpy as np
import pytest

from drawbench_eval.stats.moments import Moments


@pytest.mark.parametrize("sizes", [(5, 0, 7, 1), (1, 1, 1), (0, 0, 3), (200,)])
def test_merging_shards_in_any_order_equals_one_set(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(sum(sizes))
    shards = [rng.normal(3.0, 2.0, (n, 4)) @ rng.normal(size=(4, 4)) for n in sizes]
    whole = np.concatenate(shards)
    forwards, backwards = Moments.empty(4), Moments.empty(4)
    for shard in shards:
        forwards = forwards.merge(Moments.of(shard))
    for shard in reversed(shards):
        backwards = Moments.of(shard).merge(backwards)
    for merged in (forwards, backwards):
        assert merged.n == len(whole)
        np.testing.assert_allclose(merged.mean, whole.mean(axis=0), rtol=1e-13)
        np.testing.assert_allclose(merged.covariance, np.cov(whole, rowvar=False), rtol=1e-11)


def test_large_means_do_not_cancel() -> None:
    x = np.random.default_rng(0).normal(size=(500, 3))
    shifted = x + 1e7
    merged = Moments.of(shifted[:100]).merge(Moments.of(shifted[100:]))
    np.testing.assert_allclose(merged.covariance, np.cov(x, rowvar=False), rtol=1e-6, atol=1e-8)
    # The plain formula fails here: without that this test could not.
    naive = (shifted.T @ shifted - 500 * np.outer(shifted.mean(0), shifted.mean(0))) / 499
    assert np.abs(naive - np.cov(x, rowvar=False)).max() > 1e-2


def test_float32_vectors_are_added_in_float64() -> None:
    x = np.full((3000, 1), 0.1, dtype=np.float32) + 1000
    assert Moments.of(x).mean[0] == pytest.approx(float(x[0, 0]), rel=1e-12)


def test_packing_is_lossless() -> None:
    moments = Moments.of(np.random.default_rng(0).normal(size=(9, 3)))
    again = Moments.unpack(moments.pack(), 3)
    assert again.n == 9
    np.testing.assert_array_equal(again.mean, moments.mean)
    np.testing.assert_array_equal(again.m2, moments.m2)
    with pytest.raises(ValueError, match=r"for d = 4 it must be \[21\]"):
        Moments.unpack(moments.pack(), 4)


def test_one_vector_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="1 vectors have none"):
        _ = Moments.of(np.zeros((1, 2))).covariance
    with pytest.raises(ValueError, match=r"must be \[n, d\]"):
        Moments.of(np.zeros(3))
