import math

import pytest
import torch
from torch import Tensor

from imagen_ref.augmentation import augment


def inputs(batch: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    x = torch.rand(batch, 3, 8, 8, generator=generator) * 2 - 1
    return x, torch.randn(batch, 3, 8, 8, generator=generator)


def test_each_sample_has_its_own_level_of_the_cosine_process() -> None:
    x, noise = inputs(3)
    levels = torch.tensor([0.1, 0.3, 0.8])
    augmented, logsnr = augment(x, levels, noise)
    for row, level in enumerate(levels.tolist()):
        alpha, sigma = math.cos(math.pi / 2 * level), math.sin(math.pi / 2 * level)
        torch.testing.assert_close(augmented[row], alpha * x[row] + sigma * noise[row], rtol=1e-5, atol=1e-6)
        assert logsnr[row].item() == pytest.approx(2 * math.log(alpha / sigma), rel=1e-5)


def test_level_zero_is_the_image_bit_for_bit_and_level_one_is_noise() -> None:
    x, noise = inputs(2)
    augmented, logsnr = augment(x, torch.tensor([0.0, 1.0]), noise)
    assert torch.equal(augmented[0], x[0])
    torch.testing.assert_close(augmented[1], noise[1], rtol=0, atol=1e-4)
    assert logsnr.tolist() == [20.0, -20.0]


@pytest.mark.parametrize("level", [-0.01, 1.01, float("nan")])
def test_a_level_outside_is_named(level: float) -> None:
    x, noise = inputs(2)
    with pytest.raises(ValueError, match=rf"aug_level={level:g}: write a level from 0 to 1"):
        augment(x, torch.tensor([0.5, level]), noise)
