import pytest
import torch
from torch import Tensor, nn
from transformers.optimization import Adafactor

from imagen_ref.training.optimizer import OPTIMIZERS, make_optimizer

RATE = 1e-2


def gradients(shape: tuple[int, ...], count: int = 12) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(shape, generator=generator) * (1 + step) for step in range(count)]


def trained(optimizer: torch.optim.Optimizer, weight: nn.Parameter, scale: Tensor | float = 1.0) -> Tensor:
    for gradient in gradients(tuple(weight.shape)):
        weight.grad = gradient * scale
        optimizer.step()
    return weight.detach()


def fresh(*shape: int) -> nn.Parameter:
    return nn.Parameter(0.3 * torch.randn(shape, generator=torch.Generator().manual_seed(0)))


@pytest.mark.parametrize("size", [1.0, 1e-3, 1e-5])
@pytest.mark.parametrize("shape", [(6, 5), (7,), (8, 4, 3, 3), (8, 4, 1, 1)])
def test_adafactor_is_that_of_transformers_at_an_absolute_rate(shape: tuple[int, ...], size: float) -> None:
    """Also for kernels whose gradients are as small as a large network's, and unlike in size."""
    ours, theirs = fresh(*shape), fresh(*shape)
    scale = size * torch.logspace(0, -2, shape[0]).reshape(-1, *[1] * (len(shape) - 1))
    optimizer = make_optimizer("adafactor", [ours], rate=RATE, beta2=0.5, weight_decay=0.0)
    peer = Adafactor([theirs], lr=RATE, scale_parameter=False, relative_step=False, warmup_init=False)
    got = trained(optimizer, ours, scale)
    torch.testing.assert_close(got, trained(peer, theirs, scale), atol=1e-6, rtol=1e-5)
    assert (got - fresh(*shape)).abs().max() > 5 * RATE


def test_adafactor_leaves_weights_without_a_gradient_where_they_are() -> None:
    weight = fresh(4, 3)
    optimizer = make_optimizer("adafactor", [weight], rate=RATE, beta2=0.5, weight_decay=0.0)
    assert torch.equal(trained(optimizer, weight, scale=0.0), fresh(4, 3))


def test_adafactor_keeps_rows_and_columns_of_the_second_moments_only() -> None:
    weight = fresh(40, 30)
    optimizer = make_optimizer("adafactor", [weight], rate=RATE, beta2=0.5, weight_decay=0.0)
    trained(optimizer, weight)
    kept = sum(value.numel() for value in optimizer.state[weight].values() if isinstance(value, Tensor))
    assert kept <= 40 + 30 + 1


@pytest.mark.parametrize(("name", "decay"), [("adam", 0.0), ("adamw", 0.1)])
def test_adam_is_the_papers_formula(name: str, decay: float) -> None:
    """Kingma & Ba, algorithm 1; adamw takes the decay from the weights themselves."""
    weight, beta2 = fresh(4, 3), 0.999
    expected, first, second = weight.detach().double(), torch.zeros(4, 3), torch.zeros(4, 3)
    for step, gradient in enumerate(gradients((4, 3)), start=1):
        first = 0.9 * first + 0.1 * gradient.double()
        second = beta2 * second + (1 - beta2) * gradient.double() ** 2
        update = (first / (1 - 0.9**step)) / ((second / (1 - beta2**step)).sqrt() + 1e-8)
        expected = expected * (1 - RATE * decay) - RATE * update
    got = trained(make_optimizer(name, [weight], rate=RATE, beta2=beta2, weight_decay=decay), weight)
    torch.testing.assert_close(got.double(), expected, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_follows_a_rate_that_is_set_later(name: str) -> None:
    weight = fresh(4, 3)
    optimizer = make_optimizer(name, [weight], rate=RATE, beta2=0.9, weight_decay=0.0)
    optimizer.param_groups[0]["lr"] = 0.0
    assert torch.equal(trained(optimizer, weight), fresh(4, 3))
