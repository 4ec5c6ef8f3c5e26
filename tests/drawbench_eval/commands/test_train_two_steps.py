"""Every training of the scale model takes two steps: as it stands, but with two images a step."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from drawbench_eval.commands.door import conf_folder
from drawbench_eval.commands.train import train
from drawbench_eval.scenes.encoder_probe import CHANCE, read_probe
from imagen_ref.cascade import Cascade
from imagen_ref.cascade_files import PRETRAINED
from imagen_ref.checkpoint import read_training
from imagen_ref.samplers import SamplerSettings
from imagen_ref.stage import Stage
from imagen_ref.text.load import load_encoder

CONF = conf_folder()
FOUND = sorted((CONF / "experiment" / "scenes").glob("*.yaml"))
TRAINED = [path.stem for path in FOUND if "drawbench-eval train" in path.read_text()]
# What makes each a matter of seconds; the networks keep their sizes.
COMMON = ("data.num=8", "device=cpu", "training.batch_size=2")
BRIEF = {
    "t5": ("training.num_steps=2", "training.tokenizer_sentences=2000"),
    "clip_text": ("training.num_steps=2",),
    "scorer_image": ("training.num_steps=2", "training.num_images=8"),
    "scorer_clip": ("training.num_steps=2", "training.num_images=8"),
    "stage": (
        "training.num_steps=2",
        "training.decay_steps=0",
        "training.compiled=false",
        "training.num_workers=0",
        "training.precision=float32",
    ),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of all of them: what one renders or learns, the others find."""
    return tmp_path_factory.mktemp("two") / "results"


def config_of(name: str, results: Path, *more: str) -> DictConfig:
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", overrides=[f"experiment=scenes/{name}", f"results={results}", *more])


def trained(name: str, results: Path) -> tuple[DictConfig, Path]:
    """The configuration, and the folder after two steps; the text encoder that it names comes before."""
    config = config_of(name, results)
    folder = results / "train" / str(config.name)
    if not folder.exists():
        encoder = Path(config.text_encoder)
        if encoder.parent == results / "train":
            trained(encoder.name, results)
        # The control of the encoders stays as it was drawn.
        brief = [each for each in BRIEF[config.kind] if name != "t5_random" or "num_steps" not in each]
        train(config_of(name, results, *COMMON, *brief))
        (folder / "training.pt").unlink(missing_ok=True)  # up to 400 MB
    return config, folder


def sampled(config: DictConfig, folder: Path, name: str) -> np.ndarray[Any, Any]:
    stage = Stage.load(folder / f"{name}.safetensors")
    source = folder / "text_encoder" if config.training.get("learn_encoder") else Path(config.text_encoder)
    if not source.is_absolute():
        source = PRETRAINED / source
    cascade = Cascade(load_encoder(source, max_length=config.max_length), [stage])
    low = stage.config.low_res_side
    return cascade.sample(
        ["two red circles above a blue star"],
        seeds=[0],
        low_res=None if low is None else np.full((1, low, low, 3), 90, np.uint8),
        settings={name: SamplerSettings(num_steps=1)},
    )


@pytest.mark.parametrize("name", TRAINED)
def test_it_learns_from_two_batches(
    name: str, results: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    config, folder = trained(name, results)
    if config.kind != "stage":
        assert list(folder.glob("*.safetensors"))
        assert bool(read_probe(folder)) == (config.kind in ("t5", "clip_text"))
        return
    stage = config.stage.get("name") or config.name
    progress = read_training(folder / f"{stage}.safetensors")
    assert (progress["step"], progress["images"]) == (2, 4)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1, 2]
    assert all(math.isfinite(line["loss"]) and line["grad_norm"] > 0 for line in lines)
    side = config.stage.network.side
    assert sampled(config, folder, stage).shape == (1, side, side, 3)


def test_the_encoders_controls(results: Path) -> None:
    """One base reads a T5 as it was drawn, the other one that learned with it, from the same weights."""
    frozen, folder = trained("base_t5_random", results)
    _, joint = trained("base_t5_joint", results)
    random = load_encoder(results / "train" / "t5_random", max_length=64)
    learned = load_encoder(joint / "text_encoder", max_length=64)
    assert Stage.load(folder / "base.safetensors").config.text_encoder == random.identity
    assert Stage.load(joint / "base.safetensors").config.text_encoder == learned.identity
    assert not (folder / "text_encoder").exists()
    assert read_probe(joint / "text_encoder").keys() == CHANCE.keys()
    prompts = ["a red circle", "two blue stars"]
    apart = (learned.encode(prompts).states - random.encode(prompts).states).abs().max()
    assert 0 < apart < 1, "two steps from the same weights"
    assert frozen.training.get("learn_encoder", False) is False
