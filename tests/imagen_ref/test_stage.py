import itertools
import json
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import imagen_ref.stage as stage_module
from imagen_ref.augmentation import AUGMENTATION_SCHEDULE, augment
from imagen_ref.noise import SampleNoise
from imagen_ref.parameterization import eps_from_x0, to_x0
from imagen_ref.precision import cast_once
from imagen_ref.resize import resize, to_float, to_uint8
from imagen_ref.samplers import SamplerSettings
from imagen_ref.schedules import time_grid
from imagen_ref.stage import Stage, StageConfig, save_stage, stage_config
from imagen_ref.text.embedding import TextEmbedding, TextEncoder, null_embedding
from imagen_ref.unet import UNetConfig

PROMPTS = [
    "a red circle",
    "two blue squares and a star",
    "",
    "cross",
    "a star below a ring",
    "ring",
    "red red red",
    "a",
]
SEEDS = [3, 1, 4, 1, 5, 92, 6, 5]
GUIDED = SamplerSettings(guidance_weight=3.0, threshold="dynamic", sampler="ddpm", num_steps=4, aug_level=0.3)


@pytest.fixture
def text(encoder: TextEncoder) -> TextEmbedding:
    return encoder.encode(PROMPTS)


@pytest.fixture(scope="module")
def low_res() -> NDArray[np.uint8]:
    return np.random.default_rng(0).integers(0, 256, (8, 8, 8, 3), dtype=np.uint8)


class Watched(nn.Module):
    """A network that notes every call; with `again` it reads the text anew at each of them."""

    def __init__(self, inner: nn.Module, *, again: bool = False) -> None:
        super().__init__()
        self.inner, self.again = inner, again
        self.conditioned = 0
        self.calls: list[dict[str, Any]] = []

    def condition(self, text: TextEmbedding) -> Any:
        self.conditioned += 1
        return text if self.again else self.inner.condition(text)  # type: ignore[operator]

    def forward(
        self,
        z: Tensor,
        logsnr: Tensor,
        context: Any,
        low_res: Tensor | None = None,
        aug_logsnr: Tensor | None = None,
    ) -> Tensor:
        self.calls.append({"z": z, "low_res": low_res, "aug_logsnr": aug_logsnr})
        context = self.inner.condition(context) if self.again else context  # type: ignore[operator]
        out: Tensor = self.inner(z, logsnr, context, low_res, aug_logsnr)
        return out


def watch(stage: Stage, *, again: bool = False) -> tuple[Stage, Watched]:
    watched = Watched(stage.network, again=again)
    return Stage(stage.config, watched), watched  # type: ignore[arg-type]


def assert_same_pixels(got: NDArray[np.uint8], expected: NDArray[np.uint8]) -> None:
    """Equal up to one level in at most 0.1 % of the values."""
    difference = np.abs(got.astype(int) - expected.astype(int))
    assert difference.max() <= 1
    assert (difference > 0).mean() <= 1e-3


class TestGuidanceOff:
    def test_is_the_conditional_model_bitwise(self, base: Stage, text: TextEmbedding) -> None:
        settings = replace(GUIDED, guidance_weight=1.0, threshold="static", sampler="ddim")
        images = base.sample(text, SEEDS, settings)
        # The conditional model by hand: DDIM from t = 1 to 0 on the network's own output.
        schedule, context = base.config.make_schedule(), base.network.condition(text)
        z = SampleNoise(SEEDS, "base", "cpu").normal((3, 8, 8))
        for t, s in itertools.pairwise(time_grid(settings.num_steps).tolist()):
            now, then = (torch.tensor(time, dtype=torch.float64) for time in (t, s))
            alpha, sigma = schedule.alpha(now).item(), schedule.sigma(now).item()
            out = base.network(z, torch.full((8,), schedule.logsnr(now).item()), context)
            x = to_x0("eps", out, z, alpha, sigma).clamp(-1, 1)
            z = schedule.alpha(then).item() * x + schedule.sigma(then).item() * eps_from_x0(
                x, z, alpha, sigma
            )
        assert np.array_equal(images, to_uint8(x).numpy())
        assert not np.array_equal(images, base.sample(text, SEEDS, replace(settings, guidance_weight=3.0)))

    def test_runs_the_conditional_rows_alone(self, base: Stage, text: TextEmbedding) -> None:
        for weight, rows in ((1.0, 8), (0.0, 16), (3.0, 16)):
            stage, watched = watch(base)
            stage.sample(text, SEEDS, replace(GUIDED, guidance_weight=weight))
            assert [len(call["z"]) for call in watched.calls] == [rows] * GUIDED.num_steps

    @pytest.mark.parametrize("sampler", ["ddpm", "ddim"])
    def test_draws_the_same_random_numbers(
        self,
        base: Stage,
        sr: Stage,
        text: TextEmbedding,
        low_res: NDArray[np.uint8],
        sampler: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        sources: list[SampleNoise] = []

        class Noted(SampleNoise):
            def __init__(self, *args: Any) -> None:
                super().__init__(*args)
                sources.append(self)

        monkeypatch.setattr(stage_module, "SampleNoise", Noted)
        for stage, images in ((base, None), (sr, low_res)):
            sources.clear()
            for weight, mode in ((1.0, "dynamic"), (0.0, "static"), (5.0, "none"), (5.0, "dynamic")):
                settings = replace(
                    GUIDED, guidance_weight=weight, threshold=mode, sampler=sampler, num_steps=3
                )
                start = None if images is None else images[:2]
                stage.sample(text[:2], SEEDS[:2], settings, low_res=start)
            assert len(sources) == 4
            states = [torch.stack([one.get_state() for one in source.generators]) for source in sources]
            assert all(torch.equal(state, states[0]) for state in states)
            untouched = SampleNoise(SEEDS, stage.config.name, "cpu").generators[0].get_state()
            assert not torch.equal(states[0][0], untouched)


class TestBatch:
    @pytest.mark.parametrize("size", [1, 3])
    @pytest.mark.parametrize("weight", [1.0, 3.0])
    def test_neither_size_nor_order_matters(
        self,
        base: Stage,
        sr: Stage,
        encoder: TextEncoder,
        low_res: NDArray[np.uint8],
        size: int,
        weight: float,
    ) -> None:
        settings = replace(GUIDED, guidance_weight=weight)
        order = [5, 2, 7, 0, 3, 6, 1, 4]
        for stage, start in ((base, None), (sr, low_res)):
            whole = stage.sample(encoder.encode(PROMPTS), SEEDS, settings, low_res=start)
            parts = np.empty_like(whole)
            for first in range(0, 8, size):
                rows = order[first : first + size]
                # Encoded by themselves: the padding differs too.
                parts[rows] = stage.sample(
                    encoder.encode([PROMPTS[row] for row in rows]),
                    [SEEDS[row] for row in rows],
                    settings,
                    low_res=None if start is None else start[rows],
                )
            assert_same_pixels(parts, whole)
            # Images of one colour, or at the limits everywhere, would pass as well.
            assert whole.std(axis=(1, 2)).min() > 5
            assert np.isin(whole, (0, 255), invert=True).mean() > 0.3

    def test_same_prompt_other_seed_is_another_image(self, base: Stage, encoder: TextEncoder) -> None:
        text = encoder.encode(["a red circle"] * 3)
        images = base.sample(text, [1, 2, 1], GUIDED)
        assert np.array_equal(images[0], images[2])
        assert np.abs(images[0].astype(int) - images[1]).mean() > 10

    def test_stages_do_not_share_their_noise(self, base: Stage, text: TextEmbedding) -> None:
        renamed = Stage(replace(base.config, name="other"), base.network)
        assert not np.array_equal(base.sample(text, SEEDS, GUIDED), renamed.sample(text, SEEDS, GUIDED))


def test_text_is_read_once_a_stage_and_not_once_a_step(base: Stage, text: TextEmbedding) -> None:
    once, watched_once = watch(base)
    every, watched_every = watch(base, again=True)
    images = once.sample(text, SEEDS, GUIDED)
    assert np.array_equal(images, every.sample(text, SEEDS, GUIDED))
    assert watched_once.conditioned == 1
    assert len(watched_every.calls) == GUIDED.num_steps


class TestAugmentation:
    def test_is_drawn_once_for_all_steps_and_both_halves(
        self, sr: Stage, text: TextEmbedding, low_res: NDArray[np.uint8]
    ) -> None:
        stage, watched = watch(sr)
        stage.sample(text, SEEDS, GUIDED, low_res=low_res)
        # Noise comes after scaling to [-1, 1], at the low resolution, from the sample's own generator.
        noise = SampleNoise(SEEDS, "sr16", "cpu").normal((3, 8, 8))
        x = to_float(torch.from_numpy(low_res))
        expected = resize(augment(x, torch.full((8,), GUIDED.aug_level), noise)[0], 16)
        level = AUGMENTATION_SCHEDULE.logsnr(torch.tensor(GUIDED.aug_level))
        assert len(watched.calls) == GUIDED.num_steps
        for call in watched.calls:
            for half in call["low_res"].chunk(2):
                assert torch.equal(half, expected)
            assert torch.equal(call["aug_logsnr"], level.expand(16))

    def test_level_zero_shows_the_image_itself(
        self, sr: Stage, text: TextEmbedding, low_res: NDArray[np.uint8]
    ) -> None:
        stage, watched = watch(sr)
        stage.sample(text, SEEDS, replace(GUIDED, aug_level=0.0, guidance_weight=1.0), low_res=low_res)
        assert torch.equal(watched.calls[0]["low_res"], resize(to_float(torch.from_numpy(low_res)), 16))

    def test_a_corruption_comes_before_it_and_is_not_told(
        self, sr: Stage, base: Stage, text: TextEmbedding, low_res: NDArray[np.uint8]
    ) -> None:
        stage, watched = watch(sr)
        images = stage.sample(text, SEEDS, replace(GUIDED, corruption=0.2), low_res=low_res)
        # The same as from images that were saved with such noise on them: all else is drawn as ever.
        noise = SampleNoise(SEEDS, "sr16 corruption", "cpu").normal((3, 8, 8))
        saved, _ = augment(to_float(torch.from_numpy(low_res)), torch.full((8,), 0.2), noise)
        again = sr.sample(text, SEEDS, GUIDED, low_res=to_uint8(saved).numpy())
        assert np.array_equal(images, again)
        assert not np.array_equal(images, sr.sample(text, SEEDS, GUIDED, low_res=low_res))
        level = AUGMENTATION_SCHEDULE.logsnr(torch.tensor(GUIDED.aug_level))
        assert torch.equal(watched.calls[0]["aug_logsnr"], level.expand(16))
        with pytest.raises(ValueError, match=r"starts from 8x8 images, got none"):
            sr.sample(text, SEEDS, replace(GUIDED, corruption=0.2))
        # A base has no such image.
        corrupted = base.sample(text, SEEDS, replace(GUIDED, corruption=0.2))
        assert np.array_equal(corrupted, base.sample(text, SEEDS, GUIDED))

    def test_pure_noise_hides_it(self, sr: Stage, text: TextEmbedding, low_res: NDArray[np.uint8]) -> None:
        settings = replace(GUIDED, aug_level=1.0)
        images = sr.sample(text, SEEDS, settings, low_res=low_res)
        other = sr.sample(text, SEEDS, settings, low_res=255 - low_res)
        assert np.abs(images.astype(int) - other).max() <= 1

    @pytest.mark.parametrize(
        ("images", "got"),
        [
            (None, "none"),
            (np.zeros((8, 4, 4, 3), np.uint8), "uint8 of 4x4x3; uint8 of 8x8x3 is needed"),
            (np.zeros((8, 8, 6, 3), np.uint8), "uint8 of 8x6x3"),
            (np.zeros((8, 8, 8, 4), np.uint8), "uint8 of 8x8x4"),
            (np.zeros((8, 8, 8), np.uint8), "uint8 of 8x8"),
            (np.zeros((8, 8, 8, 3), np.float32), "float32 of 8x8x3"),
        ],
    )
    def test_wrong_image_is_refused(
        self, sr: Stage, text: TextEmbedding, images: NDArray[np.uint8] | None, got: str
    ) -> None:
        with pytest.raises(ValueError, match=rf"stage sr16: it starts from 8x8 images, got {got}"):
            sr.sample(text, SEEDS, GUIDED, low_res=images)


def test_empty_prompt_is_sampled_without_text(base: Stage, encoder: TextEncoder) -> None:
    for weight in (1.0, 4.0):
        settings = replace(GUIDED, guidance_weight=weight)
        empty = base.sample(encoder.encode([""] * 3), [1, 2, 3], settings)
        assert_same_pixels(empty, base.sample(null_embedding(3, encoder.dim, length=4), [1, 2, 3], settings))
        # Guidance between twice the same changes nothing.
        assert_same_pixels(
            empty,
            base.sample(null_embedding(3, encoder.dim), [1, 2, 3], replace(GUIDED, guidance_weight=1.0)),
        )


def test_bfloat16_is_near_float32(base: Stage, text: TextEmbedding) -> None:
    settings = replace(GUIDED, guidance_weight=1.0)
    full = base.sample(text, SEEDS, settings).astype(int)
    half = base.sample(text, SEEDS, settings, precision="bfloat16").astype(int)
    assert 0 < np.abs(full - half).mean() < 8


@pytest.mark.parametrize("kind", ["base", "sr"])
def test_casting_the_weights_once_changes_no_bit(
    kind: str, base: Stage, sr: Stage, text: TextEmbedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside autocast's own casts at every step; the weights are float32 again afterwards."""
    stage = base if kind == "base" else sr
    low_res = None if kind == "base" else np.full((len(SEEDS), 8, 8, 3), 90, np.uint8)
    before = {name: tensor.clone() for name, tensor in stage.network.state_dict().items()}
    seen: list[torch.dtype] = []
    hook = stage.network.conv_out.register_forward_pre_hook(
        lambda module, _: seen.append(module.weight.dtype)  # type: ignore[func-returns-value]
    )
    once = stage.sample(text, SEEDS, GUIDED, low_res=low_res, precision="bfloat16")
    assert set(seen) == {torch.bfloat16}
    seen.clear()
    stage.sample(text, SEEDS, GUIDED, low_res=low_res)
    assert set(seen) == {torch.float32}
    hook.remove()
    for name, tensor in stage.network.state_dict().items():
        assert tensor.dtype == torch.float32
        assert torch.equal(tensor, before[name])
    monkeypatch.setattr(stage_module, "cast_once", lambda *_: nullcontext())
    each_time = stage.sample(text, SEEDS, GUIDED, low_res=low_res, precision="bfloat16")
    assert np.array_equal(once, each_time)


def test_weights_come_back_after_a_failure(base: Stage) -> None:
    weight = base.network.conv_in.weight
    casting = cast_once(base.network, torch.bfloat16)
    casting.__enter__()
    assert weight.dtype == torch.bfloat16
    assert not casting.__exit__(KeyError, KeyError(), None), "the failure goes on"
    assert weight.dtype == torch.float32


class TestCheckpoint:
    @pytest.fixture
    def path(self, base: Stage, tmp_path: Path) -> Path:
        path = tmp_path / "base.safetensors"
        save_stage(path, base.config, base.network.state_dict())
        return path

    def test_round_trip(self, path: Path, base: Stage, text: TextEmbedding) -> None:
        loaded = Stage.load(path)
        assert loaded.config == base.config
        assert len(loaded.weights_sha256) == 64
        state = loaded.network.state_dict()
        for name, tensor in base.network.state_dict().items():
            assert state[name].dtype == torch.float32
            assert torch.equal(state[name], tensor.half().float()), name
        assert all(tensor.dtype == torch.float16 for tensor in load_file(path).values())
        assert not any(parameter.requires_grad for parameter in loaded.network.parameters())
        assert not loaded.network.training
        images, expected = (one.sample(text, SEEDS, GUIDED).astype(int) for one in (loaded, base))
        assert np.abs(images - expected).mean() < 2

    def test_super_resolution_round_trip(self, sr: Stage, tmp_path: Path) -> None:
        save_stage(tmp_path / "sr16.safetensors", sr.config, sr.network.state_dict(), dtype=torch.float32)
        loaded = Stage.load(tmp_path / "sr16.safetensors")
        assert loaded.config == sr.config
        for name, tensor in sr.network.state_dict().items():
            assert torch.equal(loaded.network.state_dict()[name], tensor)

    def test_names_of_a_compiled_network_load(self, path: Path, base: Stage) -> None:
        state = {f"_orig_mod.{name}": tensor for name, tensor in base.network.state_dict().items()}
        compiled = path.with_name("compiled.safetensors")
        save_stage(compiled, base.config, state)
        assert compiled.read_bytes() == path.read_bytes()
        Stage.load(compiled)

    def test_same_weights_are_the_same_bytes(self, path: Path, base: Stage) -> None:
        """The hash of a checkpoint stands in run identities; the library alone orders metadata at random."""
        content = path.read_bytes()
        for _ in range(8):
            save_stage(path, base.config, base.network.state_dict())
            assert path.read_bytes() == content

    def test_saving_leaves_nothing_beside_the_file(self, path: Path) -> None:
        assert [one.name for one in path.parent.iterdir()] == ["base.safetensors"]

    def refuse(self, path: Path, match: str) -> None:
        with pytest.raises(ValueError, match=match) as caught:
            Stage.load(path)
        assert str(path) in str(caught.value)
        assert "\n" not in str(caught.value)

    def test_missing(self, tmp_path: Path) -> None:
        self.refuse(tmp_path / "none.safetensors", "there is no such file")

    @pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.999])
    def test_truncated(self, path: Path, share: float) -> None:
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        self.refuse(path, "damaged or cut short")

    def test_foreign_bytes(self, tmp_path: Path) -> None:
        (tmp_path / "x.safetensors").write_bytes(b"PK\x03\x04 a pickle in a zip file, say")
        self.refuse(tmp_path / "x.safetensors", "damaged or cut short")

    def test_foreign_weights(self, tmp_path: Path) -> None:
        save_file({"weight": torch.zeros(2)}, tmp_path / "x.safetensors")
        self.refuse(tmp_path / "x.safetensors", r"format None is not 'imagen_ref.stage/1'")

    @pytest.mark.parametrize("fault", ["lost", "extra", "reshaped"])
    def test_weights_of_another_network(self, path: Path, base: Stage, fault: str) -> None:
        state = dict(base.network.state_dict())
        if fault == "extra":
            state["another"] = torch.zeros(1)
        elif fault == "lost":
            del state["conv_out.bias"]
        else:
            state["conv_out.bias"] = torch.zeros(4)
        save_stage(path, base.config, state)
        self.refuse(path, "1 weights do not fit its configuration, among them (another|conv_out.bias)")


class TestConfig:
    def test_json_round_trip(self, base_config: StageConfig, sr_config: StageConfig) -> None:
        for config in (base_config, sr_config):
            assert stage_config(json.loads(json.dumps(config.to_json()))) == config

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"network": {"kind": "transformer"}}, r"network.kind: 'transformer' is not one of unet, eff"),
            ({"network": {"kind": "unet", "side": 8, "channels": 8, "depth": 2}}, r"stage base: .*depth"),
            ({"network": {"kind": "unet", "side": 8}}, r"stage base: .*channels"),
            ({"network": {}}, r"network.kind: None is not one of"),
            ({"dropout": 0.1}, r"stage base: .*dropout"),
            ({"prediction": "noise"}, r"prediction='noise'"),
        ],
    )
    def test_mistakes_are_named(self, base_config: StageConfig, change: dict[str, Any], match: str) -> None:
        with pytest.raises(ValueError, match=match):
            stage_config(base_config.to_json() | change)

    def test_later_settings_are_named_only_where_they_are_chosen(self, sr_config: StageConfig) -> None:
        """A checkpoint of before they came reads as their defaults, and keeps its bytes."""
        plain = sr_config.to_json()
        assert not plain.keys() & {"augmentation", "low_res_dropout", "crop_side"}
        assert not plain["network"].keys() & {"text_conditioning", "text_norm", "conv_skip"}
        network = replace(sr_config.network, text_norm=False, text_conditioning="mean_pooling")
        chosen = replace(
            sr_config,
            network=network,
            augmentation="blur",
            low_res_dropout=0.1,
            crop_side=8,
            schedule="linear",
        )
        said = chosen.to_json()
        assert (said["augmentation"], said["low_res_dropout"], said["crop_side"]) == ("blur", 0.1, 8)
        assert said["network"]["text_conditioning"] == "mean_pooling"
        assert said["network"]["text_norm"] is False
        assert stage_config(json.loads(json.dumps(said))) == chosen

    def test_crops_keep_the_factor_and_the_weights(self, sr_config: StageConfig) -> None:
        assert sr_config.on_crops is sr_config
        crops = replace(sr_config, crop_side=8).on_crops
        assert (crops.side, crops.low_res_side, crops.network.channels) == (8, 4, sr_config.network.channels)
        assert crops.crop_side is None

    @pytest.mark.parametrize(
        ("change", "match"),
        [
            ({"crop_side": 6}, r"crop_side: 6; write a multiple of 4 up to 16"),
            ({"crop_side": 20}, r"crop_side: 20; write a multiple of 4 up to 16"),
            ({"low_res_dropout": 1.0}, r"low_res_dropout: 1; write a share from 0 to below 1"),
            ({"augmentation": "jpeg"}, r"augmentation='jpeg' does not exist"),
        ],
    )
    def test_later_settings_are_checked(
        self, sr_config: StageConfig, change: dict[str, Any], match: str
    ) -> None:
        with pytest.raises(ValueError, match=match):
            replace(sr_config, **change)

    def test_a_base_stage_has_no_crops(self, base_config: StageConfig) -> None:
        with pytest.raises(ValueError, match=r"crop_side: 4, but stage base has no low-resolution image"):
            replace(base_config, crop_side=4)

    def test_network_is_required(self) -> None:
        with pytest.raises(ValueError, match=r"network.kind: None"):
            stage_config({"name": "base"})

    def test_low_resolution_must_fit(self, base_config: StageConfig, sr_config: StageConfig) -> None:
        with pytest.raises(ValueError, match=r"low_res_side: 5 does not divide the stage's side of 16"):
            replace(sr_config, low_res_side=5)
        with pytest.raises(ValueError, match=r"sr16: low_res_side=None, but its network needs"):
            replace(sr_config, low_res_side=None)
        with pytest.raises(ValueError, match=r"base: low_res_side=4, but its network takes no"):
            replace(base_config, low_res_side=4)
        assert isinstance(base_config.network, UNetConfig)
        with pytest.raises(ValueError, match=r"base: low_res_side=None, but its network needs"):
            replace(base_config, network=replace(base_config.network, low_res=True))


def test_blur_reaches_the_network(sr: Stage, text: TextEmbedding, low_res: NDArray[np.uint8]) -> None:
    blurring, watched = watch(Stage(replace(sr.config, augmentation="blur"), sr.network))
    blurring.sample(text, SEEDS, replace(GUIDED, aug_level=0.5), low_res=low_res)
    x = to_float(torch.from_numpy(low_res))
    expected, logsnr = augment(x, torch.full((8,), 0.5), x, kind="blur")
    for call in watched.calls:
        torch.testing.assert_close(call["low_res"][:8], resize(expected, 16))
        torch.testing.assert_close(call["aug_logsnr"][:8], logsnr)


def test_guidance_outside_its_interval_costs_one_half(base: Stage, text: TextEmbedding) -> None:
    stage, watched = watch(base)
    limited = replace(GUIDED, guidance_t_min=0.4, guidance_t_max=0.8)
    images = stage.sample(text, SEEDS, limited)
    assert [len(call["z"]) for call in watched.calls] == [8, 16, 16, 8]
    assert not np.array_equal(images, base.sample(text, SEEDS, GUIDED))
    never = replace(GUIDED, guidance_t_min=0.9, guidance_t_max=0.9)
    plain = replace(GUIDED, guidance_weight=1.0)
    assert np.array_equal(base.sample(text, SEEDS, never), base.sample(text, SEEDS, plain))


def test_another_width_of_text_is_refused(base: Stage) -> None:
    with pytest.raises(ValueError, match=r"states are 5 wide, this network was built for 12"):
        base.sample(null_embedding(1, 5), [0], GUIDED)
