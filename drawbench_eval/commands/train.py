"""`drawbench-eval train`: one stage, text encoder or scorer, from a configuration in conf/experiment/."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from omegaconf import DictConfig

from drawbench_eval.commands.door import hydra_app, plain
from drawbench_eval.commands.train_data import DataSettings, captioned_data, prepare_data, scenes

if TYPE_CHECKING:
    from drawbench_eval.images.decode import Pixels
    from imagen_ref.data import ImageTextData
    from imagen_ref.text.embedding import TextEncoder
    from imagen_ref.train import Ranks

# Captions for a compiled network are padded to a multiple of this, so that it is compiled once or twice.
COMPILED_LENGTHS = 32
TOKENIZER_CAPTIONS = 30_000
# So many captions are measured before a training, to say how many are cut.
MEASURED_CAPTIONS = 4096


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """One training run.

    kind: what is trained. training: its numbers. stage: the network, for kind=stage. initial: weights that a
    stage starts from, or null. device: where a stage is trained. text_encoder: a folder, one of the packaged
    encoders or a name on the Hub, there at a revision. text_cache: whether its states are kept on disk.
    name: what the result is called. prepare: whether the data is only made ready. package: where a copy goes,
    or null.
    """

    kind: Literal["t5", "clip_text", "stage", "scorer_image", "scorer_clip"]
    name: str
    results: Path
    package: Path | None
    training: Mapping[str, Any]
    stage: Mapping[str, Any]
    initial: Path | None
    text_encoder: str
    text_encoder_revision: str | None
    text_encoder_precision: Literal["float32", "bfloat16"]
    text_cache: bool
    max_length: int
    device: str
    prepare: bool
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
    if int(os.environ.get("WORLD_SIZE", "1")) > 1 and (settings.prepare or settings.kind != "stage"):
        raise ValueError("torchrun: only the training of a stage is shared; start this as one process")
    if settings.prepare:
        _prepare(settings)
        return
    folder = settings.results / "train" / settings.name
    folder.mkdir(parents=True, exist_ok=True)
    trained = _TRAINERS[settings.kind](settings, folder)
    if trained is None:
        return
    print(f"trained: {trained}", file=sys.stderr)
    _probe(settings, folder)
    if settings.package is not None:
        _package(trained, settings.package / trained.name)


def _prepare(settings: TrainSettings) -> None:
    """The images as shards and, where text is cached, the states of all their captions."""
    from drawbench_eval.generators.device import resolve_device

    folder, shrink = _data_folder(settings), _shrink_to(settings.data.side)
    prepared = prepare_data(settings.data, folder, shrink)
    print(f"prepared: {prepared}", file=sys.stderr)
    if settings.text_cache:
        captions = captioned_data(settings.data, folder, shrink).every_caption()
        _cached(_encoder(settings, resolve_device(settings.device), padding=1), captions, settings)


def _probe(settings: TrainSettings, folder: Path) -> None:
    """What an encoder that learned from scenes, or with a stage, tells of them; beside its weights."""
    from drawbench_eval.scenes.encoder_probe import write_probe
    from imagen_ref.text.load import load_encoder
    from imagen_ref.training.learned_encoder import FOLDER

    encoder = folder if settings.kind in ("t5", "clip_text") else folder / FOLDER
    if settings.data.kind == "scenes" and encoder.is_dir() and settings.kind in ("t5", "clip_text", "stage"):
        shares = write_probe(encoder, load_encoder(encoder, max_length=settings.max_length))
        said = ", ".join(f"{kind} {share:.1%}" for kind, share in shares.items())
        print(f"its states tell of a caption: {said}", file=sys.stderr)


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


def _clip_text(settings: TrainSettings, folder: Path) -> Path:
    from drawbench_eval.commands.settings import build
    from drawbench_eval.runs.progress import show_progress
    from imagen_ref.data import batch_indices
    from imagen_ref.text.pretrain_clip import ContrastiveConfig, pretrain_clip

    config = build(ContrastiveConfig, settings.training, "training")
    data = scenes(settings.data, _data_folder(settings))

    def batch(step: int) -> tuple[Pixels, list[str]]:
        indices, epoch = batch_indices(len(data), config.batch_size, step=step, seed=config.seed)
        return data.images(indices), data.captions(indices, epoch)

    captions = data.captions(range(min(len(data), TOKENIZER_CAPTIONS)), 0)
    with show_progress(settings.name, total=config.num_steps, unit="steps") as advance:
        return pretrain_clip(config, captions, batch, folder, report=lambda *_: advance(1))


def _stage(settings: TrainSettings, folder: Path) -> Path | None:
    """Trains a stage, as one of several processes under torchrun; the others than the first return None."""
    from drawbench_eval.commands.settings import build
    from drawbench_eval.generators.device import resolve_device
    from drawbench_eval.runs.progress import show_progress
    from imagen_ref.cascade_files import packaged
    from imagen_ref.stage import Stage, stage_config
    from imagen_ref.train import TrainConfig, steps_done, train_stage
    from imagen_ref.training.ranks import join_ranks

    if not settings.stage:
        raise ValueError("stage: a value is needed for kind=stage")
    config = build(TrainConfig, settings.training, "training")
    stage = stage_config({"name": settings.name, **settings.stage})
    size = config.batch_size
    with join_ranks(resolve_device(settings.device)) as (ranks, device), ExitStack() as stack:
        padding = COMPILED_LENGTHS if config.compiled else 1
        encoder = _encoder(settings, device, padding)
        initial = None if settings.initial is None else Stage.load(packaged(settings.initial))
        data, encoder = _data(settings, encoder, ranks)
        advance: Callable[[int], None] = lambda _: None  # noqa: E731
        if ranks.is_first:
            total, done = config.num_steps * size, steps_done(folder) * size
            advance = stack.enter_context(show_progress(settings.name, total=total, done=done))
        trained = train_stage(
            stage,
            config,
            data,
            encoder,
            folder,
            initial=initial,
            device=device,
            ranks=ranks,
            report=lambda _: advance(size),
        )
        return trained if ranks.is_first else None


def _encoder(settings: TrainSettings, device: str, padding: int) -> TextEncoder:
    from imagen_ref.cascade_files import packaged
    from imagen_ref.text.load import load_encoder

    part = packaged(settings.text_encoder)
    return load_encoder(
        part if part.is_dir() else settings.text_encoder,
        revision=settings.text_encoder_revision,
        precision=settings.text_encoder_precision,
        max_length=settings.max_length,
        device=device,
        pad_to_multiple_of=padding,
    )


def _data(settings: TrainSettings, encoder: TextEncoder, ranks: Ranks) -> tuple[ImageTextData, TextEncoder]:
    """The images, and the encoder as training uses it; the first process looks, renders and encodes."""
    data: ImageTextData
    with ranks.first_goes_ahead():
        if settings.data.kind == "scenes":
            if settings.text_cache:
                raise ValueError("text_cache: scenes are worded anew in every epoch; write text_cache=false")
            data = scenes(settings.data, _data_folder(settings))
        else:
            data = images = captioned_data(
                settings.data, _data_folder(settings), _shrink_to(settings.data.side)
            )
            if settings.text_cache:
                encoder = _cached(encoder, images.every_caption(), settings)
    if ranks.is_first:
        captions = data.captions(range(min(len(data), MEASURED_CAPTIONS)), 0)
        if cut := len(encoder.truncated(captions)):
            print(
                f"captions: {cut} of the first {len(captions)} are longer than max_length="
                f"{settings.max_length} tokens and are cut",
                file=sys.stderr,
            )
    return data, encoder


def _cached(encoder: TextEncoder, captions: list[str], settings: TrainSettings) -> TextEncoder:
    """The encoder with its states of these captions on disk; what that costs is said before it starts."""
    from drawbench_eval.runs.progress import show_progress
    from imagen_ref.text.cache import CachedEncoder

    cached = CachedEncoder(encoder, settings.results / "train" / "text")
    with show_progress("encoding captions", total=len(set(captions)), unit="captions") as advance:
        before = 0

        def progress(done: int, _all: int) -> None:
            nonlocal before
            advance(done - before)
            before = done

        cached.fill(captions, report=lambda line: print(line, file=sys.stderr), progress=progress)
    cached.release()
    return cached


def _shrink_to(side: int) -> Callable[[Pixels], Pixels]:
    """A square image -> uint8 [side, side, 3], by the one resize."""
    import numpy as np
    import torch

    from imagen_ref.resize import resize, to_float, to_uint8

    def shrink(pixels: Pixels) -> Pixels:
        whole = torch.from_numpy(np.array(pixels)[None])
        small: Pixels = to_uint8(resize(to_float(whole), side))[0].numpy()
        return small

    return shrink


def _data_folder(settings: TrainSettings) -> Path:
    return settings.results / "train" / "data"


def _scorer_image(settings: TrainSettings, folder: Path) -> Path:
    from drawbench_eval.commands.settings import build
    from drawbench_eval.runs.progress import show_progress
    from drawbench_eval.scenes.scorer_training import ScorerTraining, train_image_scorer

    config = build(ScorerTraining, settings.training, "training")
    path = folder / "image_scorer.safetensors"
    with show_progress(settings.name, total=config.num_steps, unit="steps") as advance:
        data = scenes(settings.data, _data_folder(settings))
        train_image_scorer(config, data, path, report=lambda *_: advance(1))
    return path


def _scorer_clip(settings: TrainSettings, folder: Path) -> Path:
    from drawbench_eval.commands.settings import build
    from drawbench_eval.runs.progress import show_progress
    from drawbench_eval.scenes.scorer_training import ScorerTraining, train_clip_scorer
    from imagen_ref.text.pretrain import train_tokenizer

    config = build(ScorerTraining, settings.training, "training")
    data = scenes(settings.data, _data_folder(settings))
    tokenizer = train_tokenizer(data.captions(range(config.num_images), 0), vocab_size=400)
    path = folder / "clip_scorer.safetensors"
    with show_progress(settings.name, total=config.num_steps, unit="steps") as advance:
        train_clip_scorer(config, data, tokenizer, path, report=lambda *_: advance(1))
    return path


_TRAINERS: dict[str, Callable[[TrainSettings, Path], Path | None]] = {
    "t5": _t5,
    "clip_text": _clip_text,
    "stage": _stage,
    "scorer_image": _scorer_image,
    "scorer_clip": _scorer_clip,
}
