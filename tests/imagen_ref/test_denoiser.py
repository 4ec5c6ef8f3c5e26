from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from imagen_ref.denoiser import Denoiser, Network, Prediction, guided_context
from imagen_ref.parameterization import PREDICTIONS, to_x0, training_target
from imagen_ref.schedules import SCHEDULES, CosineSchedule, Schedule, make_schedule
from imagen_ref.text.embedding import TextEmbedding, null_embedding
from imagen_ref.thresholding import THRESHOLDS

SHAPE = (4, 3, 4, 4)


@dataclass
class MeanNetwork:
    """The exact denoiser of images N(m, 0.5^2), where the text says m: the sum of its visible tokens.

    It notes every call, so that a test can see what went in.
    """

    prediction: str = "eps"
    calls: list[dict[str, Tensor | None]] = field(default_factory=list)

    def condition(self, text: TextEmbedding) -> Tensor:
        return (text.states * text.mask[..., None]).sum(1)

    def __call__(
        self,
        z: Tensor,
        logsnr: Tensor,
        context: Tensor,
        low_res: Tensor | None = None,
        aug_logsnr: Tensor | None = None,
    ) -> Tensor:
        self.calls.append(
            {"z": z, "logsnr": logsnr, "context": context, "low_res": low_res, "aug_logsnr": aug_logsnr}
        )
        alpha = logsnr.double().sigmoid().sqrt().view(-1, 1, 1, 1)
        sigma = logsnr.double().neg().sigmoid().sqrt().view(-1, 1, 1, 1)
        mean = context.double()[:, :, None, None]
        x = mean + alpha * 0.25 / (alpha**2 * 0.25 + sigma**2) * (z - alpha * mean)
        return training_target(self.prediction, x, (z - alpha * x) / sigma, alpha, sigma).float()


def prompts(length: int = 2) -> TextEmbedding:
    states = torch.randn(SHAPE[0], length, 3, generator=torch.Generator().manual_seed(1))
    return TextEmbedding(states=states, mask=torch.ones(SHAPE[0], length, dtype=torch.bool))


def noisy() -> Tensor:
    return torch.randn(SHAPE, generator=torch.Generator().manual_seed(0))


def make(
    network: Network,
    *,
    prediction: str = "eps",
    guidance_weight: float = 1.0,
    threshold: str = "none",
    schedule: Schedule | None = None,
    low_res: Tensor | None = None,
    aug_logsnr: Tensor | None = None,
    autocast_dtype: torch.dtype | None = None,
) -> Denoiser:
    return Denoiser(
        network=network,
        schedule=schedule or CosineSchedule(),
        prediction=prediction,
        context=guided_context(network, prompts(), null_embedding(SHAPE[0], 3), guidance_weight),
        guidance_weight=guidance_weight,
        threshold=threshold,
        percentile=0.9,
        interpolation="linear",
        low_res=low_res,
        aug_logsnr=aug_logsnr,
        autocast_dtype=autocast_dtype,
    )


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_every_prediction_gives_the_closed_form(kind: str, name: str) -> None:
    schedule = make_schedule(name, -20.0, 20.0)
    t = torch.tensor(0.4, dtype=torch.float64)
    alpha, sigma = schedule.alpha(t).item(), schedule.sigma(t).item()
    mean = prompts().states.sum(1)[:, :, None, None]
    expected = mean + alpha * 0.25 / (alpha**2 * 0.25 + sigma**2) * (noisy() - alpha * mean)
    x0, eps = make(MeanNetwork(kind), prediction=kind, schedule=schedule)(noisy(), 0.4)
    torch.testing.assert_close(x0, expected, rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(eps, (noisy() - alpha * expected) / sigma, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", THRESHOLDS)
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_weight_one_is_the_conditional_network_bitwise_in_one_forward(kind: str, mode: str) -> None:
    network = MeanNetwork(kind)
    one = make(network, prediction=kind, threshold=mode)(noisy(), 0.7)
    assert [len(call["z"]) for call in network.calls if call["z"] is not None] == [SHAPE[0]]
    schedule, t = CosineSchedule(), torch.tensor(0.7, dtype=torch.float64)
    logsnr = torch.full((SHAPE[0],), schedule.logsnr(t).item())
    out = network(noisy(), logsnr, network.condition(prompts()))
    x0 = to_x0(kind, out, noisy(), schedule.alpha(t).item(), schedule.sigma(t).item())
    assert torch.equal(one.x0, THRESHOLDS[mode](x0, 0.9, "linear"))


@pytest.mark.parametrize("w", [0.0, 1.35, 7.0])
def test_guidance_acts_on_eps_for_every_prediction_and_channel(w: float) -> None:
    cond = make(MeanNetwork(), guidance_weight=1.0)(noisy(), 0.5)
    null = make(MeanNetwork(), guidance_weight=0.0)(noisy(), 0.5)
    expected = w * cond.eps + (1 - w) * null.eps
    for kind in PREDICTIONS:
        network = MeanNetwork(kind)
        guided = make(network, prediction=kind, guidance_weight=w)(noisy(), 0.5)
        assert len(network.calls) == 1
        torch.testing.assert_close(guided.eps, expected, rtol=1e-4, atol=1e-4)


def test_both_halves_see_the_same_image_level_and_low_res() -> None:
    network, batch = MeanNetwork(), SHAPE[0]
    low_res, aug_logsnr = noisy().flip(0), torch.arange(batch).float()
    make(network, guidance_weight=3.0, low_res=low_res, aug_logsnr=aug_logsnr)(noisy(), 0.5)
    for name in ("z", "logsnr", "low_res", "aug_logsnr"):
        value = network.calls[0][name]
        assert value is not None
        assert torch.equal(value[:batch], value[batch:])
    context = network.calls[0]["context"]
    assert context is not None
    torch.testing.assert_close(context[:batch], prompts().states.sum(1))
    assert (context[batch:] == 0).all()


@pytest.mark.parametrize("mode", THRESHOLDS)
@pytest.mark.parametrize("w", [1.0, 6.0])
def test_eps_is_derived_from_the_thresholded_x0(mode: str, w: float) -> None:
    z = 3 * noisy()
    x0, eps = make(MeanNetwork(), guidance_weight=w, threshold=mode)(z, 0.5)
    half = 0.5**0.5
    torch.testing.assert_close(half * x0 + half * eps, z)
    raw = make(MeanNetwork(), guidance_weight=w)(z, 0.5)
    moved = (x0 - raw.x0).abs().max()
    assert moved > 0.1 if mode != "none" else moved == 0


def test_threshold_comes_after_guidance() -> None:
    raw = make(MeanNetwork(), guidance_weight=6.0)(noisy(), 0.5).x0
    for mode, function in THRESHOLDS.items():
        x0 = make(MeanNetwork(), guidance_weight=6.0, threshold=mode)(noisy(), 0.5).x0
        assert torch.equal(x0, function(raw, 0.9, "linear"))


@pytest.mark.parametrize("mode", THRESHOLDS)
@pytest.mark.parametrize("kind", PREDICTIONS)
def test_both_ends_of_time_are_finite(kind: str, mode: str) -> None:
    for t in (1.0, 1e-6):
        x0, eps = make(MeanNetwork(kind), prediction=kind, threshold=mode, guidance_weight=10.0)(noisy(), t)
        assert x0.isfinite().all()
        assert eps.isfinite().all()


def test_autocast_reaches_the_forward_and_nothing_else() -> None:
    class MatrixNetwork(MeanNetwork):
        def __call__(self, z: Tensor, *args: object, **kwargs: object) -> Tensor:
            self.calls.append({"product": z @ z})
            return z

    network = MatrixNetwork()
    prediction: Prediction = make(network, autocast_dtype=torch.bfloat16)(noisy(), 0.5)
    make(network)(noisy(), 0.5)
    dtypes = [call["product"].dtype for call in network.calls if call["product"] is not None]
    assert dtypes == [torch.bfloat16, torch.float32]
    assert prediction.x0.dtype == prediction.eps.dtype == torch.float32


def test_context_is_text_alone_at_weight_one_and_text_then_null_otherwise() -> None:
    class Keeper(MeanNetwork):
        def condition(self, text: TextEmbedding) -> TextEmbedding:  # type: ignore[override]
            return text

    text = prompts(length=3)
    for length in (1, 5):
        null = null_embedding(1, 3, length=length)
        assert guided_context(Keeper(), text, null, 1.0) is text
        both = guided_context(Keeper(), text, null, 2.0)
        longest = max(3, length)
        assert both.states.shape == (8, longest, 3)
        assert torch.equal(both.states[:4, :3], text.states)
        assert both.mask.sum(1).tolist() == [3, 3, 3, 3, 0, 0, 0, 0]
        assert (both.states[~both.mask] == 0).all()


def test_mistakes_are_named() -> None:
    with pytest.raises(ValueError, match=r"prediction='noise' does not exist"):
        make(MeanNetwork(), prediction="noise")
    with pytest.raises(ValueError, match=r"threshold='clip' does not exist"):
        make(MeanNetwork(), threshold="clip")
