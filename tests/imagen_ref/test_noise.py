import pytest
import torch
from torch import Tensor

from imagen_ref.noise import SampleNoise

SHAPE = (3, 5, 5)


def draws(seeds: list[int], stage: str = "base", count: int = 3) -> Tensor:
    """[B, count, *SHAPE]"""
    noise = SampleNoise(seeds, stage, "cpu")
    return torch.stack([noise.normal(SHAPE) for _ in range(count)], dim=1)


@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_sample_draws_the_same_in_every_batch_and_order(batch_size: int) -> None:
    seeds = [41, 0, 2**62 + 1, 7, 99, 3, 12, 5]
    together = dict(zip(seeds, draws(seeds), strict=True))
    backwards = seeds[::-1]
    for start in range(0, len(seeds), batch_size):
        chunk = backwards[start : start + batch_size]
        for seed, row in zip(chunk, draws(chunk), strict=True):
            assert torch.equal(row, together[seed])


def test_seeds_stages_and_draws_all_differ() -> None:
    rows = torch.cat([draws([0, 1, 10], "base"), draws([0, 1, 10], "sr64")]).flatten(0, 1)
    distance = torch.cdist(rows.flatten(1), rows.flatten(1))
    assert distance.fill_diagonal_(torch.inf).min() > 1


def test_numbers_are_standard_normal_float32() -> None:
    values = SampleNoise(range(4), "base", "cpu").normal((100, 100))
    assert values.dtype == torch.float32
    assert values.shape == (4, 100, 100)
    assert values.mean().abs() < 0.02
    assert values.std().item() == pytest.approx(1, abs=0.02)


def test_global_random_state_is_neither_read_nor_moved() -> None:
    torch.manual_seed(0)
    before = torch.get_rng_state()
    first = draws([1])
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(draws([1]), first)
