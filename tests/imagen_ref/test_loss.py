from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from imagen_ref.augmentation import AUGMENTATION_SCHEDULE, augment
from imagen_ref.loss import Draw, diffusion_loss, draw, towards_noise
from imagen_ref.parameterization import PREDICTIONS
from imagen_ref.resize import resize, through_8_bits, to_float
from imagen_ref.stage import Stage, StageConfig
from imagen_ref.text.embedding import TextEmbedding, TextEncoder, null_embedding

PROMPTS = ["a red circle", "two squares", "ring", "a star below a ring"]


def drawn(config: StageConfig, *, text_dropout: float = 0.0, batch: int = 4) -> Draw:
    return draw(config, batch, text_dropout=text_dropout, generator=torch.Generator().manual_seed(3))


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randint(
        0, 256, (4, 16, 16, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )


class Oracle(nn.Module):
    """Knows the answer, plus `error`; notes what it was given."""

    def __init__(self, answer: Tensor, error: float) -> None:
        super().__init__()
        self.answer, self.error = answer, error
        self.given: dict[str, Any] = {}

    def condition(self, text: TextEmbedding) -> TextEmbedding:
        return text

    def forward(
        self,
        z: Tensor,
        logsnr: Tensor,
        context: TextEmbedding,
        low_res: Tensor | None = None,
        aug_logsnr: Tensor | None = None,
    ) -> Tensor:
        self.given = {"z": z, "logsnr": logsnr, "text": context, "low_res": low_res, "aug_logsnr": aug_logsnr}
        return self.answer + self.error


class TestDraw:
    def test_depends_on_its_generator_alone(self, sr_config: StageConfig) -> None:
        torch.manual_seed(1)
        first = drawn(sr_config, text_dropout=0.5)
        torch.manual_seed(2)
        second = drawn(sr_config, text_dropout=0.5)
        for name in Draw.__dataclass_fields__:
            assert torch.equal(getattr(first, name), getattr(second, name)), name

    def test_times_are_stratified(self, base_config: StageConfig) -> None:
        t = drawn(base_config, batch=32).t
        assert torch.equal((t * 32).floor().long(), torch.arange(32))
        assert (t * 32).frac().std() > 0.2

    def test_text_is_dropped_for_the_share_asked_for(self, base_config: StageConfig) -> None:
        # 4,000 draws of 0.1: standard error 0.0047.
        share = drawn(base_config, text_dropout=0.1, batch=4000).drop_text.float().mean()
        assert share.item() == pytest.approx(0.1, abs=0.02)
        assert not drawn(base_config, text_dropout=0.0).drop_text.any()
        assert drawn(base_config, text_dropout=1.0).drop_text.all()

    def test_dropping_does_not_shift_the_other_draws(self, base_config: StageConfig) -> None:
        one, other = drawn(base_config), drawn(base_config, text_dropout=1.0)
        assert torch.equal(one.eps, other.eps)
        assert torch.equal(one.aug_level, other.aug_level)

    def test_rows_of_it_are_rows_of_everything(self, sr_config: StageConfig) -> None:
        whole = drawn(sr_config, text_dropout=0.5, batch=6)
        part = whole[slice(2, 5)]
        for name in Draw.__dataclass_fields__:
            assert torch.equal(getattr(part, name), getattr(whole, name)[2:5]), name

    def test_levels_are_powers_of_the_uniform_ones(self, sr_config: StageConfig) -> None:
        def levels(power: float) -> Draw:
            generator = torch.Generator().manual_seed(3)
            return draw(sr_config, 500, text_dropout=0.1, generator=generator, aug_level_power=power)

        plain, cubed = drawn(sr_config, text_dropout=0.1, batch=500), levels(3.0)
        assert torch.equal(levels(1.0).aug_level, plain.aug_level)
        torch.testing.assert_close(cubed.aug_level, plain.aug_level**3)
        # The mean of u^3 is 1/4, its standard error here 0.013.
        assert cubed.aug_level.mean().item() == pytest.approx(0.25, abs=0.05)
        generator = torch.Generator().manual_seed(3)
        clean = draw(sr_config, 500, text_dropout=0.1, generator=generator, max_aug_level=0.0)
        assert not clean.aug_level.any()
        for name in ("t", "eps", "drop_text", "low_res_noise", "drop_low_res", "places"):
            assert torch.equal(getattr(cubed, name), getattr(plain, name)), name

    def test_low_res_is_dropped_for_the_stages_share(self, sr_config: StageConfig) -> None:
        # 4,000 draws of 0.2: standard error 0.0063.
        share = drawn(replace(sr_config, low_res_dropout=0.2), batch=4000).drop_low_res.float().mean()
        assert share.item() == pytest.approx(0.2, abs=0.026)
        assert not drawn(sr_config, batch=4000).drop_low_res.any()

    def test_every_sample_has_its_own_augmentation_level(self, sr_config: StageConfig) -> None:
        random = drawn(sr_config, batch=64)
        assert random.aug_level.unique().numel() == 64
        assert random.aug_level.min() < 0.1
        assert random.aug_level.max() > 0.9
        assert random.low_res_noise.shape == (64, 3, 8, 8)
        assert random.low_res_noise.std().item() == pytest.approx(1, abs=0.05)
        # A level tied to the time would show the network only clean images at low noise.
        assert abs(torch.corrcoef(torch.stack([random.aug_level, random.t]))[0, 1].item()) < 0.5


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_knowing_the_answer_costs_nothing(
    base_config: StageConfig, encoder: TextEncoder, images: Tensor, prediction: str
) -> None:
    config, random = replace(base_config, prediction=prediction), drawn(base_config)
    schedule, x = config.make_schedule(), resize(to_float(images), 8)
    alpha, sigma = (f(random.t).view(-1, 1, 1, 1) for f in (schedule.alpha, schedule.sigma))
    answer = {"eps": random.eps, "x0": x, "v": alpha * random.eps - sigma * x}[prediction]
    for error in (0.0, 0.5):
        oracle = Oracle(answer, error)
        loss = diffusion_loss(oracle, config, images, encoder.encode(PROMPTS), random)  # type: ignore[arg-type]
        assert loss.item() == pytest.approx(error**2, abs=1e-10)
    torch.testing.assert_close(oracle.given["z"], alpha * x + sigma * random.eps)
    torch.testing.assert_close(oracle.given["logsnr"], schedule.logsnr(random.t))
    assert oracle.given["low_res"] is None


def test_weight_turns_the_error_of_eps_into_that_of_v(
    base_config: StageConfig, encoder: TextEncoder, images: Tensor
) -> None:
    """For one z, an error e of eps is an error e / alpha of v; the cap holds where alpha is small."""
    random, text = drawn(base_config), encoder.encode(PROMPTS)
    alpha = base_config.make_schedule().alpha(random.t)
    oracle = Oracle(random.eps, 0.5)

    def loss(max_weight: float) -> float:
        return diffusion_loss(oracle, base_config, images, text, random, max_weight=max_weight).item()  # type: ignore[arg-type]

    assert loss(1e9) == pytest.approx((0.5 / alpha).square().mean().item(), rel=1e-5)
    cap = float(alpha.square().reciprocal()[2])
    expected = 0.25 * alpha.square().reciprocal().clamp(max=cap).mean().item()
    assert loss(cap) == pytest.approx(expected, rel=1e-5)
    assert loss(1.0) == pytest.approx(0.25, rel=1e-5)
    assert loss(1.0) < loss(cap) < loss(1e9)


def test_fresh_network_costs_the_mean_square_of_the_target(
    base_config: StageConfig, encoder: TextEncoder, images: Tensor
) -> None:
    random = drawn(base_config)
    loss = diffusion_loss(base_config.make_network(), base_config, images, encoder.encode(PROMPTS), random)
    assert loss.item() == pytest.approx(random.eps.square().mean().item(), rel=1e-6)


def test_super_resolution_sees_eight_bits_with_noise(
    sr_config: StageConfig, encoder: TextEncoder, images: Tensor
) -> None:
    random, x = drawn(sr_config), to_float(images)
    oracle = Oracle(torch.zeros(4, 3, 16, 16), 0.0)
    diffusion_loss(oracle, sr_config, images, encoder.encode(PROMPTS), random)  # type: ignore[arg-type]
    levels = ((resize(x, 8) + 1) * 127.5).round().clamp(0, 255)
    noisy, aug_logsnr = augment(levels / 127.5 - 1, random.aug_level, random.low_res_noise)
    torch.testing.assert_close(oracle.given["low_res"], resize(noisy, 16))
    torch.testing.assert_close(oracle.given["aug_logsnr"], aug_logsnr)
    assert oracle.given["aug_logsnr"].unique().numel() == 4


class TestLowRes:
    def given(
        self, config: StageConfig, encoder: TextEncoder, images: Tensor, random: Draw
    ) -> dict[str, Tensor]:
        oracle = Oracle(torch.zeros(4, 3, 16, 16), 0.0)
        diffusion_loss(oracle, config, images, encoder.encode(PROMPTS), random)  # type: ignore[arg-type]
        return oracle.given

    def test_a_dropped_one_is_black_and_called_pure_noise(
        self, sr_config: StageConfig, encoder: TextEncoder, images: Tensor
    ) -> None:
        random = drawn(sr_config)
        dropped = torch.tensor([False, True, False, True])
        whole = self.given(sr_config, encoder, images, random)
        got = self.given(sr_config, encoder, images, replace(random, drop_low_res=dropped))
        assert torch.equal(got["low_res"][dropped], torch.zeros(2, 3, 16, 16))
        pure = AUGMENTATION_SCHEDULE.logsnr(torch.ones(2))
        assert torch.equal(got["aug_logsnr"][dropped], pure)
        for name in ("low_res", "aug_logsnr"):
            assert torch.equal(got[name][~dropped], whole[name][~dropped])

    def test_the_stages_augmentation_corrupts_it(
        self, sr_config: StageConfig, encoder: TextEncoder, images: Tensor
    ) -> None:
        random = drawn(sr_config)
        blurred = self.given(replace(sr_config, augmentation="blur"), encoder, images, random)
        seen = through_8_bits(resize(to_float(images), 8))
        expected, _ = augment(seen, random.aug_level, random.low_res_noise, kind="blur")
        torch.testing.assert_close(blurred["low_res"], resize(expected, 16))
        noisy = self.given(sr_config, encoder, images, random)
        assert not torch.allclose(noisy["low_res"], blurred["low_res"], atol=0.1)


class TestText:
    def loss(self, stage: Stage, text: TextEmbedding, images: Tensor, dropped: list[bool]) -> float:
        random = replace(drawn(stage.config), drop_text=torch.tensor(dropped))
        return diffusion_loss(stage.network, stage.config, images, text, random).item()

    def test_dropped_is_null_and_kept_is_not(self, base: Stage, encoder: TextEncoder, images: Tensor) -> None:
        text = encoder.encode(PROMPTS)
        dropped = self.loss(base, text, images, [True] * 4)
        null = self.loss(base, null_embedding(4, encoder.dim), images, [False] * 4)
        assert dropped == pytest.approx(null, rel=1e-5)
        kept = self.loss(base, text, images, [False] * 4)
        assert abs(kept - dropped) > 1e-3
        one = self.loss(base, text, images, [False, True, False, False])
        assert abs(one - kept) > 1e-5
        assert abs(one - dropped) > 1e-5


def test_gradient_is_that_of_the_squared_error(
    base_config: StageConfig, encoder: TextEncoder, images: Tensor
) -> None:
    """d loss / d (bias of the last convolution) = 2 mean over pixels of (out - target) / 3 channels."""
    network, random = base_config.make_network(), drawn(base_config)
    diffusion_loss(network, base_config, images, encoder.encode(PROMPTS), random).backward()  # type: ignore[no-untyped-call]
    expected = -2 * random.eps.mean((0, 2, 3)) / 3  # a fresh network gives 0, the target is eps
    assert network.conv_out.bias is not None
    torch.testing.assert_close(network.conv_out.bias.grad, expected)


class TestTowardsNoise:
    def test_the_times_have_the_mixture_s_distribution(self) -> None:
        """Even times come out at the quantiles of 0.3 parts uniform on [0.8, 1] and 0.7 on [0, 1]."""
        t = torch.linspace(0, 1, 100_001, dtype=torch.float64)
        moved = towards_noise(t, 0.3).numpy()
        expected = 0.7 * moved + 0.3 * np.clip((moved - 0.8) / 0.2, 0, 1)
        np.testing.assert_allclose(expected, t.numpy(), atol=1e-12)
        assert moved[0] == 0
        assert moved[-1] == 1

    def test_none_and_all(self) -> None:
        t = torch.rand(1000, generator=torch.Generator().manual_seed(0))
        assert torch.equal(towards_noise(t, 0.0), t)
        torch.testing.assert_close(towards_noise(t, 1.0), 0.8 + 0.2 * t)

    def test_a_step_draws_such_times(self, base_config: StageConfig) -> None:
        generator = torch.Generator().manual_seed(0)
        times = draw(base_config, 1000, text_dropout=0.1, generator=generator, noisy_share=0.5).t
        assert float((times >= 0.8).float().mean()) == pytest.approx(0.6, abs=0.002)
