from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from imagen_ref.text.clip import CLIPEncoder
from imagen_ref.text.load import load_encoder
from imagen_ref.text.pretrain import train_tokenizer
from imagen_ref.text.pretrain_clip import CLIPSize, ContrastiveConfig, _tokens, pretrain_clip

COLORS = {"red": (220, 30, 30), "green": (30, 200, 30), "blue": (30, 30, 220), "white": (230, 230, 230)}
CONFIG = ContrastiveConfig(
    size=CLIPSize(
        width=32,
        num_layers=2,
        num_heads=2,
        vocab_size=140,
        max_length=16,
        projection=16,
        image_width=32,
        image_layers=1,
    ),
    num_steps=40,
    batch_size=4,
    learning_rate=3e-3,
    warmup_steps=5,
    checkpoint_every=10,
)
CAPTIONS = [f"a {color} wall, painted {color}" for color in COLORS]


def batch(step: int) -> tuple[NDArray[np.uint8], list[str]]:
    order = np.random.default_rng(step).permutation(len(COLORS))
    images = np.stack([np.full((16, 16, 3), list(COLORS.values())[at], np.uint8) for at in order])
    return images, [CAPTIONS[at] for at in order]


def test_it_learns_and_its_text_tower_loads_as_a_clip_encoder(tmp_path: Path) -> None:
    losses: list[float] = []
    folder = pretrain_clip(
        CONFIG, CAPTIONS, batch, tmp_path / "clip", report=lambda _, loss, __: losses.append(loss)
    )
    assert losses[0] > 1
    assert np.mean(losses[-5:]) < 0.1
    encoder = load_encoder(folder, max_length=16)
    assert isinstance(encoder, CLIPEncoder)
    assert encoder.dim == 32
    text = encoder.encode(["a red wall", "a blue wall, painted blue"])
    assert text.states.shape[2] == 32
    assert text.states.std() > 0.1


def test_the_folder_holds_the_trained_tower(tmp_path: Path) -> None:
    trained = pretrain_clip(CONFIG, CAPTIONS, batch, tmp_path / "trained")
    drawn = pretrain_clip(replace(CONFIG, num_steps=0), CAPTIONS, batch, tmp_path / "drawn")
    one, other = (load_encoder(folder, max_length=16).encode(CAPTIONS).states for folder in (trained, drawn))
    assert one.shape == other.shape
    assert not torch.allclose(one, other, atol=0.1)


def test_a_stopped_run_ends_with_the_same_weights(tmp_path: Path) -> None:
    class Stopped(Exception):
        pass

    def stop(step: int, *_: float) -> None:
        if step == 13:
            raise Stopped

    config = replace(CONFIG, num_steps=20)
    whole = pretrain_clip(config, CAPTIONS, batch, tmp_path / "whole")
    with pytest.raises(Stopped):
        pretrain_clip(config, CAPTIONS, batch, tmp_path / "parts", report=stop)
    parts = pretrain_clip(config, CAPTIONS, batch, tmp_path / "parts")
    assert (whole / "model.safetensors").read_bytes() == (parts / "model.safetensors").read_bytes()
    with pytest.raises(ValueError, match="belongs to another configuration"):
        pretrain_clip(replace(config, seed=1), CAPTIONS, batch, tmp_path / "parts")


def test_a_long_caption_keeps_its_end() -> None:
    tokenizer = train_tokenizer(CAPTIONS, 140)
    ids, mask = _tokens(tokenizer, ["red " * 60, "red"], 16)
    end = tokenizer.token_to_id("</s>")
    assert ids.shape == (2, 16)
    assert ids[0, -1] == end
    assert mask[0].all()
    assert ids[1, mask[1]][-1] == end
    assert not ids[1, ~mask[1]].any()
