"""Where the parts of a cascade lie: stages by name, and the text encoder that goes before them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

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
    """An encoder, and the file of each stage, by name and in order."""

    encoder: EncoderSource
    stages: Mapping[str, Path]


def cascade_files(name: str | Path, *, text_encoder: str | None = None) -> CascadeFiles:
    """What a packaged cascade, or a folder with a cascade.json, consists of.

    Optional in cascade.json: "source" (a folder or a name on the Hub, where the encoder lies elsewhere),
    "revision" and "precision" of the encoder.

    Args:
        name: the packaged name or the folder.
        text_encoder: one of the encoders in it; the first by default.

    Raises:
        ValueError: when there is no such cascade or encoder.
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
    content = encoders[chosen]
    return CascadeFiles(
        encoder=EncoderSource(
            name=chosen,
            source=content.get("source", folder / chosen),
            max_length=int(content["max_length"]),
            revision=content.get("revision"),
            precision=content.get("precision", "float32"),
        ),
        stages={stage: folder / path for stage, path in content["stages"].items()},
    )


def checkpoint_files(name: str | Path, *, text_encoder: str | None = None) -> dict[str, Path]:
    """The weight files of a cascade: the encoder's and each stage's, by name. They are not opened here.

    An encoder from elsewhere has none (every stage holds its hash).

    Raises:
        ValueError: when there is no such cascade or encoder.
    """
    files = cascade_files(name, text_encoder=text_encoder)
    return {**files.encoder.files(), **files.stages}


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
