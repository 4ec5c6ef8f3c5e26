from dataclasses import FrozenInstanceError
from pathlib import Path

import pytest
import torch
import yaml

from imagen_ref.layers import TextAttention
from imagen_ref.presets import PAPER, SCENES, Preset
from imagen_ref.stage import StageConfig, stage_config
from imagen_ref.unet import UNet, UNetConfig

EXPERIMENTS = Path(__file__).parents[2] / "conf" / "experiment" / "scenes"


def stage_of(name: str) -> StageConfig:
    content = yaml.safe_load((EXPERIMENTS / f"{name}.yaml").read_text())
    return stage_config({"name": content["name"], **content["stage"]})


@pytest.mark.parametrize("preset", [*SCENES.values(), *PAPER.values()], ids=[*SCENES, *PAPER])
def test_parameter_count(preset: Preset) -> None:
    stage = StageConfig(name="any", network=preset.network, low_res_side=preset.low_res_side)
    with torch.device("meta"):
        network = stage.make_network()
    assert sum(parameter.numel() for parameter in network.parameters()) == preset.num_parameters


def adm_64() -> int:
    """Weights of the class-conditional ADM-64, tallied from its published hyperparameters alone.

    192 channels times 1, 2, 3, 4, three residual blocks a level with BigGAN resampling and scale-shift,
    attention at 32, 16 and 8, 1000 classes, learned variances (Dhariwal & Nichol 2021, tables 4 and 11).
    """
    width, mults, blocks, emb = 192, (1, 2, 3, 4), 3, 768

    def conv(channels_in: int, channels: int, kernel: int = 3) -> int:
        return channels_in * channels * kernel**2 + channels

    def residual(channels_in: int, channels: int) -> int:
        skip = conv(channels_in, channels, 1) if channels_in != channels else 0
        norms, embed = 2 * channels_in + 2 * channels, conv(emb, 2 * channels, 1)
        return norms + conv(channels_in, channels) + embed + conv(channels, channels) + skip

    def attention(channels: int) -> int:
        return 2 * channels + conv(channels, 3 * channels, 1) + conv(channels, channels, 1)

    total = conv(width, emb, 1) + conv(emb, emb, 1) + 1000 * emb + conv(3, width)
    skips, channels = [width], width
    for level, mult in enumerate(mults):
        for _ in range(blocks):
            total += residual(channels, width * mult) + (attention(width * mult) if level else 0)
            channels = width * mult
            skips.append(channels)
        if level < 3:
            total += residual(channels, channels)
            skips.append(channels)
    total += 2 * residual(channels, channels) + attention(channels)
    for level, mult in reversed(list(enumerate(mults))):
        for _ in range(blocks + 1):
            total += residual(channels + skips.pop(), width * mult) + (
                attention(width * mult) if level else 0
            )
            channels = width * mult
        if level:
            total += residual(channels, channels)
    return total + 2 * channels + conv(channels, 6)


def test_the_base_layout_is_the_adm_64() -> None:
    with torch.device("meta"):
        network = UNet(UNetConfig(side=64, channels=192))
    text = sum(
        parameter.numel()
        for name, parameter in network.named_parameters()
        if name.startswith("text.") or ".text_" in name
    )
    classes, variances = 1000 * 768, 3 * (9 * 192 + 1)
    without_text = PAPER["base_300m"].num_parameters - text
    assert without_text + classes + variances == adm_64() == 295_904_454
    assert round(adm_64() / 1e6, 1) == 295.9


def test_the_paper_sizes_are_near_their_names() -> None:
    differences = {
        name: preset.num_parameters / preset.nominal - 1 for name, preset in PAPER.items() if preset.nominal
    }
    assert max(differences[name] for name in differences if name.startswith("base")) < 0.1
    assert differences["sr256"] == pytest.approx(-0.25, abs=0.01)
    assert differences["sr1024"] == pytest.approx(0.11, abs=0.01)
    # The two networks that figure A.14 compares are of one size.
    ratio = PAPER["sr256_unet"].num_parameters / PAPER["sr256"].num_parameters
    assert ratio == pytest.approx(1, abs=0.02)


def test_the_largest_stage_attends_to_text_alone() -> None:
    for name, over_self in (("sr256", True), ("sr1024", False)):
        with torch.device("meta"):
            network = StageConfig(
                name=name, network=PAPER[name].network, low_res_side=PAPER[name].low_res_side
            ).make_network()
        layers = [module for module in network.modules() if isinstance(module, TextAttention)]
        assert len(layers) == 2
        assert all((layer.key_value is not None) == over_self for layer in layers)
        assert all(layer.text_key_value is not None for layer in layers)


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


def test_the_docs_print_the_same_counts() -> None:
    rows = []
    for name, preset in PAPER.items():
        said, difference = "not stated", ""
        if preset.nominal is not None:
            said = f"{preset.nominal / 1e6:.0f} million"
            difference = f" {preset.num_parameters / preset.nominal - 1:+.1%}"
        rows.append(f"| `{name}` | {preset.num_parameters:,} | {said} |{difference} |")
    text = (Path(__file__).parents[2] / "docs" / "networks.md").read_text()
    table = text.split("|---|---:|---:|---:|\n")[1].split("\n\n")[0]
    assert table.splitlines() == rows
