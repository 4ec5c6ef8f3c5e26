"""A text encoder that learns with the network, beside one that stays as it was drawn."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from plain_images import Plains
from safetensors.torch import load_file

from imagen_ref.cascade import Cascade
from imagen_ref.stage import Stage, StageConfig
from imagen_ref.text.cache import CachedEncoder
from imagen_ref.text.t5 import T5Encoder
from imagen_ref.train import Progress, Ranks, TrainConfig, train_stage

FROZEN = TrainConfig(
    num_steps=6,
    batch_size=4,
    learning_rate=3e-3,
    warmup_steps=1,
    ema_decay=0.9,
    checkpoint_every=2,
    text_dropout=0.3,
)
LEARNED = replace(FROZEN, learn_encoder=True)


@pytest.fixture
def t5(t5_folder: Path) -> T5Encoder:
    """Random weights: the control that never learns, and what the other starts from."""
    return T5Encoder(t5_folder, max_length=8)


def stopping(step: int) -> Callable[[Progress], None]:
    def report(progress: Progress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return report


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_frozen_stays_and_learned_becomes_another_encoder(
    base_config: StageConfig, t5: T5Encoder, t5_folder: Path, tmp_path: Path
) -> None:
    before, states = content(t5_folder), t5.encode(["red", "a blue circle"]).states
    frozen = train_stage(base_config, FROZEN, Plains(), t5, tmp_path / "frozen")
    learned = train_stage(base_config, LEARNED, Plains(), t5, tmp_path / "learned")
    assert content(t5_folder) == before
    assert torch.equal(t5.encode(["red", "a blue circle"]).states, states)
    assert not (tmp_path / "frozen" / "text_encoder").exists()
    assert not (tmp_path / "learned" / "text_encoder.partial").exists()
    own = T5Encoder(tmp_path / "learned" / "text_encoder", max_length=8)
    assert Stage.load(frozen).config.text_encoder == t5.identity
    assert Stage.load(learned).config.text_encoder == own.identity
    moved = (own.encode(["red", "a blue circle"]).states - states).abs().max()
    assert moved > 1e-3
    # Each samples with its own encoder, and is refused with the other, which is as wide.
    for path, encoder, other in ((frozen, t5, own), (learned, own, t5)):
        images = Cascade(encoder, [Stage.load(path)]).sample(["red"], seeds=[0])
        assert images.shape == (1, 8, 8, 3)
        with pytest.raises(ValueError, match="was trained with"):
            Cascade(other, [Stage.load(path)])


def test_the_averages_are_what_is_saved(base_config: StageConfig, t5: T5Encoder, tmp_path: Path) -> None:
    path = train_stage(base_config, LEARNED, Plains(), t5, tmp_path)
    average = torch.load(tmp_path / "training.pt", weights_only=True)["average"]
    saved = load_file(tmp_path / "text_encoder" / "model.safetensors")
    assert {f"text_encoder.{name}" for name in saved} <= average.keys()
    for name, tensor in saved.items():
        assert torch.equal(average[f"text_encoder.{name}"], tensor), name
    for name, tensor in load_file(path).items():
        assert torch.equal(average[f"network.{name}"].half(), tensor), name


def test_resume_is_bitwise(base_config: StageConfig, t5: T5Encoder, tmp_path: Path) -> None:
    train_stage(base_config, LEARNED, Plains(), t5, tmp_path / "straight")
    for step in (3, 5):
        with pytest.raises(KeyboardInterrupt):
            train_stage(base_config, LEARNED, Plains(), t5, tmp_path / "stopped", report=stopping(step))
    train_stage(base_config, LEARNED, Plains(), t5, tmp_path / "stopped")
    for name in ("base.safetensors", "text_encoder/model.safetensors"):
        assert (tmp_path / "stopped" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()


def test_gradients_are_the_librarys(t5: T5Encoder) -> None:
    from transformers import T5EncoderModel

    assert not t5.encode(["a red circle"]).states.requires_grad
    model = t5.model.requires_grad_(True)
    t5.embed(["a red circle", ""]).states.square().sum().backward()  # type: ignore[no-untyped-call]
    theirs = T5EncoderModel(model.config)
    theirs.load_state_dict(model.state_dict())
    ids = torch.tensor([[3, 4, 6, 1]])  # a red circle </s>
    theirs.eval()(input_ids=ids).last_hidden_state.square().sum().backward()
    for (name, ours), expected in zip(model.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, expected.grad, msg=name)


def test_what_cannot_learn_is_refused(
    base_config: StageConfig, t5: T5Encoder, t5_folder: Path, tmp_path: Path
) -> None:
    def message(encoder: object, **more: Ranks) -> str:
        with pytest.raises(ValueError, match=r"^training\.learn_encoder: ") as caught:
            train_stage(base_config, LEARNED, Plains(), encoder, tmp_path / "run", **more)  # type: ignore[arg-type]
        return str(caught.value)

    assert "states from a cache do not learn" in message(CachedEncoder(t5, tmp_path / "cache"))
    rough = T5Encoder(t5_folder, max_length=8, dtype=torch.bfloat16)
    assert "the encoder is in torch.bfloat16; load it in float32" in message(rough)
    assert "2 processes; it is for one" in message(t5, ranks=Ranks(size=2))
    with pytest.raises(ValueError, match="series_every: 2 keeps networks alone; with learn_encoder it must"):
        replace(LEARNED, series_every=2)


def test_a_frozen_training_is_no_start_of_a_learned_one(
    base_config: StageConfig, t5: T5Encoder, tmp_path: Path
) -> None:
    train_stage(base_config, FROZEN, Plains(), t5, tmp_path)
    with pytest.raises(ValueError, match=r"training\.learn_encoder: True, but .* was made with False"):
        train_stage(base_config, LEARNED, Plains(), t5, tmp_path)
