"""Our thresholding in terms of diffusers' schedulers, against the definition."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from drawbench_eval.generators.pipelines.schedulers import threshold_options

diffusers = pytest.importorskip("diffusers", reason="needs the extra diffusers")

# diffusers' schedulers hand tensors to NumPy in the way of NumPy 1.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation doesn't accept a copy keyword:DeprecationWarning:diffusers.schedulers"
)

# Those that can threshold, in the two ways in which they are told to.
BOTH = ("DDPMScheduler", "DDIMScheduler")
BY_CAP = ("DPMSolverMultistepScheduler", "DPMSolverSinglestepScheduler", "UniPCMultistepScheduler")


def _x0() -> Tensor:
    """Three images whose values reach 0.9, 1.4 and 4 times 1."""
    scale = torch.tensor([0.9, 1.4, 4.0]).view(-1, 1, 1, 1)
    x = torch.rand(3, 3, 8, 8, generator=torch.Generator().manual_seed(0)) * 2 - 1
    return x / x.abs().amax(dim=(1, 2, 3), keepdim=True) * scale


def _defined(x0: Tensor, threshold: str, percentile: float, cap: float | None) -> Tensor:
    """None, static, and dynamic with s = min(max(1, quantile), cap), written out per image."""
    if threshold == "none":
        return x0
    if threshold == "static":
        return x0.clamp(-1, 1)
    rows = []
    for image in x0:
        s = max(float(torch.quantile(image.abs().flatten(), percentile)), 1.0)
        s = min(s, cap if cap is not None else math.inf)
        rows.append(image.clamp(-s, s) / s)
    return torch.stack(rows)


def _by_the_scheduler(name: str, options: dict[str, Any], x0: Tensor) -> Tensor:
    """What a scheduler makes of a prediction of x0."""
    scheduler = getattr(diffusers, name)(prediction_type="sample", **options)
    scheduler.set_timesteps(4)
    t = scheduler.timesteps[1]
    if hasattr(scheduler, "convert_model_output"):
        scheduler._step_index = 1
        return scheduler.convert_model_output(x0.clone(), sample=torch.zeros_like(x0))
    generator = torch.Generator().manual_seed(0)
    return scheduler.step(x0.clone(), t, torch.zeros_like(x0), generator=generator).pred_original_sample


@pytest.mark.parametrize("name", [*BOTH, *BY_CAP])
@pytest.mark.parametrize(
    ("threshold", "percentile", "cap"),
    [
        ("none", 0.995, None),
        ("static", 0.995, None),
        ("dynamic", 0.995, None),
        ("dynamic", 0.95, 1.5),
        ("dynamic", 0.95, 1.0),
    ],
)
def test_schedulers_threshold_as_ours_do(
    name: str, threshold: Any, percentile: float, cap: float | None
) -> None:
    options = threshold_options(name, threshold, percentile, cap, prefix="model.base")
    expected = _defined(_x0(), threshold, percentile, cap)
    torch.testing.assert_close(_by_the_scheduler(name, options, _x0()), expected)


def test_a_cap_of_1_is_static_and_no_cap_is_not() -> None:
    capped, uncapped = _defined(_x0(), "dynamic", 0.95, 1.0), _defined(_x0(), "dynamic", 0.95, None)
    torch.testing.assert_close(capped, _defined(_x0(), "static", 0.95, None))
    assert (capped - uncapped).abs().max() > 0.1


@pytest.mark.parametrize(
    ("name", "threshold", "percentile", "cap", "said"),
    [
        ("EulerDiscreteScheduler", "dynamic", 0.95, None, "threshold: EulerDiscreteScheduler has no dynamic"),
        ("EulerDiscreteScheduler", "static", 0.95, None, "threshold: EulerDiscreteScheduler has no static"),
        ("HeunDiscreteScheduler", "dynamic", 0.95, None, "threshold: HeunDiscreteScheduler has no dynamic"),
        ("DDPMScheduler", "dynamic", 95, None, "percentile: 95 is not a fraction"),
        ("DDPMScheduler", "dynamic", 0.0, None, "percentile: 0 is not a fraction"),
        ("DDPMScheduler", "dynamic", 0.95, 0.9, "sample_max_value: 0.9 is not at least 1"),
    ],
)
def test_what_cannot_be_is_said(
    name: str, threshold: Any, percentile: float, cap: float | None, said: str
) -> None:
    with pytest.raises(ValueError, match=f"^model.base.{said}"):
        threshold_options(name, threshold, percentile, cap, prefix="model.base")


def test_none_switches_off_what_a_scheduler_would_do() -> None:
    assert threshold_options("EulerDiscreteScheduler", "none", 0.95, None, prefix="model.base") == {}
    heun = threshold_options("HeunDiscreteScheduler", "none", 0.95, None, prefix="model.base")
    assert heun["clip_sample"] is False
