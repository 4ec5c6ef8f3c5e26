from dataclasses import replace
from typing import Any

import pytest

from imagen_ref.stage import StageConfig
from imagen_ref.training.config import TrainConfig, check_fits, learning_rate

CONFIG = TrainConfig(num_steps=20, batch_size=8, learning_rate=2.0, warmup_steps=4, decay_steps=5)


def test_learning_rate_warms_up_stays_and_decays() -> None:
    rates = [learning_rate(step, CONFIG) for step in range(20)]
    assert rates[:4] == [0.5, 1.0, 1.5, 2.0]
    assert rates[4:16] == [2.0] * 12
    assert rates[16:] == pytest.approx([1.6, 1.2, 0.8, 0.4])
    constant = replace(CONFIG, decay_steps=0, warmup_steps=0)
    assert [learning_rate(step, constant) for step in (0, 19)] == [2.0, 2.0]


def test_the_papers_text_dropout_times_and_levels_are_the_default() -> None:
    assert (CONFIG.noisy_share, CONFIG.max_loss_weight) == (0.0, 1.0)
    assert (CONFIG.text_dropout, CONFIG.aug_level_power, CONFIG.crop_candidates) == (0.1, 1.0, 1)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"accumulate": 3}, "accumulate: 3 does not divide batch_size=8"),
        ({"batch_size": 0}, "batch_size: 0; write 1 or more"),
        ({"optimizer": "sgd"}, "optimizer: sgd is not one of adamw, adafactor, adam"),
        ({"optimizer": "adam"}, "weight_decay: 0.01 is not for adam; write 0, or optimizer=adamw"),
        ({"precision": "float16"}, "precision: float16 is not one of float32, bfloat16"),
        ({"text_dropout": 1.5}, "text_dropout: 1.5; write a share from 0 to 1"),
        ({"aug_level_power": 0}, "aug_level_power: 0; write a number above 0"),
        ({"max_aug_level": 1.1}, "max_aug_level: 1.1; write a level from 0 to 1"),
        ({"noisy_share": 1.5}, "noisy_share: 1.5; write a share from 0 to 1"),
        ({"keep_checkpoints": 0}, "keep_checkpoints: 0; write 1 or more, or null for all"),
        ({"series_every": -1}, "series_every: -1; write a number of steps, or 0 for none"),
    ],
)
def test_what_cannot_be_is_refused(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as error:  # noqa: PT011 (the whole message is compared)
        replace(CONFIG, **changed)
    assert str(error.value) == message


def test_what_the_stage_has_no_use_for_is_refused(base_config: StageConfig, sr_config: StageConfig) -> None:
    for changed, stage, message in (
        (
            {"max_loss_weight": 20.0},
            sr_config,
            r"training.max_loss_weight: 20.0 is for eps-prediction; with v",
        ),
        ({"crop_candidates": 4}, sr_config, r"training.crop_candidates: 4 is for stages that train on crops"),
        ({"aug_level_power": 3.0}, base_config, r"training.aug_level_power: 3 is for super-resolution"),
        ({"max_aug_level": 0.0}, base_config, r"training.max_aug_level: 0 is for super-resolution"),
    ):
        with pytest.raises(ValueError, match=message):
            check_fits(replace(CONFIG, **changed), stage)  # type: ignore[arg-type]
    check_fits(replace(CONFIG, max_loss_weight=20.0), base_config)
    on_crops = replace(sr_config, crop_side=8)
    check_fits(replace(CONFIG, crop_candidates=4, aug_level_power=3.0), on_crops)
