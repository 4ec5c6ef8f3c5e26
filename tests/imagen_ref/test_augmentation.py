import math

import pytest
import torch
from torch import Tensor

from imagen_ref.augmentation import augment, corrupt, drop_low_res


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


class TestBlur:
    def test_a_point_becomes_a_gaussian_of_twice_the_level(self) -> None:
        x = torch.zeros(3, 3, 33, 33)
        x[:, :, 16, 16] = 1
        levels = torch.tensor([0.3, 0.5, 1.0])
        blurred, logsnr = augment(x, levels, torch.full_like(x, torch.nan), kind="blur")
        offsets = torch.arange(33.0) - 16
        for row, level in enumerate(levels.tolist()):
            for channel in blurred[row]:
                assert channel.sum().item() == pytest.approx(1, abs=1e-5)
                # The kernel ends at three deviations of level 1.
                variance = (channel.sum(0) * offsets**2).sum().item()
                assert variance == pytest.approx((2 * level) ** 2, rel=0.05)
                torch.testing.assert_close(channel, channel.T)
        assert logsnr.tolist() == augment(x, levels, x)[1].tolist()

    def test_level_zero_is_the_image_and_a_flat_image_stays_flat(self) -> None:
        x, noise = inputs(2)
        blurred, _ = augment(x, torch.tensor([0.0, 1.0]), noise, kind="blur")
        assert torch.equal(blurred[0], x[0])
        assert blurred[1].std() < 0.5 * x[1].std()
        flat = torch.full((1, 3, 8, 8), 0.3)
        torch.testing.assert_close(augment(flat, torch.ones(1), flat, kind="blur")[0], flat)

    def test_each_sample_has_its_own_kernel(self) -> None:
        x, noise = inputs(4)
        levels = torch.tensor([0.1, 0.9, 0.4, 0.0])
        together, _ = corrupt(x, levels, noise, kind="blur")
        for row in range(4):
            alone, _ = corrupt(x[row : row + 1], levels[row : row + 1], noise[:1], kind="blur")
            torch.testing.assert_close(together[row], alone[0])

    def test_another_kind_is_named(self) -> None:
        x, noise = inputs(1)
        with pytest.raises(ValueError, match=r"augmentation='jpeg' does not exist: write one of noise, blur"):
            augment(x, torch.ones(1), noise, kind="jpeg")


def test_a_dropped_image_is_gone_and_called_noise() -> None:
    x, noise = inputs(3)
    noisy, logsnr = augment(x, torch.tensor([0.1, 0.2, 0.3]), noise)
    dropped = torch.tensor([False, True, False])
    image, level = drop_low_res(noisy, logsnr, dropped)
    assert torch.equal(image[[0, 2]], noisy[[0, 2]])
    assert torch.equal(level[[0, 2]], logsnr[[0, 2]])
    assert not image[1].any()
    assert level[1] == augment(x, torch.ones(3), noise)[1][1]
