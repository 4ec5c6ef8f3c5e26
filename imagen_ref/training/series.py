"""The averaged weights that a training leaves: the newest, and a series to score against training time."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from imagen_ref.checkpoint import read_training
from imagen_ref.stage import StageConfig, save_stage
from imagen_ref.training.log import LOG


@dataclass(frozen=True, kw_only=True)
class Trained:
    """Averaged weights, and how far they were trained.

    Attributes:
        stage: what they belong to.
        average: the weights.
        step: optimiser steps behind them.
        images: images behind them.
        flops: floating-point operations behind them.
    """

    stage: StageConfig
    average: Mapping[str, Tensor]
    step: int
    images: int
    flops: int


def save_weights(folder: Path, trained: Trained) -> None:
    """Writes `folder/<name>.safetensors`, which says how far the weights were trained."""
    _save(folder / f"{trained.stage.name}.safetensors", trained)


def save_in_series(folder: Path, trained: Trained, *, keep: int | None) -> None:
    """Writes `folder/<name>-<step>.safetensors` and removes the oldest above `keep` up to this step.

    Later steps are those of an older training in this folder; they neither count nor go.
    """
    _save(folder / f"{trained.stage.name}-{trained.step}.safetensors", trained)
    if keep is not None:
        so_far = [path for step, path in _by_step(folder, trained.stage.name) if step <= trained.step]
        for old in so_far[:-keep]:
            old.unlink()


def series(folder: Path, name: str) -> list[Path]:
    """The series of a stage in a folder, by step."""
    return [path for _, path in _by_step(folder, name)]


def behind(path: Path) -> dict[str, int | float]:
    """What a checkpoint has behind it, as far as it is known: `step`, `images`, `flops`, `seconds`.

    `flops` are estimated: three times those of the network's forward pass, see `flops_per_image`. `seconds`
    stand in the log beside it, not in the file: the same weights are the same bytes.

    Raises:
        ValueError: for a missing, truncated or foreign file.
    """
    progress: dict[str, int | float] = {**read_training(path)}
    log = path.parent / LOG
    if "step" in progress and log.is_file():
        for line in log.read_text(encoding="utf-8").splitlines():
            # The last line may have been cut off in the middle.
            if line.endswith("}") and (said := json.loads(line))["step"] == progress["step"]:
                progress |= {"seconds": said["seconds"]} if "seconds" in said else {}
    return progress


def _by_step(folder: Path, name: str) -> list[tuple[int, Path]]:
    pattern = re.compile(rf"{re.escape(name)}-(\d+)\.safetensors")
    found = [(int(match[1]), path) for path in folder.iterdir() if (match := pattern.fullmatch(path.name))]
    return sorted(found)


def _save(path: Path, trained: Trained) -> None:
    progress = {"step": trained.step, "images": trained.images, "flops": trained.flops}
    save_stage(path, trained.stage, trained.average, training=progress)
