"""Where the parts of a cascade lie: stages by name, and the text encoder that goes before them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from imagen_ref.stage import read_stage_config
from imagen_ref.text.folder import FolderEncoder
from imagen_ref.text.load import load_encoder

PRETRAINED = Path(__file__).parent / "pretrained"


@dataclass(frozen=True, kw_only=True)
class EncoderSource:
    """A text encoder that is not loaded yet.

    Attributes:
        name: what it is called here.
        source: a Hugging Face folder, or a name on the Hub (a str).
        max_length: tokens kept of a prompt.
        revision: branch, tag or commit on the Hub.
        precision: "float32" or "bfloat16" of its weights.
    """

    name: str
    source: str | Path
    max_length: int
    revision: str | None = None
    precision: str = "float32"

    def load(self, device: torch.device | str = "cpu") -> FolderEncoder:
        """The encoder; its weights are read at its first `encode`. Raises ValueError as `load_encoder`."""
        return load_encoder(
            self.source,
            revision=self.revision,
            max_length=self.max_length,
            precision=self.precision,
            device=device,
        )

    def files(self) -> dict[str, Path]:
        """Its weight file under its name, NAME/FILE for each of several, or nothing for a name on the Hub.

        They are not opened here.
        """
        if isinstance(self.source, str):
            return {}
        parts = sorted(self.source.glob("*.safetensors"))
        if len(parts) > 1:
            return {f"{self.name}/{part.name}": part for part in parts}
        return {self.name: self.source / "model.safetensors"}


@dataclass(frozen=True, kw_only=True)
class CascadeFiles:
    """What a cascade consists of.

    Attributes:
        encoder: of all stages that have none of their own.
        stages: the file of each stage, by name and in order.
        own_encoders: those of stages that were trained with another one, by the stage's name.
    """

    encoder: EncoderSource
    stages: Mapping[str, Path]
    own_encoders: Mapping[str, EncoderSource] = field(default_factory=dict)

    def weights(self) -> dict[str, Path]:
        """All weight files by name, as `EncoderSource.files` gives them; they are not opened here."""
        encoders = (self.encoder, *self.own_encoders.values())
        found = {name: path for encoder in encoders for name, path in encoder.files().items()}
        return {**found, **self.stages}


def packaged(path: str | Path) -> Path:
    """The part of a packaged model that a path such as scenes/sr64.safetensors names; else the path."""
    part = PRETRAINED / path
    return part if part.exists() else Path(path)


def cascade_files(name: str | Path, *, text_encoder: str | None = None) -> CascadeFiles:
    """What a packaged cascade, or a folder with a cascade.json, consists of.

    Optional in cascade.json: "source" (a folder or a name on the Hub, where the encoder lies elsewhere),
    "revision" and "precision" of the encoder. A stage that was trained with another of the encoders is
    {"file": "sr64.safetensors", "text_encoder": NAME} in the place of its file.

    Args:
        name: the packaged name or the folder.
        text_encoder: one of the encoders in it; the first by default.

    Raises:
        ValueError: when there is no such cascade or encoder.
    """
    folder = packaged(name)
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
    parts = {stage: _stage(file, chosen, stage, part) for stage, part in encoders[chosen]["stages"].items()}
    if not parts:
        raise ValueError(
            f"model.text_encoder: {chosen} has no stages in {folder}, other encoders' stages use it"
        )
    own = {stage: name for stage, (_, name) in parts.items() if name not in (None, chosen)}
    for stage, other in own.items():
        if other not in encoders:
            raise ValueError(
                f"cascade {file}: text_encoders.{chosen}.stages.{stage}.text_encoder: {other} is not one of "
                f"{', '.join(encoders)}"
            )
    return CascadeFiles(
        encoder=_source(chosen, folder / chosen, encoders[chosen]),
        stages={stage: folder / path for stage, (path, _) in parts.items()},
        own_encoders={
            stage: _source(f"{stage}.encoder", folder / other, encoders[other])
            for stage, other in own.items()
        },
    )


def _source(name: str, folder: Path, content: Mapping[str, Any]) -> EncoderSource:
    return EncoderSource(
        name=name,
        source=content.get("source", folder),
        max_length=int(content["max_length"]),
        revision=content.get("revision"),
        precision=content.get("precision", "float32"),
    )


def _stage(file: Path, encoder: str, stage: str, part: Any) -> tuple[str, str | None]:
    """A stage's file, and the name of its own encoder where it has one."""
    if isinstance(part, str):
        return part, None
    if isinstance(part, dict) and isinstance(part.get("file"), str) and set(part) <= {"file", "text_encoder"}:
        return part["file"], part.get("text_encoder")
    raise ValueError(
        f"cascade {file}: text_encoders.{encoder}.stages.{stage}: {part}; write a file, or "
        '{"file": FILE, "text_encoder": NAME}'
    )


def with_checkpoint(stages: Mapping[str, Path], checkpoint: Path) -> dict[str, Path]:
    """The stages with `checkpoint` in the place of the one that starts and ends at the same sides.

    Raises:
        ValueError: for a file that cannot be read, and where no stage has its sides.
    """
    try:
        own = _sides(checkpoint)
    except ValueError as error:
        raise ValueError(f"model.checkpoint: {error}") from error
    sides = {name: _sides(path) for name, path in stages.items()}
    for name, its in sides.items():
        if its == own:
            return {**stages, name: checkpoint}
    there = ", ".join(f"{name} ({its})" for name, its in sides.items())
    raise ValueError(f"model.checkpoint: {checkpoint} is of {own} pixels; the stages are {there}")


def _sides(path: Path) -> str:
    """Such as 16, or 16 -> 64 of a super-resolution."""
    config = read_stage_config(path)
    return f"{config.side}" if config.low_res_side is None else f"{config.low_res_side} -> {config.side}"


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
