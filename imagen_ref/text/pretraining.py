"""The loop in which text encoders are pretrained: warm-up and half a cosine, exact resume."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor


class Schedule(Protocol):
    """What the loop reads of a frozen dataclass that says how an encoder is pretrained."""

    @property
    def num_steps(self) -> int:
        """Steps in all; 0 leaves the weights as they were drawn."""

    @property
    def learning_rate(self) -> float:
        """At its highest."""

    @property
    def warmup_steps(self) -> int:
        """Of a linear warm-up."""

    @property
    def checkpoint_every(self) -> int:
        """Steps between checkpoints."""


def optimise(
    model: Any,
    loss_of: Callable[[int], Tensor],
    config: Schedule,
    optimizer: torch.optim.Optimizer,
    checkpoint: Path,
    *,
    report: Callable[[int, float, float], None] = lambda *_: None,
) -> None:
    """Trains `model` in place; a run that was stopped continues from `checkpoint`, to the same weights.

    Args:
        model: what is trained.
        loss_of: step -> loss, made from the step's number alone.
        config: a frozen dataclass.
        optimizer: of the model's weights.
        checkpoint: where the state for resuming goes.
        report: called with (step, loss, seconds since start).

    Raises:
        ValueError: when the checkpoint belongs to another configuration.
        FloatingPointError: on a loss that is not finite, naming the step.
    """
    first = _resume(checkpoint, config, model, optimizer)
    started = time.monotonic()
    for step in range(first, config.num_steps):
        for group in optimizer.param_groups:
            group["lr"] = config.learning_rate * _share(step, config)
        loss = loss_of(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if not torch.isfinite(loss):
            raise FloatingPointError(f"loss is {loss.item()} at step {step}")
        report(step + 1, float(loss.detach()), time.monotonic() - started)
        if (step + 1) % config.checkpoint_every == 0:
            _save(checkpoint, config, model, optimizer, step + 1)


def _share(step: int, config: Schedule) -> float:
    """Of the highest rate: linear warm-up, then half a cosine to a tenth."""
    warm = min(1.0, (step + 1) / config.warmup_steps)
    return warm * (0.55 + 0.45 * math.cos(math.pi * step / config.num_steps))


def _save(path: Path, config: Any, model: Any, optimizer: Any, step: int) -> None:
    temporary = path.with_suffix(".partial")
    state = {
        "config": json.dumps(asdict(config), sort_keys=True),
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "step": step,
    }
    torch.save(state, temporary)
    temporary.replace(path)


def _resume(path: Path, config: Any, model: Any, optimizer: Any) -> int:
    """Loads what `_save` wrote, if anything, and returns the next step."""
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True)
    if state.get("config") != json.dumps(asdict(config), sort_keys=True):
        raise ValueError(f"{path}: belongs to another configuration; use another folder, or remove it")
    model.load_state_dict(state["model"])
    optimizer.load_state_dict(state["optimizer"])
    return int(state["step"])
