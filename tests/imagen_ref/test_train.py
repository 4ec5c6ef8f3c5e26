import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from plain_images import Plains
from safetensors.torch import load_file

from imagen_ref.stage import Stage, StageConfig
from imagen_ref.text.embedding import TextEmbedding, TextEncoder
from imagen_ref.text_conditioning import Whitening
from imagen_ref.train import Progress, TrainConfig, steps_done, train_stage
from imagen_ref.training.start import reads_text
from imagen_ref.unet import UNetConfig

CONFIG = TrainConfig(
    num_steps=7,
    batch_size=4,
    learning_rate=3e-3,
    warmup_steps=2,
    decay_steps=3,
    ema_decay=0.9,
    checkpoint_every=2,
    text_dropout=0.3,
)


class Stopped(Exception):
    pass


def stop_at(step: int) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if progress.step == step:
            raise Stopped

    return report


def state_of(folder: Path) -> dict[str, Any]:
    state: dict[str, Any] = torch.load(folder / "training.pt", weights_only=True)
    return state


def assert_equal(one: Any, other: Any) -> None:
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for left, right in zip(one, other, strict=True):
            assert_equal(left, right)
    else:
        assert one == other


class TestResume:
    @pytest.mark.parametrize("kind", ["base", "sr"])
    def test_is_bitwise_the_same_as_training_straight_through(
        self,
        kind: str,
        base_config: StageConfig,
        sr_config: StageConfig,
        encoder: TextEncoder,
        tmp_path: Path,
    ) -> None:
        stage = base_config if kind == "base" else sr_config
        straight = train_stage(stage, CONFIG, Plains(), encoder, tmp_path / "straight")
        torch.manual_seed(99)
        # Killed in step 6 (so it goes on from the checkpoint of step 4), then again in step 7 (from 6).
        for step in (6, 7):
            with pytest.raises(Stopped):
                train_stage(stage, CONFIG, Plains(), encoder, tmp_path / "stopped", report=stop_at(step))
        assert state_of(tmp_path / "stopped")["step"] == steps_done(tmp_path / "stopped") == 6
        torch.rand(5)
        resumed = train_stage(stage, CONFIG, Plains(), encoder, tmp_path / "stopped")
        assert_equal(state_of(tmp_path / "stopped"), state_of(tmp_path / "straight"))
        assert resumed.read_bytes() == straight.read_bytes()

    def test_processes_that_make_batches_ahead_change_nothing(
        self, base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
    ) -> None:
        alone = train_stage(base_config, CONFIG, Plains(), encoder, tmp_path / "alone")
        helped = train_stage(
            base_config, replace(CONFIG, num_workers=2), Plains(), encoder, tmp_path / "helped"
        )
        assert helped.read_bytes() == alone.read_bytes()

    def test_finished_run_is_left_as_it_is(
        self, base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
    ) -> None:
        path = train_stage(base_config, CONFIG, Plains(), encoder, tmp_path)
        content = path.read_bytes()
        steps: list[Progress] = []
        assert train_stage(base_config, CONFIG, Plains(), encoder, tmp_path, report=steps.append) == path
        assert steps == []
        assert path.read_bytes() == content

    def test_another_stage_or_encoder_is_refused(
        self, base_config: StageConfig, encoder: TextEncoder, other_encoder: TextEncoder, tmp_path: Path
    ) -> None:
        short = replace(CONFIG, num_steps=1)
        train_stage(base_config, short, Plains(), encoder, tmp_path)
        content = (tmp_path / "training.pt").read_bytes()
        assert isinstance(base_config.network, UNetConfig)
        others = [
            (replace(base_config, prediction="v"), encoder),
            (replace(base_config, network=replace(base_config.network, num_res_blocks=2)), encoder),
            (base_config, other_encoder),
        ]
        for stage, given in others:
            with pytest.raises(ValueError, match=r"training.pt: belongs to another stage or encoder"):
                train_stage(stage, CONFIG, Plains(), given, tmp_path)
        assert (tmp_path / "training.pt").read_bytes() == content

    def test_other_settings_are_refused_and_named(
        self, base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
    ) -> None:
        train_stage(base_config, replace(CONFIG, num_steps=3), Plains(), encoder, tmp_path)
        with pytest.raises(
            ValueError, match=r"training.ema_decay: 0.8, but .*training.pt was made with 0.9;"
        ):
            train_stage(base_config, replace(CONFIG, num_steps=3, ema_decay=0.8), Plains(), encoder, tmp_path)
        # The rate has begun to fall by step 3 of 3, so a longer training is another training.
        with pytest.raises(ValueError, match=r"training.num_steps: 7, but .* was made with 3"):
            train_stage(base_config, CONFIG, Plains(), encoder, tmp_path)

    def test_length_may_change_until_the_rate_decays(
        self, base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
    ) -> None:
        straight = train_stage(base_config, CONFIG, Plains(), encoder, tmp_path / "straight")
        longer = replace(CONFIG, num_steps=12, decay_steps=6, checkpoint_every=1)
        with pytest.raises(Stopped):
            train_stage(base_config, longer, Plains(), encoder, tmp_path / "other", report=stop_at(5))
        resumed = train_stage(base_config, CONFIG, Plains(), encoder, tmp_path / "other")
        assert resumed.read_bytes() == straight.read_bytes()

    def test_log_has_every_step_once(
        self, base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
    ) -> None:
        with pytest.raises(Stopped):
            train_stage(base_config, CONFIG, Plains(), encoder, tmp_path, report=stop_at(4))
        train_stage(base_config, CONFIG, Plains(), encoder, tmp_path)
        lines = (tmp_path / "metrics.jsonl").read_text().splitlines()
        assert [json.loads(line)["step"] for line in lines] == list(range(1, 8))


@pytest.mark.parametrize("kind", ["base", "sr", "crops"])
def test_images_that_are_no_multiple_of_the_stage_are_refused(
    kind: str, base_config: StageConfig, sr_config: StageConfig, encoder: TextEncoder, tmp_path: Path
) -> None:
    class Sized(Plains):
        def __init__(self, side: int) -> None:
            self.side = side

        def images(self, indices: Sequence[int]) -> NDArray[np.uint8]:
            return np.zeros((len(indices), self.side, self.side, 3), np.uint8)

    crops = replace(sr_config, crop_side=8)
    stage = {"base": base_config, "sr": sr_config, "crops": crops}[kind]
    config = replace(CONFIG, num_steps=1, warmup_steps=0, decay_steps=0)
    for side in (stage.side // 2, 3 * stage.side // 2):
        message = rf"data.side: images of {side} pixels, but stage {stage.name} makes {stage.side}; write"
        with pytest.raises(ValueError, match=message):
            train_stage(stage, config, Sized(side), encoder, tmp_path)
    assert steps_done(tmp_path) == 0
    train_stage(stage, config, Sized(2 * stage.side), encoder, tmp_path)
    assert steps_done(tmp_path) == 1


def test_what_is_saved(base_config: StageConfig, encoder: TextEncoder, tmp_path: Path) -> None:
    """The averaged weights go into the stage's file, with the encoder they were trained with."""
    steps: list[Progress] = []
    untrained = replace(base_config, text_encoder={})
    path = train_stage(untrained, CONFIG, Plains(), encoder, tmp_path, report=steps.append)
    state, weights = state_of(tmp_path), load_file(path)
    assert weights.keys() == state["average"].keys() == state["network"].keys()
    for name, tensor in weights.items():
        assert torch.equal(tensor, state["average"][name].half())
    assert any(not torch.equal(weights[name], state["network"][name].half()) for name in weights)
    assert Stage.load(path).config == base_config
    assert [progress.step for progress in steps] == list(range(1, 8))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(p.step, p.loss) for p in steps]
    assert json.loads((tmp_path / "training.json").read_text())["text_dropout"] == 0.3


def test_text_is_whitened_by_the_first_captions(
    base_config: StageConfig, sr_config: StageConfig, encoder: TextEncoder, tmp_path: Path
) -> None:
    """The map is fitted before the first step and saved as it is: no step and no average moves it."""
    train_stage(base_config, CONFIG, Plains(), encoder, tmp_path / "base")
    embedded = encoder.encode(Plains().captions(range(16), 0))
    expected = Whitening(embedded.states.shape[-1])
    expected.fit(embedded.states[embedded.mask])
    state = state_of(tmp_path / "base")
    for part in ("network", "average"):
        for name, tensor in expected.state_dict().items():
            assert torch.equal(state[part][f"text.whitening.{name}"], tensor)
    train_stage(sr_config, replace(CONFIG, num_steps=1), Plains(), encoder, tmp_path / "sr")
    assert not any("whitening" in name for name in state_of(tmp_path / "sr")["network"])


class TestInitialWeights:
    def test_training_goes_on_from_them(
        self, base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
    ) -> None:
        """Steps of rate 0 leave the given weights as they are, the whitening's included."""
        initial = Stage.load(train_stage(base_config, CONFIG, Plains(), encoder, tmp_path / "first"))
        still = replace(CONFIG, num_steps=1, learning_rate=0.0)
        path = train_stage(base_config, still, Plains(), encoder, tmp_path / "second", initial=initial)
        for name, tensor in initial.network.state_dict().items():
            assert torch.equal(load_file(path)[name].float(), tensor)
        record = json.loads((tmp_path / "second" / "training.json").read_text())
        assert record["initial_sha256"] == initial.weights_sha256

    def test_those_of_whole_images_start_a_training_on_crops(
        self, sr_config: StageConfig, encoder: TextEncoder, tmp_path: Path
    ) -> None:
        short = replace(CONFIG, num_steps=1)
        initial = Stage.load(train_stage(sr_config, short, Plains(), encoder, tmp_path / "whole"))
        on_crops = replace(sr_config, crop_side=8)
        still = replace(short, learning_rate=0.0, crop_candidates=2)
        path = train_stage(on_crops, still, Plains(), encoder, tmp_path / "crops", initial=initial)
        assert Stage.load(path).config.crop_side == 8
        for name, tensor in initial.network.state_dict().items():
            assert torch.equal(load_file(path)[name].float(), tensor)

    def test_another_network_is_refused(
        self, base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
    ) -> None:
        short = replace(CONFIG, num_steps=1)
        initial = Stage.load(train_stage(base_config, short, Plains(), encoder, tmp_path / "first"))
        other = replace(base_config, prediction="v")
        with pytest.raises(ValueError, match=r"initial: its prediction is eps, the stage to train has v"):
            train_stage(other, short, Plains(), encoder, tmp_path / "second", initial=initial)
        assert not list((tmp_path / "second").glob("*.pt"))

    def test_another_encoder_is_learned_from_there_its_whitening_fitted_first(
        self, base_config: StageConfig, encoder: TextEncoder, other_encoder: TextEncoder, tmp_path: Path
    ) -> None:
        """Of the weights, only the map that whitens the text is another, that of a fresh start."""
        config = replace(base_config, network=replace(base_config.network, whiten_text=True))
        still = replace(CONFIG, num_steps=1, learning_rate=0.0)
        initial = Stage.load(train_stage(config, still, Plains(), encoder, tmp_path / "first"))
        fresh = load_file(train_stage(config, still, Plains(), other_encoder, tmp_path / "fresh"))
        path = train_stage(config, still, Plains(), other_encoder, tmp_path / "second", initial=initial)
        assert Stage.load(path).config.text_encoder == other_encoder.identity
        before, now = initial.network.state_dict(), load_file(path)
        differ = {name for name in now if not torch.equal(now[name].float(), before[name])}
        assert differ == {"text.whitening.mean", "text.whitening.matrix"}
        for name in differ:
            assert torch.equal(now[name], fresh[name])

    @pytest.mark.parametrize("conditioning", ["cross_attention", "mean_pooling"])
    def test_what_reads_the_text_can_be_drawn_afresh(
        self,
        base_config: StageConfig,
        encoder: TextEncoder,
        other_encoder: TextEncoder,
        tmp_path: Path,
        conditioning: str,
    ) -> None:
        """What sees the image starts from the given weights; what reads the text, as of a fresh training."""
        whitened = replace(base_config, network=replace(base_config.network, whiten_text=True))
        other = replace(
            whitened, network=replace(whitened.network, text_conditioning=conditioning, text_width=24)
        )
        still = replace(CONFIG, num_steps=1, learning_rate=0.0)
        initial = Stage.load(train_stage(whitened, CONFIG, Plains(), encoder, tmp_path / "first"))
        with pytest.raises(ValueError, match="initial: its network is"):
            train_stage(other, still, Plains(), other_encoder, tmp_path / "second", initial=initial)
        fresh_text = replace(still, fresh_text=True)
        path = train_stage(other, fresh_text, Plains(), other_encoder, tmp_path / "second", initial=initial)
        fresh = load_file(train_stage(other, still, Plains(), other_encoder, tmp_path / "fresh"))
        now, before = load_file(path), initial.network.state_dict()
        assert now.keys() == fresh.keys()
        assert any(".attention.text_key_value" in name for name in now) == (conditioning == "cross_attention")
        for name, tensor in now.items():
            expected = fresh[name] if reads_text(name) else before[name]
            assert torch.equal(tensor.float(), expected.float()), name
        assert sum(reads_text(name) for name in now) > 8

    def test_text_drawn_afresh_wants_weights_for_the_rest(
        self, base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
    ) -> None:
        with pytest.raises(ValueError, match=r"training\.fresh_text: true is for a training with initial"):
            train_stage(base_config, replace(CONFIG, fresh_text=True), Plains(), encoder, tmp_path)

    def test_a_run_stays_with_those_that_it_began_with(
        self, base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
    ) -> None:
        short = replace(CONFIG, num_steps=1)
        initial = Stage.load(train_stage(base_config, short, Plains(), encoder, tmp_path / "first"))
        with pytest.raises(ValueError, match=r"initial: .*training.pt was started from other weights"):
            train_stage(base_config, short, Plains(), encoder, tmp_path / "first", initial=initial)


def test_training_does_not_touch_the_callers_random_numbers(
    base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
) -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    train_stage(base_config, replace(CONFIG, num_steps=1), Plains(), encoder, tmp_path)
    assert torch.equal(torch.get_rng_state(), before)


def test_seed_decides_the_weights(base_config: StageConfig, encoder: TextEncoder, tmp_path: Path) -> None:
    short = replace(CONFIG, num_steps=1)
    for name, seed in (("a", 0), ("b", 1)):
        train_stage(base_config, replace(short, seed=seed), Plains(), encoder, tmp_path / name)
    one, other = (load_file(tmp_path / name / "base.safetensors") for name in ("a", "b"))
    assert not torch.equal(one["conv_in.weight"], other["conv_in.weight"])


def test_loss_falls_on_what_can_be_learnt(
    base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
) -> None:
    losses: list[float] = []
    config = TrainConfig(
        num_steps=50, batch_size=16, learning_rate=1e-2, warmup_steps=5, ema_decay=0.9, checkpoint_every=50
    )
    train_stage(
        base_config, config, Plains(), encoder, tmp_path, report=lambda progress: losses.append(progress.loss)
    )
    assert np.mean(losses[:3]) > 0.8
    assert np.mean(losses[-10:]) < 0.4


def test_weight_of_the_loss_reaches_it(
    base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
) -> None:
    first: list[float] = []
    for weight in (1.0, 20.0):
        config = replace(CONFIG, num_steps=1, max_loss_weight=weight)
        folder = tmp_path / f"{weight:g}"
        train_stage(base_config, config, Plains(), encoder, folder, report=lambda p: first.append(p.loss))
    assert first[1] > 1.5 * first[0]


def test_a_loss_that_is_not_finite_stops_and_says_where(
    base_config: StageConfig, sr_config: StageConfig, encoder: TextEncoder, tmp_path: Path
) -> None:
    class Broken(type(encoder)):  # type: ignore[misc]
        def encode(self, prompts: Sequence[str]) -> TextEmbedding:
            text: TextEmbedding = super().encode(prompts)
            return replace(text, states=text.states * float("nan"))

    with pytest.raises(FloatingPointError, match=r"loss is nan at step 0 on samples \[\d+, \d+, \d+, \d+\]"):
        train_stage(sr_config, CONFIG, Plains(), Broken(), tmp_path)
    assert not (tmp_path / "training.pt").exists()
    with pytest.raises(FloatingPointError, match=r"text encoder: its states are not finite"):
        train_stage(base_config, CONFIG, Plains(), Broken(), tmp_path)
