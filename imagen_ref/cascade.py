"""Stages in a row: text -> base image -> super-resolution, with 8 bits between them (Imagen, section 2.4)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from imagen_ref.cascade_files import cascade_files
from imagen_ref.precision import autocast_dtype
from imagen_ref.samplers import SamplerSettings
from imagen_ref.stage import Stage, StageConfig, read_stage_config
from imagen_ref.text.embedding import TextEmbedding, TextEncoder, collate

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
        encoder: the frozen text encoder that the stages were trained with.
        stages: in order; each starts at the side where the one before ended. A `StageFile` is read when its
            turn comes, and kept.
        precision: "float32" or "bfloat16" of the networks' forward.
        one_at_a_time: whether the encoder is freed before the first network is loaded, and each network (a
            `StageFile`) before the next: the memory of the largest part instead of all. The images are the
            same.
        own_encoders: by the stage's name, the encoders of stages that were trained with another one.

    Raises:
        ValueError: for stages that do not fit together, that were never trained, or that were trained with
            another encoder, length of text or precision of it, and for two stages of one name.
    """

    def __init__(
        self,
        encoder: TextEncoder,
        stages: Sequence[Stage | StageFile],
        *,
        precision: str = "float32",
        one_at_a_time: bool = False,
        own_encoders: Mapping[str, TextEncoder] | None = None,
    ) -> None:
        if not stages:
            raise ValueError("cascade: it needs at least one stage")
        self.encoder = encoder
        self.stages = tuple(stages)
        self.precision = precision
        self.one_at_a_time = one_at_a_time
        self._own_encoders = dict(own_encoders or {})
        self._loaded: dict[str, Stage] = {}
        for before, after in itertools.pairwise(stages):
            if after.config.low_res_side != before.config.side:
                raise ValueError(
                    f"cascade: stage {after.config.name} starts from a side of {after.config.low_res_side}, "
                    f"stage {before.config.name} ends at {before.config.side}"
                )
        names = [stage.config.name for stage in stages]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"cascade: two stages are called {name}; their noise would be the same")
        for name in self._own_encoders:
            if name not in names:
                raise ValueError(f"own_encoders: {name} is not one of the stages {', '.join(names)}")
        for stage in stages:
            _check_encoder(self.encoder_of(stage.config.name), stage.config)
        autocast_dtype(precision)

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
        files = cascade_files(name, text_encoder=text_encoder)
        encoder = files.encoder.load(device)
        parts = {name: StageFile(path, device=device) for name, path in files.stages.items()}
        own = {parts[name].config.name: source.load(device) for name, source in files.own_encoders.items()}
        stages = list(parts.values()) if one_at_a_time else [part.load() for part in parts.values()]
        return Cascade(encoder, stages, precision=precision, one_at_a_time=one_at_a_time, own_encoders=own)

    def encoder_of(self, stage: str) -> TextEncoder:
        """The text encoder that the stage of this name was trained with."""
        return self._own_encoders.get(stage, self.encoder)

    def encode(self, prompts: Sequence[str], *, stage: str | None = None) -> TextEmbedding:
        """Embeddings of the prompts; each different prompt is encoded once.

        Args:
            prompts: N prompts; an empty one has no tokens.
            stage: name of the stage whose encoder reads them; by default the first.
        """
        encoder = self.encoder_of(stage or self.stages[0].config.name)
        if self.one_at_a_time:
            self._free(but=encoder)
        different = sorted(set(prompts))
        rows: list[Tensor] = []
        for start in range(0, len(different), ENCODER_BATCH):
            batch = encoder.encode(different[start : start + ENCODER_BATCH])
            rows += [states[mask] for states, mask in zip(batch.states, batch.mask, strict=True)]
        position = {prompt: row for row, prompt in enumerate(different)}
        return collate([rows[position[prompt]] for prompt in prompts])

    def sample_stage(
        self,
        name: str,
        text: TextEmbedding,
        *,
        seeds: Sequence[int],
        settings: SamplerSettings,
        low_res: NDArray[np.uint8] | None = None,
    ) -> NDArray[np.uint8]:
        """One batch of one stage, uint8 [B, side, side, 3]: what `sample` does between two 8-bit boundaries.

        Args:
            name: the stage's name.
            text: embeddings of B prompts, from `encode` with this stage.
            seeds: B seeds.
            settings: those of this stage.
            low_res: B images uint8 of the stage before; None for a base.

        Raises:
            ValueError: for a stage that there is none of, and images that are missing or of another size.
        """
        (stage,) = self._between(name, name)
        return self._ready(stage).sample(text, seeds, settings, low_res=low_res, precision=self.precision)

    def sample(
        self,
        prompts: Sequence[str],
        *,
        seeds: Sequence[int],
        base_seeds: Sequence[int] | None = None,
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
            base_seeds: N seeds of the base alone, by default `seeds`: with equal ones several
                super-resolutions of one base image are drawn.
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
        if base_seeds is not None and len(prompts) != len(base_seeds):
            raise ValueError(f"base_seeds: {len(base_seeds)} for {len(prompts)} prompts; one each is needed")
        if base_seeds is not None and first not in (None, self.stages[0].config.name):
            raise ValueError(f"base_seeds: the base is not run where first={first}")
        if low_res is not None and len(low_res) != len(prompts):
            raise ValueError(f"low_res: {len(low_res)} images for {len(prompts)} prompts; one each is needed")
        stages = self._between(first, last)
        if low_res is not None and stages[0].config.low_res_side is None:
            raise ValueError(
                f"low_res: stage {stages[0].config.name} starts from noise; write first=NAME of a later stage"
            )
        chosen = self._settings(settings or {}, stages, guidance_weight, threshold)
        texts = self._texts(stages, prompts)
        drawn = {
            stage.config.name: seeds if base_seeds is None or stage.config.low_res_side else base_seeds
            for stage in stages
        }
        groups = [(stage,) for stage in stages] if self.one_at_a_time else [stages]
        images = low_res
        for group in groups:
            told = on_images if group[-1] is stages[-1] else lambda _: None
            images = self._run(group, texts, drawn, chosen, images, batch_size, told)
        if self.one_at_a_time:
            self._free(but=None)
        assert images is not None
        return images

    def _texts(self, stages: Sequence[Stage | StageFile], prompts: Sequence[str]) -> dict[str, TextEmbedding]:
        """Stage -> embeddings; each encoder reads the prompts once."""
        by_encoder: dict[int, TextEmbedding] = {}
        texts: dict[str, TextEmbedding] = {}
        for name in (stage.config.name for stage in stages):
            encoder = id(self.encoder_of(name))
            if encoder not in by_encoder:
                by_encoder[encoder] = self.encode(prompts, stage=name)
            texts[name] = by_encoder[encoder]
        return texts

    def _run(
        self,
        stages: Sequence[Stage | StageFile],
        texts: Mapping[str, TextEmbedding],
        seeds: Mapping[str, Sequence[int]],
        settings: Mapping[str, SamplerSettings],
        low_res: NDArray[np.uint8] | None,
        batch_size: int,
        on_images: Callable[[int], None],
    ) -> NDArray[np.uint8]:
        """All samples through these stages, batch by batch."""
        done: list[NDArray[np.uint8]] = []
        for start in range(0, len(texts[stages[0].config.name].mask), batch_size):
            rows = slice(start, start + batch_size)
            images = None if low_res is None else low_res[rows]
            for name in (stage.config.name for stage in stages):
                images = self.sample_stage(
                    name, texts[name][rows], seeds=seeds[name][rows], settings=settings[name], low_res=images
                )
            assert images is not None
            done.append(images)
            on_images(len(images))
        return np.concatenate(done)

    def _ready(self, stage: Stage | StageFile) -> Stage:
        """The stage with its weights. One at a time, all others and the encoders are freed before."""
        if isinstance(stage, Stage):
            return stage
        name = stage.config.name
        if name not in self._loaded:
            if self.one_at_a_time:
                self._free(but=None)
            self._loaded[name] = stage.load()
        return self._loaded[name]

    def _free(self, *, but: TextEncoder | None) -> None:
        """Frees the networks that were read from files, and all encoders but this one."""
        self._loaded.clear()
        for encoder in (self.encoder, *self._own_encoders.values()):
            if encoder is not but:
                encoder.release()

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
    precisions = [identity.get("precision", "float32") for identity in (given, trained)]
    if precisions[0] != precisions[1]:
        raise ValueError(
            f"text encoder {given['name']}: it is in {precisions[0]}, stage {stage.name} was trained with it "
            f"in {precisions[1]}; load it with that precision"
        )
