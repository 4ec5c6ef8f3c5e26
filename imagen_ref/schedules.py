"""Noise schedules: time t in [0, 1] to alpha, sigma and log-SNR, and the grid of times a sampler walks.

z_t = alpha(t) x + sigma(t) eps, with t = 0 clean and t = 1 noise. Every schedule is variance preserving:
alpha^2 = sigmoid(logsnr) and sigma^2 = sigmoid(-logsnr), so alpha^2 + sigma^2 = 1.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

NUM_DDPM_STEPS = 1000
DDPM_BETA_FIRST = 1e-4
DDPM_BETA_LAST = 0.02


@dataclass(frozen=True, kw_only=True)
class Schedule(ABC):
    """logsnr(t), alpha(t) and sigma(t) on float32 or float64 tensors of any shape, in the dtype of t.

    The mathematics runs in float64. The log-SNR is clamped to [logsnr_min, logsnr_max], and alpha and sigma
    come from the clamped value: neither is ever 0, so x0 = (z - sigma eps) / alpha is finite at t = 1 too.
    """

    logsnr_min: float = -20.0
    logsnr_max: float = 20.0

    def __post_init__(self) -> None:
        if not -math.inf < self.logsnr_min < self.logsnr_max < math.inf:
            raise ValueError(
                f"logsnr_min={self.logsnr_min}, logsnr_max={self.logsnr_max}: write two finite numbers, "
                "the smaller first (for example -20 and 20)"
            )

    @abstractmethod
    def _unclamped_logsnr(self, t: Tensor) -> Tensor:
        """log(alpha^2 / sigma^2) at float64 t, infinite where sigma is 0."""

    def _logsnr64(self, t: Tensor) -> Tensor:
        return self._unclamped_logsnr(t.to(torch.float64)).clamp(self.logsnr_min, self.logsnr_max)

    def logsnr(self, t: Tensor) -> Tensor:
        """log(alpha^2 / sigma^2), clamped, falling in t."""
        return self._logsnr64(t).to(t.dtype)

    def alpha(self, t: Tensor) -> Tensor:
        """The share of signal, sqrt(sigmoid(logsnr)), in (0, 1]."""
        return self._logsnr64(t).sigmoid().sqrt().to(t.dtype)

    def sigma(self, t: Tensor) -> Tensor:
        """The share of noise, sqrt(sigmoid(-logsnr)), in (0, 1]."""
        return self._logsnr64(t).neg().sigmoid().sqrt().to(t.dtype)


@dataclass(frozen=True, kw_only=True)
class CosineSchedule(Schedule):
    """alpha = cos(pi t / 2), sigma = sin(pi t / 2): the schedule of the base and 64->256 models (App. F)."""

    def _unclamped_logsnr(self, t: Tensor) -> Tensor:
        return -2.0 * torch.log(torch.tan(t * (math.pi / 2)))


@dataclass(frozen=True, kw_only=True)
class LinearSchedule(Schedule):
    """DDPM's betas, 1e-4 to 0.02 over 1000 steps, in continuous time: the 256->1024 model (App. F).

    log alpha^2 is *piecewise linear* between the 1000 discrete levels: at t = n / 1000 it is the sum of
    log(1 - beta_i) over the first n betas, exactly DDPM's product (Ho et al. 2020), and 0 at t = 0.
    At t = 1 the log-SNR is about -10.1, not the clamp: a trace of signal is left, as in DDPM.
    """

    def _unclamped_logsnr(self, t: Tensor) -> Tensor:
        betas = torch.linspace(
            DDPM_BETA_FIRST, DDPM_BETA_LAST, NUM_DDPM_STEPS, dtype=torch.float64, device=t.device
        )
        log_steps = torch.log1p(-betas)
        levels = torch.cat([log_steps.new_zeros(1), log_steps.cumsum(0)])
        position = t * NUM_DDPM_STEPS
        below = position.floor().clamp(0, NUM_DDPM_STEPS - 1).long()
        log_alpha_squared = levels[below] + (position - below) * log_steps[below]
        return log_alpha_squared - torch.log(-torch.expm1(log_alpha_squared))


SCHEDULES: dict[str, type[Schedule]] = {"cosine": CosineSchedule, "linear": LinearSchedule}


def make_schedule(name: str, logsnr_min: float, logsnr_max: float) -> Schedule:
    """The schedule called `name` in SCHEDULES; ValueError when there is none."""
    if name not in SCHEDULES:
        raise ValueError(f"schedule={name!r} does not exist: write one of {', '.join(SCHEDULES)}")
    return SCHEDULES[name](logsnr_min=logsnr_min, logsnr_max=logsnr_max)


def time_grid(num_steps: int) -> Tensor:
    """float64 [num_steps + 1]: uniform times from exactly 1 to exactly 0 (App. A)."""
    if num_steps < 1:
        raise ValueError(f"num_steps={num_steps}: write a whole number of at least 1")
    return torch.arange(num_steps, -1, -1, dtype=torch.float64) / num_steps
