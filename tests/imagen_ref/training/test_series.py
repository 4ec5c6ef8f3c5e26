import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from plain_images import Plains

from imagen_ref.checkpoint import read_training
from imagen_ref.stage import Stage, StageConfig
from imagen_ref.text.embedding import TextEncoder
from imagen_ref.train import TrainConfig, train_stage
from imagen_ref.training.flops import flops_per_image
from imagen_ref.training.log import LOG
from imagen_ref.training.series import behind, series

CONFIG = TrainConfig(
    num_steps=7, batch_size=4, learning_rate=3e-3, ema_decay=0.9, checkpoint_every=3, series_every=2
)


def names(folder: Path) -> list[str]:
    return [path.name for path in series(folder, "base")]


@pytest.fixture(scope="module")
def all_kept(
    base_config: StageConfig, encoder: TextEncoder, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("series")
    train_stage(base_config, CONFIG, Plains(), encoder, folder)
    return folder


def test_weights_stay_and_say_how_far_they_were_trained(
    all_kept: Path, base_config: StageConfig, encoder: TextEncoder
) -> None:
    flops = flops_per_image(base_config.make_network(), base_config, tokens=encoder.max_length)
    assert names(all_kept) == ["base-2.safetensors", "base-4.safetensors", "base-6.safetensors"]
    for path, step in zip(series(all_kept, "base"), (2, 4, 6), strict=True):
        assert read_training(path) == {"step": step, "images": 4 * step, "flops": 4 * step * flops}
    assert read_training(all_kept / "base.safetensors") == {"step": 7, "images": 28, "flops": 28 * flops}
    first, last = (
        Stage.load(path).network.state_dict()["conv_out.weight"]
        for path in (series(all_kept, "base")[0], all_kept / "base.safetensors")
    )
    assert not torch.equal(first, last)


def test_seconds_come_from_the_log_beside_them(all_kept: Path, tmp_path: Path) -> None:
    path = series(all_kept, "base")[1]
    lines = [json.loads(line) for line in (all_kept / LOG).read_text().splitlines()]
    assert behind(path) == {**read_training(path), "seconds": lines[3]["seconds"]}
    # Elsewhere, and where the log was cut off in the middle of its last line, they are not known.
    alone = tmp_path / path.name
    alone.write_bytes(path.read_bytes())
    assert behind(alone) == read_training(path)
    (tmp_path / LOG).write_text(json.dumps(lines[2]) + "\n" + json.dumps(lines[3])[:-5])
    assert behind(alone) == read_training(path)


def test_they_are_the_weights_of_a_training_that_ended_there(
    all_kept: Path, base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
) -> None:
    path = train_stage(base_config, replace(CONFIG, num_steps=4), Plains(), encoder, tmp_path)
    assert path.read_bytes() == (all_kept / "base-4.safetensors").read_bytes()


def test_the_newest_stay(base_config: StageConfig, encoder: TextEncoder, tmp_path: Path) -> None:
    other = tmp_path / "base-x-2.safetensors"
    other.write_text("somebody else's")
    # 10 comes after 9, and the steps that end no interval of checkpoints are there too.
    config = replace(CONFIG, num_steps=10, series_every=1, keep_checkpoints=2)
    train_stage(base_config, config, Plains(), encoder, tmp_path)
    assert names(tmp_path) == ["base-9.safetensors", "base-10.safetensors"]
    assert other.exists()


def test_a_training_begun_anew_keeps_its_own(
    base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
) -> None:
    for step in (900, 1000):
        (tmp_path / f"base-{step}.safetensors").write_text("of an older training")
    config = replace(CONFIG, num_steps=6, keep_checkpoints=2)
    train_stage(base_config, config, Plains(), encoder, tmp_path)
    later = ["base-900.safetensors", "base-1000.safetensors"]
    assert names(tmp_path) == ["base-4.safetensors", "base-6.safetensors", *later]
