from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import torch
import yaml

from imagen_ref.presets import SCENES
from imagen_ref.stage import StageConfig, stage_config

EXPERIMENTS = Path(__file__).parents[2] / "conf" / "experiment" / "scenes"


def stage_of(name: str) -> StageConfig:
    content = yaml.safe_load((EXPERIMENTS / f"{name}.yaml").read_text())
    return stage_config({"name": content["name"], **content["stage"]})


@pytest.mark.parametrize("name", SCENES)
def test_parameter_count(name: str) -> None:
    stage = StageConfig(name=name, network=SCENES[name].network, low_res_side=None if name == "base" else 16)
    with torch.device("meta"):
        network = stage.make_network()
    assert sum(parameter.numel() for parameter in network.parameters()) == SCENES[name].num_parameters


@pytest.mark.parametrize("name", SCENES)
def test_experiments_train_the_presets(name: str) -> None:
    assert stage_of(name).name == name
    assert stage_of(name).network == SCENES[name].network
    count = f"{SCENES[name].num_parameters / 1e6:.1f}M parameters"
    assert count in (EXPERIMENTS / f"{name}.yaml").read_text()


def test_stages_of_the_scale_model_fit_together() -> None:
    assert stage_of("base").low_res_side is None
    assert stage_of("sr64").low_res_side == stage_of("base").side == 16
    assert stage_of("sr64").side == 64


def test_presets_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        SCENES["base"].num_parameters = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        SCENES["base"] = SCENES["sr64"]  # type: ignore[index]
