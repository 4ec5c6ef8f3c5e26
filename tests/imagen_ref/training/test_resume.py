from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from plain_images import Plains

import imagen_ref.train
from imagen_ref.stage import StageConfig
from imagen_ref.text.cache import CachedEncoder
from imagen_ref.text.embedding import TextEncoder
from imagen_ref.train import TrainConfig, steps_done, train_stage
from imagen_ref.training.optimizer import OPTIMIZERS

CONFIG = TrainConfig(num_steps=6, batch_size=4, learning_rate=3e-3, ema_decay=0.9, checkpoint_every=2)


@pytest.fixture
def trained(base_config: StageConfig, encoder: TextEncoder, tmp_path: Path) -> Path:
    train_stage(base_config, CONFIG, Plains(), encoder, tmp_path)
    return tmp_path


class TestDamage:
    def test_a_checkpoint_that_was_cut_falls_back_to_the_one_before(
        self, trained: Path, base_config: StageConfig, encoder: TextEncoder
    ) -> None:
        whole = (trained / "base.safetensors").read_bytes()
        content = (trained / "training.pt").read_bytes()
        for kept in (0, 100, len(content) // 2, len(content) - 10):
            (trained / "training.pt").write_bytes(content[:kept])
            with pytest.warns(UserWarning, match=r"training.pt: damaged .* from training.previous.pt"):
                assert steps_done(trained) == 4
        (trained / "base.safetensors").unlink()
        with pytest.warns(UserWarning, match="damaged"):
            path = train_stage(base_config, CONFIG, Plains(), encoder, trained)
        assert path.read_bytes() == whole
        assert steps_done(trained) == 6

    def test_the_damaged_one_never_takes_the_place_of_the_one_before(
        self, trained: Path, base_config: StageConfig, encoder: TextEncoder
    ) -> None:
        (trained / "training.pt").write_bytes(b"cut")
        with pytest.warns(UserWarning, match="damaged"):
            assert steps_done(trained) == 4
        assert (trained / "training.pt").read_bytes() == b"cut"
        with pytest.warns(UserWarning, match="damaged"):
            train_stage(base_config, CONFIG, Plains(), encoder, trained)
        assert (trained / "training.damaged.pt").read_bytes() == b"cut"
        # Where the next one is cut too, there is still one to go on from.
        (trained / "training.pt").write_bytes(b"cut again")
        with pytest.warns(UserWarning, match=r"training.pt: damaged .* from training.previous.pt"):
            assert steps_done(trained) == 4

    def test_a_kill_between_the_two_names_loses_nothing(self, trained: Path) -> None:
        (trained / "training.pt").replace(trained / "training.previous.pt")
        (trained / "training.partial").write_bytes(b"half")
        assert steps_done(trained) == 6

    def test_a_kill_before_the_last_checkpoint_leaves_no_old_weights(
        self,
        trained: Path,
        base_config: StageConfig,
        encoder: TextEncoder,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """What a checkpoint stands for is on disk before it."""
        whole, later = (trained / "base.safetensors").read_bytes(), tmp_path / "later"
        saved = imagen_ref.train.save_checkpoint

        def killed(folder: Path, run: Any, *, step: int, **state: Any) -> None:
            if step == 6:
                raise KeyboardInterrupt
            saved(folder, run, step=step, **state)

        with monkeypatch.context() as patch:
            patch.setattr(imagen_ref.train, "save_checkpoint", killed)
            with pytest.raises(KeyboardInterrupt):
                train_stage(base_config, CONFIG, Plains(), encoder, later)
        assert steps_done(later) == 4
        assert (later / "base.safetensors").read_bytes() == whole
        path = train_stage(base_config, CONFIG, Plains(), encoder, later)
        assert path.read_bytes() == whole
        assert steps_done(later) == 6

    def test_where_nothing_is_whole_it_says_what_to_do(self, trained: Path) -> None:
        for name in ("training.pt", "training.previous.pt"):
            (trained / name).write_bytes(b"nothing")
        with pytest.raises(
            ValueError, match=r"training.pt: damaged or cut short .*; remove it to begin anew"
        ):
            steps_done(trained)

    def test_nothing_in_a_checkpoint_is_executed(self, trained: Path) -> None:
        for name in ("training.pt", "training.previous.pt"):
            torch.save({"step": Path}, trained / name)
        with pytest.raises(ValueError, match="damaged"):
            steps_done(trained)


class TestPlaceInTheData:
    def test_is_written_down(self, trained: Path) -> None:
        state = torch.load(trained / "training.pt", weights_only=True)
        # Six steps of four of sixteen images.
        assert state["data"] == {
            "num_images": 16,
            "identity": "",
            "text_cache": False,
            "epoch": 1,
            "position": 8,
        }

    def test_other_data_is_refused(
        self, trained: Path, base_config: StageConfig, encoder: TextEncoder
    ) -> None:
        class Fewer(Plains):
            def __len__(self) -> int:
                return 12

            def images(self, indices: Sequence[int]) -> NDArray[np.uint8]:
                raise AssertionError

        with pytest.raises(ValueError, match=r"data: 12 images, but .*training.pt was made with 16"):
            train_stage(base_config, replace(CONFIG, num_steps=8), Fewer(), encoder, trained)

    def test_as_many_other_images_are_refused_where_the_data_says_what_it_is(
        self, base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
    ) -> None:
        class Named(Plains):
            def __init__(self, identity: str) -> None:
                self.identity = identity

        more = replace(CONFIG, num_steps=8)
        train_stage(base_config, CONFIG, Named("these"), encoder, tmp_path)
        with pytest.raises(ValueError, match=r"data: those, but .*training.pt was made with these, other im"):
            train_stage(base_config, more, Named("those"), encoder, tmp_path)
        train_stage(base_config, more, Named("these"), encoder, tmp_path)
        # Data that does not say goes on.
        train_stage(base_config, replace(CONFIG, num_steps=10), Plains(), encoder, tmp_path)
        assert steps_done(tmp_path) == 10

    def test_states_from_a_cache_are_others(
        self, trained: Path, base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
    ) -> None:
        cached = CachedEncoder(encoder, tmp_path / "text")
        more = replace(CONFIG, num_steps=8)
        with pytest.raises(
            ValueError, match=r"text_cache: true, but .*training.pt was made with false; use that"
        ):
            train_stage(base_config, more, Plains(), cached, trained)
        train_stage(base_config, CONFIG, Plains(), cached, tmp_path / "cached")
        with pytest.raises(ValueError, match=r"text_cache: false, but .*training.pt was made with true"):
            train_stage(base_config, more, Plains(), encoder, tmp_path / "cached")


def test_a_checkpoint_from_before_a_setting_existed_goes_on(
    trained: Path, base_config: StageConfig, encoder: TextEncoder
) -> None:
    state = torch.load(trained / "training.previous.pt", weights_only=True)
    for name in (
        "accumulate",
        "optimizer",
        "aug_level_power",
        "crop_candidates",
        "series_every",
        "precision",
    ):
        del state["training"][name]
    del state["data"]
    torch.save(state, trained / "training.pt")
    whole = (trained / "base.safetensors").read_bytes()
    assert steps_done(trained) == 4
    path = train_stage(base_config, CONFIG, Plains(), encoder, trained)
    assert path.read_bytes() == whole


def test_what_changes_no_weights_may_change(
    trained: Path, base_config: StageConfig, encoder: TextEncoder
) -> None:
    other = replace(
        CONFIG, num_steps=8, accumulate=2, checkpoint_activations=True, series_every=1, checkpoint_every=1
    )
    train_stage(base_config, other, Plains(), encoder, trained)
    assert steps_done(trained) == 8


@pytest.mark.parametrize("name", [name for name in OPTIMIZERS if name != "adamw"])
def test_every_optimiser_resumes_bit_for_bit(
    name: str, base_config: StageConfig, encoder: TextEncoder, tmp_path: Path
) -> None:
    config = replace(CONFIG, optimizer=name, weight_decay=0.0)
    straight = train_stage(base_config, config, Plains(), encoder, tmp_path / "straight")
    train_stage(base_config, replace(config, num_steps=3), Plains(), encoder, tmp_path / "stopped")
    resumed = train_stage(base_config, config, Plains(), encoder, tmp_path / "stopped")
    assert resumed.read_bytes() == straight.read_bytes()
    with pytest.raises(ValueError, match=rf"training.optimizer: adamw, but .* was made with {name}"):
        train_stage(base_config, CONFIG, Plains(), encoder, tmp_path / "stopped")
