import math

import numpy as np
import pytest
import torch

from imagen_ref.schedules import SCHEDULES, CosineSchedule, LinearSchedule, make_schedule, time_grid


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_variance_preserving_finite_and_never_zero(name: str, dtype: torch.dtype) -> None:
    schedule = make_schedule(name, -20.0, 20.0)
    t = torch.linspace(0, 1, 1001, dtype=dtype)
    alpha, sigma, logsnr = schedule.alpha(t), schedule.sigma(t), schedule.logsnr(t)
    assert alpha.dtype == sigma.dtype == logsnr.dtype == dtype
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones_like(t))
    torch.testing.assert_close(alpha**2, logsnr.sigmoid())
    assert alpha.min() > 0
    assert sigma.min() > 0
    assert logsnr.min() >= -20
    assert logsnr.max() == 20
    assert (logsnr.diff() <= 0).all()


def test_cosine_is_cos_and_sin_and_clamped_at_both_ends() -> None:
    schedule = CosineSchedule()
    t = torch.linspace(0.01, 0.99, 99, dtype=torch.float64)
    torch.testing.assert_close(schedule.alpha(t), torch.cos(math.pi / 2 * t), rtol=0, atol=1e-12)
    torch.testing.assert_close(schedule.sigma(t), torch.sin(math.pi / 2 * t), rtol=0, atol=1e-12)
    ends = schedule.logsnr(torch.tensor([0.0, 1.0]))
    assert ends.tolist() == [20.0, -20.0]


def test_clamp_follows_the_arguments() -> None:
    ends = make_schedule("cosine", -7.0, 5.0).logsnr(torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64))
    assert ends.tolist() == pytest.approx([5.0, 0.0, -7.0])


def test_linear_equals_the_discrete_ddpm_product_at_every_level() -> None:
    betas = np.linspace(1e-4, 0.02, 1000)
    alpha_bar = np.cumprod(1 - betas)
    t = torch.arange(1, 1001, dtype=torch.float64) / 1000
    np.testing.assert_allclose(LinearSchedule().alpha(t).numpy() ** 2, alpha_bar, rtol=1e-12)
    np.testing.assert_allclose(LinearSchedule().sigma(t).numpy() ** 2, 1 - alpha_bar, rtol=1e-9)


def test_linear_between_levels_is_the_geometric_mean() -> None:
    alpha_squared = LinearSchedule().alpha(torch.tensor([0.4, 0.4005, 0.401], dtype=torch.float64)) ** 2
    assert alpha_squared[1].item() == pytest.approx(math.sqrt(alpha_squared[0] * alpha_squared[2]), rel=1e-12)


def test_linear_is_clamped_only_at_the_clean_end() -> None:
    start, end = LinearSchedule().logsnr(torch.tensor([0.0, 1.0])).tolist()
    assert start == 20.0
    assert end == pytest.approx(-10.117, abs=1e-3)


@pytest.mark.parametrize("num_steps", [1, 3, 7, 16, 256, 1000])
def test_time_grid_runs_from_exactly_one_to_exactly_zero(num_steps: int) -> None:
    grid = time_grid(num_steps)
    assert grid.dtype == torch.float64
    assert grid.shape == (num_steps + 1,)
    assert grid[0].item() == 1.0
    assert grid[-1].item() == 0.0
    torch.testing.assert_close(-grid.diff(), torch.full((num_steps,), 1 / num_steps, dtype=torch.float64))


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"schedule='sigmoid' does not exist: write one of cosine, linear"):
        make_schedule("sigmoid", -20.0, 20.0)
    with pytest.raises(ValueError, match=r"num_steps=0: write a whole number"):
        time_grid(0)
    with pytest.raises(ValueError, match=r"logsnr_min=20.0, logsnr_max=-20.0"):
        CosineSchedule(logsnr_min=20.0, logsnr_max=-20.0)
    with pytest.raises(ValueError, match=r"logsnr_min=-inf"):
        CosineSchedule(logsnr_min=-math.inf)
