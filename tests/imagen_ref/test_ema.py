import pytest
import torch
from torch import nn

from imagen_ref.ema import ema_decay, update_ema


def test_against_a_naive_loop() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    average = {name: tensor.clone().float() for name, tensor in network.state_dict().items()}
    weight = average["0.weight"].double()
    for step in range(200):
        with torch.no_grad():
            network[0].weight.add_(torch.randn(4, 3))  # type: ignore[operator]
        decay = min(0.9, (1 + step) / (10 + step))
        weight = decay * weight + (1 - decay) * network[0].weight.detach().double()  # type: ignore[operator]
        update_ema(average, network, step=step, decay=0.9)
    torch.testing.assert_close(average["0.weight"].double(), weight, atol=1e-4, rtol=1e-5)
    assert not torch.allclose(average["0.weight"], network[0].weight, atol=0.1)  # type: ignore[arg-type]
    assert torch.equal(average["1.running_var"], torch.ones(4))


def test_averages_in_float32_whatever_the_weights() -> None:
    network = nn.Linear(2, 2).bfloat16()
    average = {
        name: torch.zeros_like(tensor, dtype=torch.float32) for name, tensor in network.state_dict().items()
    }
    update_ema(average, network, step=10**6, decay=0.75)
    assert average["weight"].dtype == torch.float32
    torch.testing.assert_close(average["weight"], 0.25 * network.weight.detach().float())


@pytest.mark.parametrize(("step", "expected"), [(0, 0.1), (8, 0.5), (89, 90 / 99), (10**9, 0.998)])
def test_decay_is_ramped_up(step: int, expected: float) -> None:
    assert ema_decay(step, 0.998) == pytest.approx(expected)
