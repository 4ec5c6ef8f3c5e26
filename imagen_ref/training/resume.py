"""What a stopped training goes on from, and when it may."""

from __future__ import annotations

import json
import os
import pickle
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imagen_ref.data import place_in_data
from imagen_ref.stage import StageConfig
from imagen_ref.training.config import TrainConfig

CURRENT, PREVIOUS = "training.pt", "training.previous.pt"
# What a CURRENT that cannot be read is renamed to, so that the next one does not push it over PREVIOUS.
DAMAGED = "training.damaged.pt"
# What torch.load raises for a file that is cut short or damaged.
_DAMAGED = (RuntimeError, EOFError, OSError, KeyError, pickle.UnpicklingError)
# Settings that change no weights beyond rounding.
_FREE = {
    "accumulate",
    "checkpoint_activations",
    "checkpoint_every",
    "compiled",
    "keep_checkpoints",
    "num_workers",
    "series_every",
    "tensorboard",
}


@dataclass(frozen=True, kw_only=True)
class Run:
    """What a checkpoint belongs to.

    Attributes:
        stage: what is trained, with the identity of its text encoder.
        config: how.
        origin: SHA-256 of the weights that it was started from; empty for fresh ones.
        num_images: how many images the data has: with the seed and the step it says what comes next.
        data: `ImageTextData.identity`; empty where the data does not say.
        text_cache: whether the encoder's states come from a cache, which rounds them.
    """

    stage: StageConfig
    config: TrainConfig
    origin: str
    num_images: int
    data: str
    text_cache: bool


def save_checkpoint(
    folder: Path, run: Run, *, step: int, network: Any, optimizer: Any, average: Mapping[str, Tensor]
) -> None:
    """Writes `folder/training.pt`; the one before stays as `training.previous.pt`.

    At every moment one of the two is whole.
    """
    epoch, position = place_in_data(run.num_images, run.config.batch_size, step=step)
    state = {
        "stage": json.dumps(run.stage.to_json(), sort_keys=True),
        "training": asdict(run.config),
        "initial": run.origin,
        "data": {
            "num_images": run.num_images,
            "identity": run.data,
            "text_cache": run.text_cache,
            "epoch": epoch,
            "position": position,
        },
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": dict(average),
        "step": step,
    }
    temporary = folder / "training.partial"
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    if (folder / CURRENT).exists():
        (folder / CURRENT).replace(folder / PREVIOUS)
    temporary.replace(folder / CURRENT)


def resume(folder: Path, run: Run, *, network: Any, optimizer: Any, average: Mapping[str, Tensor]) -> int:
    """Loads the newest checkpoint that can be read, if there is any, and returns the next step.

    A newest one that is damaged becomes `training.damaged.pt`.

    Raises:
        ValueError: when it belongs to another stage, encoder, data, start or settings, or to text states
            that were rounded otherwise, and when every checkpoint in the folder is damaged.
    """
    found = _read(folder)
    if found is None:
        return 0
    path, state = found
    step = int(state["step"])
    if state["stage"] != json.dumps(run.stage.to_json(), sort_keys=True):
        raise ValueError(f"{path}: belongs to another stage or encoder; use another folder, or remove it")
    if state.get("initial", "") != run.origin:
        raise ValueError(f"initial: {path} was started from other weights; use those, or another folder")
    _check_data(path, state.get("data", {}), run)
    _check_past(path, TrainConfig(**state["training"]), run.config, step)
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    for name, tensor in state["average"].items():
        average[name].copy_(tensor)
    if path.name == PREVIOUS:
        # Several ranks may do this at once, and one of them is first.
        with suppress(FileNotFoundError):
            (folder / CURRENT).replace(folder / DAMAGED)
    return step


def steps_done(folder: Path) -> int:
    """How many steps the checkpoint in the folder has behind it; 0 where there is none."""
    found = _read(folder)
    return 0 if found is None else int(found[1]["step"])


def _read(folder: Path) -> tuple[Path, dict[str, Any]] | None:
    """The newest checkpoint that is whole, with a warning for one that is not."""
    damaged = []
    for path in (folder / CURRENT, folder / PREVIOUS):
        if not path.is_file():
            continue
        try:
            state = torch.load(path, weights_only=True, map_location="cpu")
        except _DAMAGED as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            damaged.append(f"{path}: damaged or cut short ({reason})")
            continue
        if damaged:
            warnings.warn(f"{damaged[0]}; going on from {path.name}", stacklevel=3)
        return path, state
    if damaged:
        raise ValueError(f"{damaged[0]}; remove it to begin anew")
    return None


def _check_data(path: Path, before: Mapping[str, Any], run: Run) -> None:
    """Raises ValueError for other data, and for text states that are rounded otherwise.

    Earlier checkpoints do not say all of it.
    """
    num_images = before.get("num_images", run.num_images)
    if num_images != run.num_images:
        raise ValueError(
            f"data: {run.num_images} images, but {path} was made with {num_images}; use those, or another "
            "folder"
        )
    data = before.get("identity", "")
    if data and run.data and data != run.data:
        raise ValueError(
            f"data: {run.data}, but {path} was made with {data}, other images or captions; use those, or "
            "another folder"
        )
    text_cache = before.get("text_cache", run.text_cache)
    if text_cache != run.text_cache:
        raise ValueError(
            f"text_cache: {_written(run.text_cache)}, but {path} was made with {_written(text_cache)}; use "
            "that, or another folder"
        )


def _written(value: bool) -> str:
    """As configurations write it."""
    return "true" if value else "false"


def _check_past(path: Path, before: TrainConfig, now: TrainConfig, step: int) -> None:
    """Raises ValueError where `now` would not have come to the same weights by this step.

    How long to train and when to let the rate decay may change while the rate has not begun to.
    """
    undecayed = all(step <= config.num_steps - config.decay_steps for config in (before, now))
    free = _FREE | ({"num_steps", "decay_steps"} if undecayed else set())
    for name, value in asdict(now).items():
        if name not in free and value != getattr(before, name):
            raise ValueError(
                f"training.{name}: {value}, but {path} was made with {getattr(before, name)}; "
                "use that, another folder, or remove it"
            )
