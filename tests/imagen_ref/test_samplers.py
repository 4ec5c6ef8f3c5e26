"""Samplers against closed forms.

The data are N(0.3, 0.25^2) and the network is their exact denoiser, so every sampler is an affine map of
the numbers it draws. `moments` runs the real loop on a batch of unit impulses (row k sees a 1 in its k-th
draw and 0 elsewhere) and reads off the coefficients: exact mean and deviation, no Monte Carlo.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

from imagen_ref.denoiser import Denoiser, Prediction, guided_context
from imagen_ref.noise import SampleNoise
from imagen_ref.parameterization import training_target
from imagen_ref.samplers import SAMPLERS, SamplerSettings, sample
from imagen_ref.schedules import CosineSchedule, LinearSchedule, Schedule, time_grid
from imagen_ref.text.embedding import TextEmbedding, null_embedding

MEAN, STD = 0.3, 0.25


class GaussianNetwork:
    """The exact denoiser of N(MEAN + text, STD^2)."""

    def __init__(self, prediction: str) -> None:
        self.prediction = prediction
        self.num_forwards = 0

    def condition(self, text: TextEmbedding) -> Tensor:
        return text.states.sum((1, 2)).view(-1, 1, 1, 1)

    def __call__(
        self,
        z: Tensor,
        logsnr: Tensor,
        context: Tensor,
        low_res: Tensor | None = None,
        aug_logsnr: Tensor | None = None,
    ) -> Tensor:
        self.num_forwards += 1
        alpha = logsnr.double().sigmoid().sqrt().view(-1, 1, 1, 1)
        sigma = logsnr.double().neg().sigmoid().sqrt().view(-1, 1, 1, 1)
        mean = MEAN + context.double()
        x = mean + alpha * STD**2 / (alpha**2 * STD**2 + sigma**2) * (z - alpha * mean)
        return training_target(self.prediction, x, (z - alpha * x) / sigma, alpha, sigma).float()


class Noted:
    """A network with another call."""

    def __init__(self, network: GaussianNetwork, call: Any) -> None:
        self.condition = network.condition
        self.call = call

    def __call__(self, *arguments: Any, **named: Any) -> Tensor:
        out: Tensor = self.call(*arguments, **named)
        return out


class Impulses:
    """Row 0 draws zeros only; row k draws 1 in the k-th draw."""

    def __init__(self, num_draws: int) -> None:
        self.num_draws = num_draws
        self.drawn = 0

    def normal(self, shape: Sequence[int]) -> Tensor:
        self.drawn += 1
        values = torch.zeros(self.num_draws + 1, *shape)
        values[self.drawn] = 1
        return values


def make(
    batch: int,
    *,
    prediction: str = "x0",
    guidance_weight: float = 1.0,
    threshold: str = "none",
    schedule: Schedule | None = None,
) -> Denoiser:
    network = GaussianNetwork(prediction)
    states = torch.linspace(0, 0.5, batch).view(-1, 1, 1) if threshold != "none" else torch.zeros(batch, 1, 1)
    text = TextEmbedding(states=states, mask=torch.ones(batch, 1, dtype=torch.bool))
    return Denoiser(
        network=network,
        schedule=schedule or CosineSchedule(),
        prediction=prediction,
        context=guided_context(network, text, null_embedding(batch, 1), guidance_weight),
        guidance_weight=guidance_weight,
        threshold=threshold,
        percentile=0.9,
        interpolation="linear",
    )


def moments(
    settings: SamplerSettings, prediction: str = "x0", schedule: Schedule | None = None
) -> tuple[float, float]:
    """Exact mean and standard deviation of the sampler's output."""
    noise = Impulses(settings.num_steps)
    denoiser = make(settings.num_steps + 1, prediction=prediction, schedule=schedule)
    x0 = sample(denoiser, (1, 1, 1), noise, settings).flatten()
    coefficients = x0[1:].double() - x0[0].double()
    return x0[0].item(), coefficients.square().sum().sqrt().item()


COLUMNS: dict[str, dict[str, Any]] = {
    "ddim": {"sampler": "ddim"},
    "ddpm small": {"sampler": "ddpm", "gamma": 0.0},
    "ddpm gamma 0.3": {"sampler": "ddpm", "gamma": 0.3},
    "ddpm gamma 0.5": {"sampler": "ddpm", "gamma": 0.5},
    "ddpm large": {"sampler": "ddpm", "gamma": 1.0},
}
RATIOS = {
    25: (0.900, 0.825, 0.885, 0.931, 1.068),
    50: (0.949, 0.894, 0.933, 0.960, 1.040),
    250: (0.990, 0.973, 0.983, 0.990, 1.009),
}


@pytest.mark.parametrize("column", COLUMNS)
@pytest.mark.parametrize("num_steps", RATIOS)
def test_output_moments_hit_the_table(num_steps: int, column: str) -> None:
    mean, std = moments(SamplerSettings(num_steps=num_steps, **COLUMNS[column]))
    expected = RATIOS[num_steps][list(COLUMNS).index(column)]
    assert mean == pytest.approx(MEAN, abs=1e-4)
    assert std / STD == pytest.approx(expected, abs=0.002)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_converges_to_the_data_and_every_prediction_agrees(sampler: str) -> None:
    errors = {}
    for num_steps in (50, 100, 200):
        mean, std = moments(SamplerSettings(sampler=sampler, num_steps=num_steps))
        assert mean == pytest.approx(MEAN, abs=1e-4)
        errors[num_steps] = abs(std / STD - 1)
    # first order in 1 / num_steps: the error halves when the steps double
    assert errors[50] / errors[100] == pytest.approx(2, abs=0.25)
    assert errors[100] / errors[200] == pytest.approx(2, abs=0.25)
    settings = SamplerSettings(sampler=sampler, num_steps=50)
    for prediction in ("eps", "v"):
        assert moments(settings, prediction) == pytest.approx(moments(settings), abs=1e-4)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_converges_on_the_linear_schedule_too(sampler: str) -> None:
    """At t = 1 a trace of the data is left, which pure noise lacks; what is lost of the mean is known.

    The exact flow takes z_1 to mean + (z_1 - alpha mean) std / sqrt(alpha^2 std^2 + sigma^2); ancestral
    sampling forgets where it started.
    """
    schedule = LinearSchedule()
    one = torch.ones(1, dtype=torch.float64)
    alpha, sigma = schedule.alpha(one).item(), schedule.sigma(one).item()
    lost = alpha * STD / math.hypot(alpha * STD, sigma) if sampler == "ddim" else 0.0
    errors = {}
    for num_steps in (100, 200):
        mean, std = moments(SamplerSettings(sampler=sampler, num_steps=num_steps), schedule=schedule)
        assert mean == pytest.approx(MEAN * (1 - lost), abs=5e-5)
        errors[num_steps] = abs(std / STD - 1)
    assert errors[200] < 0.07
    assert 1.6 < errors[100] / errors[200] < 2.1
    settings = SamplerSettings(sampler=sampler, num_steps=100)
    for prediction in ("eps", "v"):
        same = moments(settings, prediction, schedule)
        assert same == pytest.approx(moments(settings, schedule=schedule), abs=1e-4)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_guidance_acts_within_its_interval_alone(sampler: str) -> None:
    """Ten steps at t = 1, 0.9 .. 0.1; each is the guided or the plain denoiser's, by hand."""

    def run(low: float, high: float, w: float = 4.0) -> tuple[Tensor, list[int]]:
        settings = SamplerSettings(sampler=sampler, num_steps=10, gamma=0.4, eta=0.4)
        denoiser = make(2, guidance_weight=w, threshold="static")
        context = denoiser.context[:2]
        limited = replace(denoiser, guidance_t_min=low, guidance_t_max=high, plain_context=context)
        rows: list[int] = []
        network = limited.network
        original = network.__class__.__call__

        def noted(z: Tensor, *arguments: Any, **named: Any) -> Tensor:
            rows.append(len(z))
            return original(network, z, *arguments, **named)  # type: ignore[arg-type]

        limited = replace(limited, network=Noted(network, noted))  # type: ignore[arg-type]
        return sample(limited, (1, 4, 4), SampleNoise([1, 2], "base", "cpu"), settings), rows

    everywhere, rows = run(0.0, 1.0)
    assert rows == [4] * 10
    nowhere, rows = run(0.95, 0.95)
    assert rows == [2] * 10
    plain, _ = run(0.0, 1.0, w=1.0)
    assert torch.equal(nowhere, plain)
    middle, rows = run(0.35, 0.75)
    assert rows == [2, 2, 2, 4, 4, 4, 4, 2, 2, 2]
    assert not torch.equal(middle, plain)
    assert not torch.equal(middle, everywhere)
    # the same walk by hand
    settings = SamplerSettings(sampler=sampler, num_steps=10, gamma=0.4, eta=0.4)
    noise = SampleNoise([1, 2], "base", "cpu")
    guided, alone = (make(2, guidance_weight=w, threshold="static") for w in (4.0, 1.0))
    z = noise.normal((1, 4, 4))
    times = time_grid(10).tolist()
    for t, s in itertools.pairwise(times[:-1]):
        denoiser = guided if 0.35 <= t <= 0.75 else alone
        z = SAMPLERS[sampler](denoiser(z, t), z, t, s, denoiser.schedule, noise, settings)
    assert torch.equal(alone(z, times[-2]).x0, middle)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_sampler_step_is_finite_at_both_ends(sampler: str) -> None:
    schedule, step = CosineSchedule(), SAMPLERS[sampler]
    z = torch.ones(1, 1, 2, 2)
    for settings in (
        SamplerSettings(sampler=sampler, gamma=0.5, eta=0.5),
        SamplerSettings(sampler=sampler, gamma=1.0, eta=1.0),
    ):
        for t, s in ((1.0, 0.999), (1.0, 1e-6), (1.0, 1 - 1e-9), (1e-6, 0.0), (1.0, 0.0)):
            noise = SampleNoise([0], "base", "cpu")
            z_s = step(Prediction(x0=z / 2, eps=z), z, t, s, schedule, noise, settings)
            assert z_s.isfinite().all()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_weight_one_is_conditional_only_and_no_weight_moves_the_random_numbers(sampler: str) -> None:
    settings = SamplerSettings(sampler=sampler, num_steps=5, gamma=0.4, eta=0.4)
    images, states = {}, {}
    for threshold in ("static", "dynamic"):
        for w in (1.0, 1.0000001, 6.0):
            noise = SampleNoise([3, 1, 2], "base", "cpu")
            denoiser = make(3, guidance_weight=w, threshold=threshold)
            images[threshold, w] = sample(denoiser, (1, 4, 4), noise, settings)
            states[threshold, w] = torch.stack([generator.get_state() for generator in noise.generators])
    for state in states.values():
        assert torch.equal(state, states["static", 1.0])
    for threshold in ("static", "dynamic"):
        torch.testing.assert_close(images[threshold, 1.0], images[threshold, 1.0000001])
        assert not torch.equal(images[threshold, 1.0], images[threshold, 6.0])
        # the same walk by hand, with the conditional network alone
        noise = SampleNoise([3, 1, 2], "base", "cpu")
        denoiser = make(3, threshold=threshold)
        z = noise.normal((1, 4, 4))
        for t, s in ((1.0, 0.8), (0.8, 0.6), (0.6, 0.4), (0.4, 0.2)):
            z = SAMPLERS[sampler](denoiser(z, t), z, t, s, denoiser.schedule, noise, settings)
        assert torch.equal(denoiser(z, 0.2).x0, images[threshold, 1.0])


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("batch_size", [1, 3, 8])
def test_a_sample_does_not_depend_on_its_batch(sampler: str, batch_size: int) -> None:
    settings = SamplerSettings(sampler=sampler, num_steps=4, gamma=0.3, eta=0.7)

    def run(seeds: list[int]) -> Tensor:
        noise = SampleNoise(seeds, "base", "cpu")
        return sample(make(len(seeds), guidance_weight=2.0), (3, 5, 5), noise, settings)

    seeds = [5, 2, 8, 1, 9, 3, 7, 4]
    together = dict(zip(seeds, run(seeds), strict=True))
    for start in range(0, 8, batch_size):
        chunk = seeds[::-1][start : start + batch_size]
        for seed, image in zip(chunk, run(chunk), strict=True):
            torch.testing.assert_close(image, together[seed], rtol=0, atol=1e-6)


@pytest.mark.parametrize("sampler", SAMPLERS)
@pytest.mark.parametrize("w", [1.0, 3.0])
def test_one_forward_a_step_and_the_last_step_returns_x0(sampler: str, w: float) -> None:
    denoiser = make(2, guidance_weight=w, threshold="static")
    settings = SamplerSettings(sampler=sampler, num_steps=7)
    x0 = sample(denoiser, (1, 3, 3), SampleNoise([0, 1], "base", "cpu"), settings)
    assert isinstance(denoiser.network, GaussianNetwork)
    assert denoiser.network.num_forwards == 7
    assert x0.abs().max() <= 1
    z = SampleNoise([0, 1], "base", "cpu").normal((1, 3, 3))
    settings = SamplerSettings(sampler=sampler, num_steps=1)
    one_step = sample(denoiser, (1, 3, 3), SampleNoise([0, 1], "base", "cpu"), settings)
    assert torch.equal(one_step, denoiser(z, 1.0).x0)


@pytest.mark.parametrize(
    ("settings", "draws"),
    [
        (SamplerSettings(sampler="ddim", num_steps=6), 1),
        (SamplerSettings(sampler="ddim", num_steps=6, eta=0.5), 6),
        (SamplerSettings(sampler="ddpm", num_steps=6), 6),
    ],
)
def test_only_steps_that_need_noise_draw_it(settings: SamplerSettings, draws: int) -> None:
    noise = Impulses(6)
    sample(make(7), (1, 1, 1), noise, settings)
    assert noise.drawn == draws


def step_deviation(settings: SamplerSettings, t: float, s: float) -> float:
    """Standard deviation of the noise that one step adds."""
    zero, noise = torch.zeros(2, 1, 1, 1, dtype=torch.float64), Impulses(1)
    prediction = Prediction(x0=zero, eps=zero)
    z_s = SAMPLERS[settings.sampler](prediction, zero, t, s, CosineSchedule(), noise, settings)
    return z_s[1].item()


def test_eta_scales_the_deviation_and_eta_one_is_small_ancestral() -> None:
    t, s = 0.6, 0.5
    small = step_deviation(SamplerSettings(sampler="ddpm", gamma=0.0), t, s)
    for eta in (0.25, 0.5, 1.0):
        deviation = step_deviation(SamplerSettings(sampler="ddim", eta=eta), t, s)
        assert deviation == pytest.approx(eta * small, rel=1e-6)
    for num_steps in (10, 25):
        ddim = moments(SamplerSettings(sampler="ddim", eta=1.0, num_steps=num_steps))
        ddpm = moments(SamplerSettings(sampler="ddpm", gamma=0.0, num_steps=num_steps))
        assert ddim == pytest.approx(ddpm, abs=1e-6)


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.5, 1.0])
def test_gamma_goes_between_the_discrete_posterior_variances(gamma: float) -> None:
    t, s = 0.6, 0.5
    alpha_bar_t, alpha_bar_s = math.cos(math.pi / 2 * t) ** 2, math.cos(math.pi / 2 * s) ** 2
    # DDPM's beta_t and beta-tilde_t (Ho et al. 2020, eq. 7), in its variance-preserving form
    beta = 1 - alpha_bar_t / alpha_bar_s
    small, large = beta * (1 - alpha_bar_s) / (1 - alpha_bar_t), beta
    deviation = step_deviation(SamplerSettings(sampler="ddpm", gamma=gamma), t, s)
    assert deviation**2 == pytest.approx(small ** (1 - gamma) * large**gamma, rel=1e-6)


def test_ddpm_mean_is_the_discrete_posterior_mean() -> None:
    t, s = 0.6, 0.5
    alpha_bar_t, alpha_bar_s = math.cos(math.pi / 2 * t) ** 2, math.cos(math.pi / 2 * s) ** 2
    beta = 1 - alpha_bar_t / alpha_bar_s
    x0, z = torch.full((1, 1, 1, 1), 0.7).double(), torch.full((1, 1, 1, 1), -1.3).double()
    prediction = Prediction(x0=x0, eps=torch.full_like(z, torch.nan))
    noise = Impulses(1)
    z_s = SAMPLERS["ddpm"](prediction, z, t, s, CosineSchedule(), noise, SamplerSettings(sampler="ddpm"))[0]
    expected = (
        math.sqrt(alpha_bar_s) * beta / (1 - alpha_bar_t) * 0.7
        + math.sqrt(1 - beta) * (1 - alpha_bar_s) / (1 - alpha_bar_t) * -1.3
    )
    assert z_s.item() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("guidance_weight", -1.0, "guidance_weight=-1: write a number of at least 0"),
        ("guidance_weight", math.nan, "guidance_weight=nan: write a number of at least 0"),
        ("guidance_weight", "high", "guidance_weight='high': write a number"),
        ("threshold", "foo", "threshold='foo' does not exist: write one of none, static, dynamic"),
        ("percentile", 99.5, r"percentile=99\.5 .* is a fraction: write 0\.995"),
        ("interpolation", "cubic", "interpolation='cubic' does not exist"),
        ("sampler", "euler", "sampler='euler' does not exist: write one of ddpm, ddim"),
        ("num_steps", 0, "num_steps=0: write a whole number"),
        ("num_steps", 2.5, r"num_steps=2\.5: write a whole number"),
        ("gamma", 1.5, r"gamma=1\.5: write a number from 0 to 1"),
        ("eta", -0.5, r"eta=-0\.5: write a number from 0 to 1"),
        ("eta", None, "eta=None: write a number"),
        ("aug_level", 1.1, r"aug_level=1\.1: write a number from 0 to 1"),
        ("guidance_t_max", 2, "guidance_t_max=2: write a number from 0 to 1"),
    ],
)
def test_every_field_is_checked(field: str, value: object, message: str) -> None:
    values: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=message):
        SamplerSettings(**values)


def test_an_interval_that_ends_before_it_starts_is_refused() -> None:
    with pytest.raises(ValueError, match=r"guidance_t_min=0\.8: .* up to guidance_t_max, which is 0\.2"):
        SamplerSettings(guidance_t_min=0.8, guidance_t_max=0.2)
