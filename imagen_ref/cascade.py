"""Stages in a row: text -> base image -> super-resolution, with 8 bits between them (Imagen, section 2.4)."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imagen_ref.samplers import SamplerSettings
from imagen_ref.stage import Stage, StageConfig, autocast_dtype, read_stage_config
from imagen_ref.text.embedding import TextEmbedding, TextEncoder, collate
from imagen_ref.text.load import load_encoder

PRETRAINED = Path(__file__).parent / "pretrained"
ENCODER_BATCH = 64


class StageFile:
    """A stage on disk whose weights are read when its turn comes.

    Raises:
        ValueError: for a missing, truncated or foreign file.
    """

    def __init__(self, path: Path, *, device: torch.device | str = "cpu") -> None:
        self.path, self.device = path, device
        self.config: StageConfig = read_stage_config(path)

    def load(self) -> Stage:
        """The stage, ready to sample."""
        return Stage.load(self.path, device=self.device)


class Cascade:
    """A text encoder and the stages that follow it.

    Args:
        encoder: the frozen text encoder that every stage was trained with.
        stages: in order; each starts at the side where the one before ended.
        precision: "float32" or "bfloat16" of the networks' forward.
        one_at_a_time: whether the encoder is freed before the first network is loaded, and each network (a
            `StageFile`) before the next: the memory of the largest part instead of all. The images are the
            same.

    Raises:
        ValueError: for stages that do not fit together, that were never trained, or that were trained with
            another encoder or another length of text.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        stages: Sequence[Stage | StageFile],
        *,
        precision: str = "float32",
        one_at_a_time: bool = False,
    ) -> None:
        if not stages:
            raise ValueError("cascade: it needs at least one stage")
        for before, after in itertools.pairwise(stages):
            if after.config.low_res_side != before.config.side:
                raise ValueError(
                    f"cascade: stage {after.config.name} starts from a side of {after.config.low_res_side}, "
                    f"stage {before.config.name} ends at {before.config.side}"
                )
        for stage in stages:
            _check_encoder(encoder, stage.config)
        autocast_dtype(precision)
        self.encoder = encoder
        self.stages = tuple(stages)
        self.precision = precision
        self.one_at_a_time = one_at_a_time

    @staticmethod
    def load(
        name: str | Path,
        *,
        text_encoder: str | None = None,
        device: torch.device | str = "cpu",
        precision: str = "float32",
        one_at_a_time: bool = False,
    ) -> Cascade:
        """A packaged cascade by name ("scenes"), or one from a folder with a cascade.json.

        Args:
            name: the packaged name or the folder.
            text_encoder: one of the encoders in it; the first by default.
            device: where the encoder and the networks run.
            precision: "float32" or "bfloat16" of the networks' forward.
            one_at_a_time: whether only one of encoder and networks is in memory at a time: for paper sizes.

        Raises:
            ValueError: when there is no such cascade or encoder, or a file of it is missing or damaged.
        """
        folder, encoder_name, content = _description(name, text_encoder)
        encoder = load_encoder(
            content.get("source", folder / encoder_name),
            revision=content.get("revision"),
            max_length=int(content["max_length"]),
            precision=content.get("precision", "float32"),
            device=device,
        )
        files = [StageFile(folder / file, device=device) for file in content["stages"].values()]
        stages = files if one_at_a_time else [file.load() for file in files]
        return Cascade(encoder, stages, precision=precision, one_at_a_time=one_at_a_time)

    def encode(self, prompts: Sequence[str]) -> TextEmbedding:
        """Embeddings of the prompts; each different prompt is encoded once."""
        different = sorted(set(prompts))
        rows: list[Tensor] = []
        for start in range(0, len(different), ENCODER_BATCH):
            batch = self.encoder.encode(different[start : start + ENCODER_BATCH])
            rows += [states[mask] for states, mask in zip(batch.states, batch.mask, strict=True)]
        position = {prompt: row for row, prompt in enumerate(different)}
        return collate([rows[position[prompt]] for prompt in prompts])

    def sample(
        self,
        prompts: Sequence[str],
        *,
        seeds: Sequence[int],
        guidance_weight: float | None = None,
        threshold: str | None = None,
        settings: Mapping[str, SamplerSettings] | None = None,
        batch_size: int = 16,
        low_res: NDArray[np.uint8] | None = None,
        first: str | None = None,
        last: str | None = None,
        on_images: Callable[[int], None] = lambda _: None,
    ) -> NDArray[np.uint8]:
        """Images uint8 [N, side, side, 3] of the last stage run.

        Args:
            prompts: N prompts; an empty one is sampled without text.
            seeds: N seeds; with the stage's name each fixes its sample's noise, whatever the batch.
            guidance_weight: that of the base stage, before its `settings`.
            threshold: that of the base stage, before its `settings`.
            settings: by the stage's name; a stage that is not named takes `SamplerSettings()`.
            batch_size: samples computed together.
            low_res: N images uint8 [N, s, s, 3] to start from when `first` is a super-resolution stage.
            first: name of the first stage to run; by default the first there is.
            last: name of the last stage to run; by default the last there is.
            on_images: called with the number of samples finished after each batch.

        Raises:
            ValueError: for lists of unlike length, a stage that there is none of, or images to start from
                that are missing, not asked for or of another size.
        """
        if len(prompts) != len(seeds):
            raise ValueError(f"seeds: {len(seeds)} for {len(prompts)} prompts; one each is needed")
        if low_res is not None and len(low_res) != len(prompts):
            raise ValueError(f"low_res: {len(low_res)} images for {len(prompts)} prompts; one each is needed")
        stages = self._between(first, last)
        if low_res is not None and stages[0].config.low_res_side is None:
            raise ValueError(
                f"low_res: stage {stages[0].config.name} starts from noise; write first=NAME of a later stage"
            )
        chosen = self._settings(settings or {}, stages, guidance_weight, threshold)
        text = self.encode(prompts)
        if not self.one_at_a_time:
            return self._run(stages, text, seeds, chosen, low_res, batch_size, on_images)
        self.encoder.release()
        images = low_res
        for stage in stages:
            told = on_images if stage is stages[-1] else lambda _: None
            images = self._run((stage,), text, seeds, chosen, images, batch_size, told)
        assert images is not None
        return images

    def _run(
        self,
        stages: Sequence[Stage | StageFile],
        text: TextEmbedding,
        seeds: Sequence[int],
        settings: Mapping[str, SamplerSettings],
        low_res: NDArray[np.uint8] | None,
        batch_size: int,
        on_images: Callable[[int], None],
    ) -> NDArray[np.uint8]:
        """All samples through these stages, batch by batch; what is loaded for it is freed at its end."""
        loaded = [stage.load() if isinstance(stage, StageFile) else stage for stage in stages]
        done: list[NDArray[np.uint8]] = []
        for start in range(0, len(seeds), batch_size):
            rows = slice(start, start + batch_size)
            images = None if low_res is None else low_res[rows]
            for stage in loaded:
                images = stage.sample(
                    text[rows],
                    seeds[rows],
                    settings[stage.config.name],
                    low_res=images,
                    precision=self.precision,
                )
            assert images is not None
            done.append(images)
            on_images(len(images))
        return np.concatenate(done)

    def _settings(
        self,
        given: Mapping[str, SamplerSettings],
        stages: Sequence[Stage | StageFile],
        guidance_weight: float | None,
        threshold: str | None,
    ) -> dict[str, SamplerSettings]:
        """Those of every stage that is run."""
        names = [stage.config.name for stage in self.stages]
        for name in given:
            if name not in names:
                raise ValueError(f"settings: {name} is not one of the stages {', '.join(names)}")
        chosen = {stage.config.name: given.get(stage.config.name, SamplerSettings()) for stage in stages}
        short = {"guidance_weight": guidance_weight, "threshold": threshold}
        changes: dict[str, Any] = {key: value for key, value in short.items() if value is not None}
        if changes and stages[0].config.low_res_side is not None:
            raise ValueError(
                f"{next(iter(changes))}: it means the base, which is not run; write "
                f"settings={{{stages[0].config.name!r}: SamplerSettings(...)}}"
            )
        base = stages[0].config.name
        return {**chosen, base: replace(chosen[base], **changes)}

    def _between(self, first: str | None, last: str | None) -> tuple[Stage | StageFile, ...]:
        names = [stage.config.name for stage in self.stages]
        for name in (first, last):
            if name is not None and name not in names:
                raise ValueError(f"stage: {name} is not one of {', '.join(names)}")
        start = names.index(first) if first else 0
        stop = names.index(last) + 1 if last else len(names)
        if start >= stop:
            raise ValueError(f"stages: {first} comes after {last}; the order is {', '.join(names)}")
        return self.stages[start:stop]


def _check_encoder(encoder: TextEncoder, stage: StageConfig) -> None:
    """Raises ValueError where the stage was not trained with this encoder, be it as wide or not."""
    given, trained = encoder.identity, stage.text_encoder
    if not trained:
        raise ValueError(f"stage {stage.name}: it was never trained, its checkpoint names no text encoder")
    if trained.get("weights_sha256") != given["weights_sha256"]:
        raise ValueError(
            f"text encoder {given['name']}: stage {stage.name} was trained with {trained.get('name')}, of "
            "other weights; use that one"
        )
    if trained.get("max_length", encoder.max_length) != encoder.max_length:
        raise ValueError(
            f"text encoder {given['name']}: it keeps {encoder.max_length} tokens of a prompt, stage "
            f"{stage.name} was trained with {trained['max_length']}; load it with that max_length"
        )


def checkpoint_files(name: str | Path, *, text_encoder: str | None = None) -> dict[str, Path]:
    """The weight files of a cascade: the encoder's and each stage's, by name. They are not opened here.

    An encoder in several files has a name for each; one from elsewhere has none (every stage holds its hash).

    Raises:
        ValueError: when there is no such cascade or encoder.
    """
    folder, encoder_name, content = _description(name, text_encoder)
    stages = {stage: folder / file for stage, file in content["stages"].items()}
    if "source" in content:
        return stages
    return {**encoder_files(encoder_name, folder / encoder_name), **stages}


def encoder_files(name: str, folder: Path) -> dict[str, Path]:
    """A text encoder's weight file under its name, or NAME/FILE for each of several."""
    parts = sorted(folder.glob("*.safetensors"))
    if len(parts) > 1:
        return {f"{name}/{part.name}": part for part in parts}
    return {name: folder / "model.safetensors"}


def _description(name: str | Path, text_encoder: str | None) -> tuple[Path, str, dict[str, Any]]:
    """(folder, encoder, {"max_length", "stages"}) from cascade.json.

    Optional there: "source" (a folder or a name on the Hub, where the encoder lies elsewhere), "revision" and
    "precision" of the encoder.
    """
    packaged = PRETRAINED / str(name)
    folder = packaged if packaged.is_dir() else Path(name)
    file = folder / "cascade.json"
    if not file.is_file():
        known = ", ".join(sorted(path.name for path in PRETRAINED.iterdir() if path.is_dir()))
        raise ValueError(
            f"model.path: {name} has no cascade.json; give a folder that has one, or one of: {known}"
        )
    encoders = _encoders(file)
    chosen = text_encoder or next(iter(encoders))
    if chosen not in encoders:
        raise ValueError(f"model.text_encoder: {chosen} is not one of {', '.join(encoders)} in {folder}")
    return folder, chosen, encoders[chosen]


def _encoders(file: Path) -> dict[str, dict[str, Any]]:
    """What cascade.json says, its form checked."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"cascade {file}: not JSON ({error})") from error
    encoders: Any = content.get("text_encoders") if isinstance(content, dict) else None
    if not isinstance(encoders, dict) or not encoders:
        raise ValueError(f"cascade {file}: text_encoders is missing; a name for each encoder is needed")
    for name, one in encoders.items():
        for key, kind in (("max_length", int), ("stages", dict)):
            if not isinstance(one, dict) or not isinstance(one.get(key), kind):
                raise ValueError(f"cascade {file}: text_encoders.{name}.{key} is missing")
    return dict(encoders)
