"""Every sweep under conf/experiment/ plans its points, with what its levels are trained to."""

import shutil
from pathlib import Path

import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

from drawbench_eval.commands import planning
from drawbench_eval.commands.door import conf_folder, plain
from drawbench_eval.commands.kept import Kept
from drawbench_eval.commands.points import configurations, points, swept
from imagen_ref import pretrained
from imagen_ref.stage import Stage, save_stage

PACKAGED = Path(next(iter(pretrained.__path__))) / "scenes"
# Sweep -> its number of points, and the levels that are trained for it.
SWEEPS: dict[str, tuple[int, tuple[str, ...]]] = {
    "demo": (12, ()),
    "base_guidance": (13, ()),
    "sr_guidance": (9, ()),
    "guidance_x_threshold": (39, ()),
    "guidance_x_threshold_saturated": (21, ("base_saturated", "sr64_saturated")),
    "percentile_x_guidance": (28, ()),
    "aug_level_x_guidance": (20, ()),
    "encoder_size": (
        35,
        (
            *("t5_small", "t5_large", "t5_random"),
            *("base_t5_small", "base_t5_middle", "base_t5_large", "base_t5_random", "base_t5_joint"),
        ),
    ),
    "encoder_family": (14, ("clip_text", "base_clip_text", "base_t5_middle")),
    "unet_size": (21, ("base_small", "base_middle", "base_large")),
    "conditioning": (21, ("base_t5_middle", "base_mean_pooling", "base_attention_pooling")),
    "augmentation": (24, ("sr64_efficient", "sr64_no_augmentation")),
    "efficient_unet": (10, ("sr64_efficient", "sr64_unet")),
    "augmentation_series": (10, ("sr64_efficient", "sr64_no_augmentation")),
    "guidance_rise": (4, ()),
    "recovery": (12, ()),
    "sr_spread": (15, ()),
}
CONF = conf_folder()


@pytest.fixture
def stages() -> dict[str, Stage]:
    return {name: Stage.load(PACKAGED / f"{name}.safetensors") for name in ("base", "sr64")}


def _train(level: str, number: int, stages: dict[str, Stage]) -> None:
    """What `drawbench-eval train experiment=scenes/LEVEL` leaves, of the packaged model's weights."""
    folder = Path("results/train") / str(_experiment(level)["name"])
    stage = level.split("_")[0]
    if stage not in stages:
        shutil.copytree(PACKAGED / "t5_middle", folder)
        return
    of = stages[stage]
    path = folder / f"{_experiment(level)['stage']}.safetensors"
    path.parent.mkdir(parents=True)
    if level == "base_t5_joint":
        shutil.copytree(PACKAGED / "t5_middle", folder / "text_encoder")
    for place, step in enumerate(("", "-1000", "-2000", "-3000", "-4000", "-5000")):
        training = {"step": 10 * number + place}
        save_stage(path.with_stem(path.stem + step), of.config, of.network.state_dict(), training=training)


def _experiment(level: str) -> dict[str, object]:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        values = plain(compose("train", overrides=[f"experiment=scenes/{level}"]))
    return {"name": values["name"], "stage": (values["stage"] or {}).get("name", values["name"])}


@pytest.mark.parametrize("name", SWEEPS)
def test_every_point_is_a_run_of_its_own(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stages: dict[str, Stage]
) -> None:
    monkeypatch.chdir(tmp_path)
    number, levels = SWEEPS[name]
    for place, level in enumerate(levels):
        _train(level, place, stages)
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("evaluate", overrides=[f"experiment={name}"], return_hydra_config=True)
        every = [[f"experiment={name}", *point] for point in points(config)]
        kept, ids = Kept(), set()
        for values in map(plain, configurations("evaluate", every)):
            ids.add(planning.plan_run(planning.evaluate_settings(values), values, kept=kept).run_id)
        assert len(swept(every)) >= 1
    assert len(every) == len(ids) == number


def test_every_sweep_is_here_and_every_level_can_be_trained() -> None:
    found = {path.stem for path in (CONF / "experiment").glob("*.yaml")}
    assert found - {name for name in found if name.endswith("_compare")} == set(SWEEPS)
    for name, (_, levels) in SWEEPS.items():
        text = (CONF / "experiment" / f"{name}.yaml").read_text()
        commands = [line for line in text.splitlines() if "drawbench-eval train -m experiment=" in line]
        asked = [one.split("/")[1] for line in commands for one in line.split("experiment=")[1].split(",")]
        assert sorted(asked) == sorted(levels)
        for level in levels:
            assert (
                yaml.safe_load((CONF / "experiment" / "scenes" / f"{level}.yaml").read_text())["name"]
                == level
            )
