"""Every file under conf/ composes, opens as it should, and says what it says in one place."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import ConfigCompositionException
from omegaconf import OmegaConf

from drawbench_eval.commands import planning
from drawbench_eval.commands.compare import CompareSettings
from drawbench_eval.commands.door import conf_folder, plain
from drawbench_eval.commands.settings import build

CONF = conf_folder()
EXPERIMENTS = sorted(path.stem for path in (CONF / "experiment").glob("*.yaml"))
COMPARE = [name for name in EXPERIMENTS if name.endswith("_compare")]
EVALUATE = [name for name in EXPERIMENTS if name not in COMPARE]
OPTIONS = [
    f"{group}={path.stem}"
    for group in ("model", "prompts", "reference", "samples", "protocol")
    for path in sorted((CONF / group).glob("*.yaml"))
]


# A protocol of the literature is about images from elsewhere.
FOLDERS = ["model=folder", "model.path=images", "reference=folder", "reference.path=photographs"]


@pytest.fixture(autouse=True)
def _hydra() -> None:
    GlobalHydra.instance().clear()


def _compose(*overrides: str) -> dict[str, object]:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return plain(compose("evaluate", overrides=list(overrides)))


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_composes_into_settings(option: str) -> None:
    extra = {
        "prompts=file": ["prompts.path=x.csv"],
        "prompts=geneval": ["prompts.path=x.jsonl"],
        "prompts=t2i_compbench": ["prompts.path=x"],
        "prompts=coco30k": ["prompts.path=x.csv"],
        "model=folder": ["model.path=images"],
        "model=python": ["model.target=my.package:sample"],
        "model=command": ["model.command=sh"],
        "model=http": ["model.url=http://127.0.0.1/", "model.version=1"],
        "model=imagen": [
            "model.text_encoder=t5_xxl",
            "model.encoder.path=encoders/t5_xxl",
            "model.stages.base.path=${model.text_encoder}/base.safetensors",
            "model.stages.sr64.path=${model.text_encoder}/sr64.safetensors",
        ],
        "model=diffusers": ["model.path=owner/name"],
        "reference=folder": ["reference.path=photographs"],
        "reference=coco_val2014": ["reference.path=val2014.zip"],
        "reference=coco_val2017": ["reference.path=val2017.zip"],
        "reference=statistics": ["reference.path=x.npz"],
    }.get(option, FOLDERS if option.startswith("protocol=") else [])
    planning.evaluate_settings(_compose(option, *extra))


@pytest.mark.parametrize("name", EVALUATE)
def test_every_experiment_composes_and_opens_with_its_command_and_cost(name: str) -> None:
    path = CONF / "experiment" / f"{name}.yaml"
    swept = OmegaConf.select(OmegaConf.load(path), "hydra.sweeper.params", default={})
    # Groups that only the sweep chooses: of these the first.
    groups = [f"{key}={swept[key].split(',')[0]}" for key in swept if key.startswith("+")]
    planning.evaluate_settings(_compose(f"experiment={name}", *groups))
    lines = path.read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith(f"# drawbench-eval evaluate -m experiment={name}")
    comment = "\n".join(line for line in lines if line.startswith("#"))
    for word in ("Shows", "Costs", "laptop", "GPU"):
        assert word in comment


@pytest.mark.parametrize("name", COMPARE)
def test_every_comparison_composes_and_opens_with_its_command_and_cost(name: str) -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        extra = ["folder=images"] if name == "visor_compare" else ["compare.sets={a: a, b: b}"]
        values = plain(compose("compare", overrides=[f"experiment={name}", *extra]))
    build(CompareSettings, values["compare"], "compare")
    lines = (CONF / "experiment" / f"{name}.yaml").read_text().splitlines()
    assert lines[0] == "# @package _global_"
    assert lines[1].startswith(f"# drawbench-eval compare experiment={name}")
    comment = "\n".join(line for line in lines if line.startswith("#"))
    for word in ("Shows", "Costs", "laptop", "GPU"):
        assert word in comment


def test_the_paper_s_weights() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("evaluate", overrides=["experiment=guidance_x_threshold"], return_hydra_config=True)
    params = OmegaConf.to_container(config.hydra.sweeper.params)
    assert params == {
        "model.guidance_weight": "1,1.25,1.5,1.75,2,3,4,5,6,7,8,9,10",
        "model.threshold": "none,static,dynamic",
    }
    assert config.num_images_per_prompt == 2


def test_the_demo_has_at_least_twelve_points() -> None:
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("evaluate", overrides=["experiment=demo"], return_hydra_config=True)
    params = OmegaConf.to_container(config.hydra.sweeper.params)
    assert isinstance(params, dict)
    points = 1
    for values in params.values():
        points *= len(str(values).split(","))
    assert points >= 12


def test_short_names_reach_the_stages() -> None:
    model = _compose("model.guidance_weight=7", "model.aug_level=0.3")["model"]
    assert isinstance(model, dict)
    assert model["base"]["guidance_weight"] == 7
    assert model["sr64"]["guidance_weight"] == 1.0
    assert model["sr64"]["aug_level"] == 0.3


@pytest.mark.parametrize("model", ["python", "command", "http"])
def test_settings_of_somebody_else_s_model_need_no_plus_sign(model: str) -> None:
    values = {"python": ["target=a:b"], "command": ["command=sh"], "http": ["url=http://a/", "version=1"]}[
        model
    ]
    asked = [f"model.{value}" for value in values]
    chosen = _compose(f"model={model}", *asked, "model.settings.shade=2", "model.settings.a.b=x")["model"]
    assert isinstance(chosen, dict)
    assert chosen["settings"] == {"shade": 2, "a": {"b": "x"}}
    with pytest.raises(ConfigCompositionException, match=r"model\.shade"):
        _compose(f"model={model}", *asked, "model.shade=2")


def test_every_metric_file_stands_under_its_own_name() -> None:
    names = sorted(path.stem for path in (CONF / "metrics").glob("*.yaml"))
    chosen = _compose(f"metrics=[{','.join(names)}]")["metrics"]
    assert isinstance(chosen, dict)
    assert sorted(chosen) == names


def test_the_configuration_lies_where_the_package_says() -> None:
    assert (Path(CONF) / "evaluate.yaml").is_file()
