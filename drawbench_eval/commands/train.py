"""`drawbench-eval train`: one stage, text encoder or scorer, from a configuration in conf/experiment/."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from omegaconf import DictConfig

from drawbench_eval.commands.door import hydra_app, plain

if TYPE_CHECKING:
    from drawbench_eval.scenes.dataset import SceneData

# Captions for a compiled network are padded to a multiple of this, so that it is compiled once or twice.
COMPILED_LENGTHS = 32


@dataclass(frozen=True, kw_only=True)
class DataSettings:
    """The training scenes: how many, at which side, drawn from which seed."""

    num: int
    side: int
    seed: int
    palette: str


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """One training run.

    kind: what is trained. training: its numbers. stage: the network, for kind=stage. initial: weights that a
    stage starts from, or null. device: where a stage is trained. text_encoder: a folder or one of the
    packaged encoders. name: what the result is called. package: where a copy goes, or null.
    """

    kind: Literal["t5", "stage", "scorer_image", "scorer_clip"]
    name: str
    results: Path
    package: Path | None
    training: Mapping[str, Any]
    stage: Mapping[str, Any] | None
    initial: Path | None
    text_encoder: str
    max_length: int
    device: str
    data: DataSettings


def main() -> None:
    """The verb."""
    hydra_app("train", train)


def train(config: DictConfig) -> None:
    """Train what `config` describes; a run that was stopped continues."""
    from drawbench_eval.commands.planning import writable
    from drawbench_eval.commands.settings import build

    settings = build(TrainSettings, plain(config))
    writable("results", settings.results)
    folder = settings.results / "train" / settings.name
    folder.mkdir(parents=True, exist_ok=True)
    trained = _TRAINERS[settings.kind](settings, folder)
    print(f"trained: {trained}", file=sys.stderr)
    if settings.package is not None:
        _package(trained, settings.package / trained.name)


def _package(trained: Path, target: Path) -> None:
    """Copies what is needed for use: a weights file, or an encoder's folder without its training state."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if trained.is_dir():
        target.mkdir(exist_ok=True)
        for path in trained.iterdir():
            if path.name != "training.pt":
                shutil.copyfile(path, target / path.name)
    else:
        shutil.copyfile(trained, target)
    print(f"packaged: {target}", file=sys.stderr)


def _t5(settings: TrainSettings, folder: Path) -> Path:
    from drawbench_eval.commands.settings import build
    from drawbench_eval.runs.progress import show_progress
    from drawbench_eval.scenes.corpus import sentences
    from imagen_ref.text.pretrain import PretrainConfig, pretrain_t5

    config = build(PretrainConfig, settings.training, "training")
    with show_progress(settings.name, total=config.num_steps, unit="steps") as advance:
        return pretrain_t5(config, sentences, folder, report=lambda *_: advance(1))


def _stage(settings: TrainSettings, folder: Path) -> Path:
    from drawbench_eval.commands.settings import build
    from drawbench_eval.generators.device import resolve_device
    from drawbench_eval.runs.progress import show_progress
    from imagen_ref.cascade import PRETRAINED
    from imagen_ref.stage import Stage, stage_config
    from imagen_ref.text.load import load_encoder
    from imagen_ref.train import TrainConfig, steps_done, train_stage

    if settings.stage is None:
        raise ValueError("stage: a value is needed for kind=stage")
    config = build(TrainConfig, settings.training, "training")
    stage = stage_config({"name": settings.name, **settings.stage})
    packaged = PRETRAINED / settings.text_encoder
    device = resolve_device(settings.device)
    encoder = load_encoder(
        packaged if packaged.is_dir() else settings.text_encoder,
        max_length=settings.max_length,
        device=device,
        pad_to_multiple_of=COMPILED_LENGTHS if config.compiled else 1,
    )
    initial = None if settings.initial is None else Stage.load(settings.initial)
    data = _scenes(settings)
    size = config.batch_size
    with show_progress(
        settings.name, total=config.num_steps * size, done=steps_done(folder) * size
    ) as advance:
        return train_stage(
            stage,
            config,
            data,
            encoder,
            folder,
            initial=initial,
            device=device,
            report=lambda _: advance(size),
        )


def _scorer_image(settings: TrainSettings, folder: Path) -> Path:
    from drawbench_eval.commands.settings import build
    from drawbench_eval.runs.progress import show_progress
    from drawbench_eval.scenes.scorer_training import ScorerTraining, train_image_scorer

    config = build(ScorerTraining, settings.training, "training")
    path = folder / "image_scorer.safetensors"
    with show_progress(settings.name, total=config.num_steps, unit="steps") as advance:
        train_image_scorer(config, _scenes(settings), path, report=lambda *_: advance(1))
    return path


def _scorer_clip(settings: TrainSettings, folder: Path) -> Path:
    from drawbench_eval.commands.settings import build
    from drawbench_eval.runs.progress import show_progress
    from drawbench_eval.scenes.scorer_training import ScorerTraining, train_clip_scorer
    from imagen_ref.text.pretrain import train_tokenizer

    config = build(ScorerTraining, settings.training, "training")
    data = _scenes(settings)
    tokenizer = train_tokenizer(data.captions(range(config.num_images), 0), vocab_size=400)
    path = folder / "clip_scorer.safetensors"
    with show_progress(settings.name, total=config.num_steps, unit="steps") as advance:
        train_clip_scorer(config, data, tokenizer, path, report=lambda *_: advance(1))
    return path


def _scenes(settings: TrainSettings) -> SceneData:
    """The training scenes, rendered on the first call and kept under results/."""
    from drawbench_eval.runs.progress import show_progress
    from drawbench_eval.scenes.dataset import SceneData

    data = settings.data
    with show_progress("rendering scenes", total=data.num) as advance:
        return SceneData(
            settings.results / "train" / "data",
            num=data.num,
            side=data.side,
            seed=data.seed,
            palette=data.palette,
            report=advance,
        )


_TRAINERS = {"t5": _t5, "stage": _stage, "scorer_image": _scorer_image, "scorer_clip": _scorer_clip}
