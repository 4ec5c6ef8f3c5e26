"""Every stage that conf/experiment trains can be built, and the paper's are the paper's."""

from dataclasses import replace
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from drawbench_eval.commands.door import conf_folder, plain
from drawbench_eval.commands.settings import build
from drawbench_eval.commands.train import TrainSettings
from imagen_ref.presets import PAPER
from imagen_ref.stage import StageConfig, stage_config
from imagen_ref.training.config import TrainConfig, check_fits

CONF = conf_folder()
FOUND = [
    path for folder in ("scenes", "paper") for path in sorted((CONF / "experiment" / folder).glob("*.yaml"))
]
# What is not trained is evaluated.
TRAINED = [f"{path.parent.name}/{path.stem}" for path in FOUND if "drawbench-eval train" in path.read_text()]
ELSEWHERE = ("text_encoder=x", "data.path=x")


def composed(name: str, *overrides: str) -> dict[str, Any]:
    GlobalHydra.instance().clear()
    given = ELSEWHERE if name.startswith("paper/") else ()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return plain(compose("train", overrides=[f"experiment={name}", *given, *overrides]))


def stage_of(name: str, *overrides: str) -> tuple[StageConfig, TrainConfig, TrainSettings]:
    settings = build(TrainSettings, composed(name, *overrides))
    config = build(TrainConfig, settings.training, "training")
    return stage_config({"name": settings.name, **settings.stage}), config, settings


def test_there_are_some() -> None:
    assert {"scenes/base", "scenes/sr64", "paper/base", "paper/sr256", "paper/sr1024"} <= set(TRAINED)


@pytest.mark.parametrize("name", TRAINED)
def test_every_training_composes_and_opens_with_its_command_and_cost(name: str) -> None:
    values = composed(name)
    if values["kind"] == "stage":
        stage, config, _ = stage_of(name)
        check_fits(config, stage)
    lines = (CONF / "experiment" / f"{name}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith(f"# drawbench-eval train experiment={name}")
    assert any(line.startswith("#") and "Costs: " in line for line in lines)


@pytest.mark.parametrize(
    ("name", "baseline", "varies"),
    [
        ("base_t5_small", "base_t5_middle", {"text_encoder", "text_dim"}),
        ("base_t5_large", "base_t5_middle", {"text_encoder", "text_dim"}),
        ("base_clip_text", "base_t5_middle", {"text_encoder"}),
        ("base_t5_random", "base_t5_middle", {"text_encoder"}),
        ("base_t5_joint", "base_t5_random", {"learn_encoder"}),
        ("base_mean_pooling", "base_t5_middle", {"text_conditioning"}),
        ("base_attention_pooling", "base_t5_middle", {"text_conditioning"}),
        ("base_small", "base_middle", {"channels", "head_dim"}),
        ("base_large", "base_middle", {"channels"}),
        ("sr64_no_augmentation", "sr64_efficient", {"max_aug_level"}),
    ],
)
def test_an_ablation_changes_its_factor_alone(name: str, baseline: str, varies: set[str]) -> None:
    """Data, budget of images and all else are those of the baseline, the name of the stage included."""
    one, other = (_flat(composed(f"scenes/{each}")) for each in (name, baseline))
    differing = {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}
    assert {key.rpartition(".")[2] for key in differing - {"name"}} == varies
    assert "stage.name" not in differing


def _flat(values: dict[str, Any], at: str = "") -> dict[str, Any]:
    """Dotted key -> value."""
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{at}{key}.") if isinstance(value, dict) else {f"{at}{key}": value}
    return found


def test_the_two_super_resolutions_differ_in_their_network_alone() -> None:
    (efficient, how, settings), (plain_one, its, other) = (
        stage_of(f"scenes/{name}") for name in ("sr64_efficient", "sr64_unet")
    )
    assert efficient == replace(plain_one, network=efficient.network)
    assert how == replace(its, checkpoint_every=how.checkpoint_every)
    assert settings.data == other.data


@pytest.mark.parametrize(
    ("name", "preset", "overrides"),
    [
        ("paper/base", "base_2b", ()),
        ("paper/base", "base_1b", ("stage.network.channels=352",)),
        ("paper/base", "base_500m", ("stage.network.channels=256",)),
        ("paper/base", "base_300m", ("stage.network.channels=192",)),
        ("paper/sr256", "sr256", ()),
        ("paper/sr1024", "sr1024", ()),
    ],
)
def test_the_paper_s_networks_are_the_presets(name: str, preset: str, overrides: tuple[str, ...]) -> None:
    stage, config, settings = stage_of(name, *overrides)
    assert stage.network == PAPER[preset].network
    assert stage.low_res_side == PAPER[preset].low_res_side
    assert settings.data.side == stage.side
    # Appendix F.
    assert (config.batch_size, config.num_steps) == (2048, 2_500_000)
    assert (config.learning_rate, config.warmup_steps, config.decay_steps) == (1e-4, 10_000, 0)
    assert config.optimizer == ("adafactor" if name == "paper/base" else "adam")
    assert config.beta2 == 0.999 or config.optimizer == "adafactor"
    assert (config.weight_decay, config.text_dropout, config.max_aug_level) == (0.0, 0.1, 1.0)
    assert stage.prediction == "eps"
    assert stage.schedule == ("linear" if name == "paper/sr1024" else "cosine")
    assert replace(stage, crop_side=None).on_crops == replace(stage, crop_side=None)


def test_1024_pixels_are_learned_from_crops() -> None:
    stage, _, _ = stage_of("paper/sr1024")
    assert (stage.on_crops.low_res_side, stage.on_crops.side) == (64, 256)
