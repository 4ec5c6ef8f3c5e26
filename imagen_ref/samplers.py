"""DDPM and DDIM on explicit times (t, s) with s < t, and the loop that runs them (Imagen, App. A).

A sampler is one function, step(prediction, z, t, s, schedule, noise, settings) -> z_s, and one line in
SAMPLERS. Coefficients are computed in float64. A step that needs no noise draws none.
"""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from imagen_ref.denoiser import Denoiser, Prediction
from imagen_ref.noise import NoiseSource
from imagen_ref.schedules import Schedule, time_grid
from imagen_ref.thresholding import check_threshold


@dataclass(frozen=True, kw_only=True)
class SamplerSettings:
    """Everything a user chooses when sampling one stage; every field is checked.

    The paper prints neither steps nor gamma nor, for its headline number, aug_level: gamma = 0 (the small
    posterior variance), DDIM and num_steps are assumptions of this project. percentile 0.995 is the paper's.

    guidance_weight: w, 1 means no guidance.
    guidance_t_min, guidance_t_max: times between which guidance acts, 0 to 1 by default: always. A limited
        interval (Kynkaanniemi et al. 2024) is not in the paper.
    threshold, percentile, interpolation: see `thresholding.threshold`.
    sampler: a name in SAMPLERS. num_steps: network evaluations (of one or both guidance halves).
    gamma: DDPM only; the exponent between the small (0) and the large (1) posterior variance.
    eta: DDIM only; scales the standard deviation of the noise, 0 draws none, 1 is DDPM with gamma = 0.
    aug_level: noise conditioning augmentation of the low-resolution image, 0 to 1; super-resolution only.
    corruption: level of noise, 0 to 1, that lies on the low-resolution image before, and of which the network
        is not told: to see how it recovers; super-resolution only.
    """

    guidance_weight: float = 1.0
    threshold: str = "dynamic"
    percentile: float = 0.995
    interpolation: str = "linear"
    sampler: str = "ddim"
    num_steps: int = 16
    gamma: float = 0.0
    eta: float = 0.0
    aug_level: float = 0.0
    guidance_t_min: float = 0.0
    guidance_t_max: float = 1.0
    corruption: float = 0.0

    def __post_init__(self) -> None:
        shares = ("gamma", "eta", "aug_level", "guidance_t_min", "guidance_t_max", "corruption")
        for name in ("guidance_weight", "percentile", *shares):
            value = getattr(self, name)
            if not isinstance(value, int | float):
                raise ValueError(f"{name}={value!r}: write a number")
        if not 0 <= self.guidance_weight < math.inf:
            raise ValueError(
                f"guidance_weight={self.guidance_weight:g}: write a number of at least 0 (1 is none)"
            )
        check_threshold(self.threshold, self.percentile, self.interpolation)
        if self.sampler not in SAMPLERS:
            raise ValueError(f"sampler={self.sampler!r} does not exist: write one of {', '.join(SAMPLERS)}")
        if not isinstance(self.num_steps, int) or self.num_steps < 1:
            raise ValueError(f"num_steps={self.num_steps}: write a whole number of at least 1")
        for name in shares:
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise ValueError(f"{name}={value:g}: write a number from 0 to 1")
        if self.guidance_t_min > self.guidance_t_max:
            raise ValueError(
                f"guidance_t_min={self.guidance_t_min:g}: write a number up to guidance_t_max, "
                f"which is {self.guidance_t_max:g}"
            )


class _Times(NamedTuple):
    """The schedule at t (now) and s (next), as floats."""

    alpha_t: float
    alpha_s: float
    sigma_t: float
    sigma_s: float
    # 1 - exp(logsnr_t - logsnr_s): the share of z_t's noise variance that was added between s and t
    fresh: float


def _times(schedule: Schedule, t: float, s: float) -> _Times:
    both = torch.tensor([t, s], dtype=torch.float64)
    alpha_t, alpha_s = schedule.alpha(both).tolist()
    sigma_t, sigma_s = schedule.sigma(both).tolist()
    logsnr_t, logsnr_s = schedule.logsnr(both).tolist()
    fresh = -math.expm1(logsnr_t - logsnr_s)
    return _Times(alpha_t=alpha_t, alpha_s=alpha_s, sigma_t=sigma_t, sigma_s=sigma_s, fresh=fresh)


def ddpm_step(
    prediction: Prediction,
    z: Tensor,
    t: float,
    s: float,
    schedule: Schedule,
    noise: NoiseSource,
    settings: SamplerSettings,
) -> Tensor:
    """Ancestral sampling: a draw from q(z_s | z_t, x0), with the variance between its two bounds.

    With r = 1 - exp(logsnr_t - logsnr_s): mean = (1 - r) (alpha_s / alpha_t) z_t + r alpha_s x0,
    variance = (r sigma_s^2)^(1 - gamma) (r sigma_t^2)^gamma (App. A).
    """
    at = _times(schedule, t, s)
    mean = (1 - at.fresh) * (at.alpha_s / at.alpha_t) * z + at.fresh * at.alpha_s * prediction.x0
    gamma = settings.gamma
    deviation = math.sqrt(at.fresh) * math.pow(at.sigma_s, 1 - gamma) * math.pow(at.sigma_t, gamma)
    return mean + deviation * noise.normal(z.shape[1:])


def ddim_step(
    prediction: Prediction,
    z: Tensor,
    t: float,
    s: float,
    schedule: Schedule,
    noise: NoiseSource,
    settings: SamplerSettings,
) -> Tensor:
    """DDIM (Song et al. 2021, eq. 12 and 16): alpha_s x0 + sqrt(sigma_s^2 - d^2) eps + d noise.

    d = eta sigma_s sqrt(r), r = 1 - exp(logsnr_t - logsnr_s): eta scales the *deviation*, and eta = 1 is
    `ddpm_step` with gamma = 0.
    """
    at = _times(schedule, t, s)
    deviation = settings.eta * at.sigma_s * math.sqrt(at.fresh)
    direction = at.sigma_s * math.sqrt(1 - settings.eta**2 * at.fresh)
    z_s = at.alpha_s * prediction.x0 + direction * prediction.eps
    if settings.eta == 0:
        return z_s
    return z_s + deviation * noise.normal(z.shape[1:])


Step = Callable[[Prediction, Tensor, float, float, Schedule, NoiseSource, SamplerSettings], Tensor]

SAMPLERS: dict[str, Step] = {
    "ddpm": ddpm_step,
    "ddim": ddim_step,
}


@torch.no_grad()
def sample(denoiser: Denoiser, shape: Sequence[int], noise: NoiseSource, settings: SamplerSettings) -> Tensor:
    """x0 float32 [B, *shape], thresholded but not clipped, from noise at t = 1; the last step returns x0.

    Of `settings` it reads sampler, num_steps, gamma and eta; guidance and thresholding are the denoiser's.
    What is drawn from `noise` depends on those four and on the shape only, so runs that differ in guidance
    weight or thresholding are paired.
    """
    step = SAMPLERS[settings.sampler]
    times = time_grid(settings.num_steps).tolist()
    z = noise.normal(shape)
    for t, s in itertools.pairwise(times[:-1]):
        z = step(denoiser(z, t), z, t, s, denoiser.schedule, noise, settings)
    return denoiser(z, times[-2]).x0
