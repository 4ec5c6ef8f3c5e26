"""An extractor that counts, images as files, and the archives that they come in."""

import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from drawbench_eval.prompt import Prompt, PromptSet

Pixels = NDArray[np.uint8]


@dataclass
class CountingExtractor:
    """Mean colour as features, and how often it was asked for how many images."""

    weights: str = "w1"
    asked: list[int] = field(default_factory=list)
    name: str = "mean_color"
    dim: int = 3

    def identity(self) -> Mapping[str, str | int]:
        return {"extractor": self.name, "extractor.weights_sha256": self.weights}

    def extract(self, images: Sequence[Pixels]) -> NDArray[np.float32]:
        self.asked.append(len(images))
        return np.stack([image.mean(axis=(0, 1)) for image in images]).astype(np.float32)


def png(seed: int, height: int = 6, width: int = 9) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def folder_of(path: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(data)
    return path


def zip_of(path: Path, files: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for folder in sorted({name.rpartition("/")[0] for name in files} - {""}):
            archive.writestr(f"{folder}/", "")
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def captions(*image_ids: str | None) -> PromptSet:
    """A prompt for each image id, with an id of its own."""
    prompts = tuple(
        Prompt(id=f"caption-{index}", text=f"text {index}", image_id=image_id)
        for index, image_id in enumerate(image_ids)
    )
    return PromptSet(name="some-captions", prompts=prompts)
