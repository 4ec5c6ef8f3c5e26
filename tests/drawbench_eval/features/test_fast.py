import logging
from importlib.util import find_spec
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from drawbench_eval.features import fast
from drawbench_eval.features.fast import RUNTIMES, choose_runtime, folded, forward_of

HAS_COMPILER = any(map(fast.shutil.which, ("g++", "clang++", "c++")))


class Block(nn.Module):
    """A convolution, its normalisation with a past, and a bend, named as Inception's are."""

    def __init__(self, inputs: int, outputs: int, *, bias: bool) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 3, stride=2, bias=bias)
        self.bn = nn.BatchNorm2d(outputs, eps=1e-3)
        for values, low, high in (
            (self.bn.running_mean, -1, 1),
            (self.bn.running_var, 0.2, 3),
            (self.bn.weight.data, -2, 2),
            (self.bn.bias.data, -1, 1),
        ):
            assert values is not None
            values.uniform_(low, high)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return nn.functional.relu(self.bn(self.conv(x)), inplace=True)


def small_network() -> nn.Module:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            Block(3, 8, bias=False), Block(8, 16, bias=True), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )


def batches(count: int, size: int = 4) -> list[fast.Array]:
    rng = np.random.default_rng(1)
    return [rng.normal(size=(size, 3, 31, 31)).astype(np.float32) for _ in range(count)]


@pytest.mark.parametrize(
    "runtime",
    [
        "folded",
        pytest.param("compiled", marks=pytest.mark.skipif(not HAS_COMPILER, reason="no C++ compiler")),
        pytest.param(
            "openvino", marks=pytest.mark.skipif(find_spec("openvino") is None, reason="no openvino")
        ),
    ],
)
def test_a_faster_network_is_the_same_function(runtime: str) -> None:
    network, data = small_network(), batches(2)
    eager = forward_of(network, data[0], runtime="eager")
    quick = forward_of(network, data[0], runtime=runtime)
    for batch in data:
        expected = eager(batch)
        assert expected.std() > 0.1
        result = quick(batch)
        assert result.dtype == np.float32
        np.testing.assert_allclose(result, expected, rtol=1e-4, atol=1e-4 * expected.std())
    # A result is not a view of something that the next call overwrites.
    first = quick(data[0])
    kept = first.copy()
    quick(data[1])
    np.testing.assert_array_equal(first, kept)


def test_folding_takes_every_normalisation_away_and_leaves_the_original_alone() -> None:
    network = small_network().eval()
    (batch,) = batches(1)
    before = network(torch.from_numpy(batch)).detach()
    quick = folded(network)
    assert not [module for module in quick.modules() if isinstance(module, nn.BatchNorm2d)]
    torch.testing.assert_close(quick(torch.from_numpy(batch)), before, rtol=1e-4, atol=1e-5)
    assert len([module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]) == 2
    assert torch.equal(network(torch.from_numpy(batch)), before)


def test_a_network_in_training_mode_is_read_as_it_is_used() -> None:
    network, (batch,) = small_network().train(), batches(1)
    used = small_network().eval()(torch.from_numpy(batch)).detach().numpy()
    for runtime in ("eager", "folded"):
        np.testing.assert_allclose(forward_of(network, batch, runtime=runtime)(batch), used, rtol=1e-4)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Says what is installed on the machine."""

    def has(*, compiler: bool, openvino: bool) -> None:
        monkeypatch.setattr(fast.shutil, "which", lambda name: "/usr/bin/c++" if compiler else None)
        monkeypatch.setattr(fast, "find_spec", lambda name: object() if openvino else None)

    return has


def test_auto_takes_the_fastest_that_is_there(machine: Any, caplog: pytest.LogCaptureFixture) -> None:
    machine(compiler=True, openvino=True)
    assert choose_runtime("auto", "cpu") == "openvino"
    assert choose_runtime("auto", "cuda") == "folded"
    assert not caplog.records
    # Compiling costs more than a few thousand images save: only by name.
    machine(compiler=True, openvino=False)
    assert choose_runtime("auto", "cpu") == "folded"


def test_without_openvino_it_falls_back_with_a_notice(machine: Any, caplog: pytest.LogCaptureFixture) -> None:
    machine(compiler=False, openvino=False)
    network, (batch,) = small_network(), batches(1)
    with caplog.at_level(logging.WARNING):
        quick = forward_of(network, batch)
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "openvino is not installed" in caplog.text
    np.testing.assert_allclose(
        quick(batch), forward_of(network, batch, runtime="eager")(batch), rtol=1e-4, atol=1e-5
    )


def test_what_was_asked_for_by_name_is_never_replaced(machine: Any) -> None:
    machine(compiler=False, openvino=False)
    for name, message in (
        ("openvino", "openvino runs on the CPU and must be installed: pip install openvino"),
        ("compiled", r"compiled needs a C\+\+ compiler and none was found"),
        ("quick", "quick is not one of auto, openvino, compiled, folded, eager"),
    ):
        with pytest.raises(ValueError, match=f"^runtime: {message}$"):
            choose_runtime(name, "cpu")
    machine(compiler=True, openvino=True)
    with pytest.raises(ValueError, match="openvino runs on the CPU"):
        choose_runtime("openvino", "cuda")
    assert {name: choose_runtime(name, "cpu") for name in RUNTIMES[1:]} == {
        name: name for name in RUNTIMES[1:]
    }
