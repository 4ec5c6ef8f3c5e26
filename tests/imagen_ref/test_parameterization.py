import pytest
import torch

from imagen_ref.parameterization import PREDICTIONS, eps_from_x0, to_x0, training_target
from imagen_ref.schedules import SCHEDULES, make_schedule


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_target_to_x0_to_eps_comes_back(kind: str, name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    x, eps = torch.randn(2, 9, 3, 4, 4, generator=generator, dtype=torch.float64)
    t = torch.linspace(0, 1, 9, dtype=torch.float64).view(-1, 1, 1, 1)
    schedule = make_schedule(name, -20.0, 20.0)
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    z = alpha * x + sigma * eps
    target = training_target(kind, x, eps, alpha, sigma)
    x0 = to_x0(kind, target, z, alpha, sigma)
    torch.testing.assert_close(x0, x, rtol=0, atol=1e-10)
    torch.testing.assert_close(eps_from_x0(x0, z, alpha, sigma), eps, rtol=0, atol=1e-10)


def test_targets_are_what_the_papers_write() -> None:
    x, eps = torch.tensor([2.0]), torch.tensor([3.0])
    targets = {kind: training_target(kind, x, eps, 0.6, 0.8).item() for kind in PREDICTIONS}
    assert targets == pytest.approx({"eps": 3.0, "x0": 2.0, "v": 0.6 * 3.0 - 0.8 * 2.0})


def test_unknown_kind_is_named() -> None:
    x = torch.zeros(1)
    for call in (training_target, to_x0):
        with pytest.raises(ValueError, match=r"prediction='noise' does not exist: write one of eps, x0, v"):
            call("noise", x, x, 0.6, 0.8)
