"""Training of one stage: plain loop, exact resume."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imagen_ref.data import Batch, ImageTextData, batch_indices, batches
from imagen_ref.ema import update_ema
from imagen_ref.loss import diffusion_loss, draw, predict
from imagen_ref.stage import Stage, StageConfig, save_stage
from imagen_ref.text.embedding import TextEncoder
from imagen_ref.train_log import Progress, TrainLog

WHITENING_CAPTIONS = 4096
GPU_LAG = 8


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How a stage is trained.

    Attributes:
        num_steps: optimiser steps in all.
        warmup_steps: linear warm-up of the learning rate.
        decay_steps: linear decay to zero over the last steps; 0 keeps the rate constant.
        text_dropout: share of captions replaced by the null embedding (0.1 in the paper).
        max_loss_weight: see `diffusion_loss`; 1 is the paper's loss. More is for eps-prediction only.
        ema_decay: of the averaged weights that are saved (an assumption: the paper does not say).
        checkpoint_every: steps between checkpoints.
        precision: "float32" or "bfloat16" autocast.
        num_workers: processes that make batches ahead; 0 makes them between the steps.
        compiled: whether the network is compiled (torch.compile): a minute at the start, faster steps.
    """

    num_steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int = 100
    decay_steps: int = 0
    beta2: float = 0.99
    weight_decay: float = 0.01
    grad_clip: float = 1.0
    text_dropout: float = 0.1
    max_loss_weight: float = 1.0
    ema_decay: float = 0.9999
    checkpoint_every: int = 200
    precision: str = "float32"
    seed: int = 0
    num_workers: int = 0
    compiled: bool = False


def train_stage(
    stage: StageConfig,
    config: TrainConfig,
    data: ImageTextData,
    encoder: TextEncoder,
    folder: Path,
    *,
    initial: Stage | None = None,
    device: str = "cpu",
    report: Callable[[Progress], None] = lambda _: None,
) -> Path:
    """Trains a stage and writes its averaged weights to `folder/<name>.safetensors`.

    A run that was stopped continues from `folder/training.pt` and ends with the weights of a run that was
    not: every step's data and noise come from (seed, step) alone. On a CPU that holds bit for bit; a GPU adds
    up gradients in no fixed order and draws other noise than a CPU.

    Args:
        stage: what is trained.
        config: how.
        data: images with captions.
        encoder: the frozen text encoder.
        folder: where checkpoint, log and weights go.
        initial: a trained stage whose weights the first step starts from; None draws fresh ones.
        device: where the network is trained; the encoder is best there too.
        report: called after every step.

    Returns:
        The path of the weights.

    Raises:
        ValueError: for a loss weight that the prediction does not take, for an `initial` of another network
            or encoder, and when the checkpoint in the folder belongs to another stage or was made with other
            settings.
        FloatingPointError: on a loss that is not finite, naming step and samples.
    """
    if config.max_loss_weight != 1 and stage.prediction != "eps":
        raise ValueError(
            f"training.max_loss_weight: {config.max_loss_weight} is for eps-prediction; with "
            f"{stage.prediction} it must be 1"
        )
    folder.mkdir(parents=True, exist_ok=True)
    stage = replace(stage, text_encoder=encoder.identity)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network: Any = stage.make_network()
    if initial is None:
        _fit_whitening(network, data, encoder)
    else:
        _start_from(initial, stage, network)
    network.to(device=device, memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(
        network.parameters(),
        lr=config.learning_rate,
        betas=(0.9, config.beta2),
        weight_decay=config.weight_decay,
        fused=True,
    )
    average = {name: tensor.detach().clone().float() for name, tensor in network.state_dict().items()}
    origin = initial.weights_sha256 if initial else ""
    first = _resume(folder / "training.pt", stage, config, origin, network, optimizer, average)
    network.train()
    forward = torch.compile(predict, mode="reduce-overhead") if config.compiled else predict
    on_gpu = torch.device(device).type == "cuda"
    loader = batches(
        data,
        config.batch_size,
        steps=range(first, config.num_steps),
        seed=config.seed,
        num_workers=config.num_workers,
        pinned=on_gpu,
    )
    with TrainLog(
        folder / "metrics.jsonl",
        first=first,
        num_steps=config.num_steps,
        batch_size=config.batch_size,
        lag=GPU_LAG if on_gpu else 0,
        samples=lambda step: batch_indices(len(data), config.batch_size, step=step, seed=config.seed)[0],
        report=report,
    ) as log:
        for step, batch in enumerate(loader, first):
            loss = _step(stage, config, batch, encoder, network, forward, optimizer, step)
            update_ema(average, network, step=step, decay=config.ema_decay)
            log.add(step, loss)
            if (step + 1) % config.checkpoint_every == 0 or step + 1 == config.num_steps:
                log.flush()
                _save(folder / "training.pt", stage, config, origin, network, optimizer, average, step + 1)
                save_stage(folder / f"{stage.name}.safetensors", stage, average)
    record = {**asdict(config), "initial_sha256": origin}
    (folder / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    return folder / f"{stage.name}.safetensors"


def steps_done(folder: Path) -> int:
    """How many steps the checkpoint in the folder has behind it; 0 where there is none."""
    path = folder / "training.pt"
    return int(torch.load(path, weights_only=True, mmap=True)["step"]) if path.exists() else 0


def learning_rate(step: int, config: TrainConfig) -> float:
    """The rate at a step, counted from 0: warm-up, plateau, linear decay."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    left = (config.num_steps - step) / config.decay_steps if config.decay_steps else 1.0
    return config.learning_rate * warm * min(1.0, left)


def _start_from(initial: Stage, stage: StageConfig, network: Any) -> None:
    """Gives the network the weights of a trained one, of which all but the name must be the same."""
    before, now = (replace(config, name="").to_json() for config in (initial.config, stage))
    for name, value in now.items():
        if before[name] != value:
            raise ValueError(f"initial: its {name} is {before[name]}, the stage to train has {value}")
    network.load_state_dict(initial.network.state_dict())


def _fit_whitening(network: Any, data: ImageTextData, encoder: TextEncoder) -> None:
    """Gives a network that whitens its text the first captions of the data, before anything is learned."""
    if network.text.whitening is None:
        return
    captions = data.captions(range(min(len(data), WHITENING_CAPTIONS)), 0)
    encoded = [encoder.encode(captions[at : at + 256]) for at in range(0, len(captions), 256)]
    network.text.whitening.fit(torch.cat([batch.states[batch.mask] for batch in encoded]).cpu())


def _step(
    stage: StageConfig,
    config: TrainConfig,
    batch: Batch,
    encoder: TextEncoder,
    network: Any,
    forward: Callable[..., Tensor],
    optimizer: torch.optim.Optimizer,
    step: int,
) -> Tensor:
    """One step of the optimiser; returns the loss, which is still being computed on a GPU."""
    device = next(network.parameters()).device
    images = batch.images.to(device, non_blocking=True)
    text = encoder.encode(batch.captions).to(device)
    generator = torch.Generator(device).manual_seed(_step_seed(config.seed, step))
    random = draw(stage, len(images), text_dropout=config.text_dropout, generator=generator)
    for group in optimizer.param_groups:
        group["lr"] = learning_rate(step, config)
    with torch.autocast(device.type, dtype=torch.bfloat16, enabled=config.precision == "bfloat16"):
        loss = diffusion_loss(
            network, stage, images, text, random, max_weight=config.max_loss_weight, predict=forward
        )
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(network.parameters(), config.grad_clip)
    optimizer.step()
    return loss.detach()


def _step_seed(seed: int, step: int) -> int:
    return int.from_bytes(hashlib.sha256(f"train {seed} {step}".encode()).digest()[:8], "big")


def _save(
    path: Path,
    stage: StageConfig,
    config: TrainConfig,
    origin: str,
    network: Any,
    optimizer: Any,
    average: Any,
    step: int,
) -> None:
    temporary = path.with_suffix(".partial")
    torch.save(
        {
            "stage": json.dumps(stage.to_json(), sort_keys=True),
            "training": asdict(config),
            "initial": origin,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "average": average,
            "step": step,
        },
        temporary,
    )
    temporary.replace(path)


def _resume(
    path: Path,
    stage: StageConfig,
    config: TrainConfig,
    origin: str,
    network: Any,
    optimizer: Any,
    average: dict[str, torch.Tensor],
) -> int:
    """Loads what `_save` wrote, if anything, and returns the next step."""
    if not path.is_file():
        return 0
    state = torch.load(path, weights_only=True, map_location="cpu")
    if state["stage"] != json.dumps(stage.to_json(), sort_keys=True):
        raise ValueError(f"{path}: belongs to another stage or encoder; use another folder, or remove it")
    if state.get("initial", "") != origin:
        raise ValueError(f"initial: {path} was started from other weights; use those, or another folder")
    _check_past(path, TrainConfig(**state["training"]), config, int(state["step"]))
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    for name, tensor in state["average"].items():
        average[name].copy_(tensor)
    return int(state["step"])


def _check_past(path: Path, before: TrainConfig, now: TrainConfig, step: int) -> None:
    """Raises ValueError where `now` would not have come to the same weights by this step.

    How long to train and when to let the rate decay may change while the rate has not begun to.
    """
    undecayed = all(step <= config.num_steps - config.decay_steps for config in (before, now))
    free = {
        "checkpoint_every",
        "num_workers",
        "compiled",
        *(("num_steps", "decay_steps") if undecayed else ()),
    }
    for name, value in asdict(now).items():
        if name not in free and value != getattr(before, name):
            raise ValueError(
                f"training.{name}: {value}, but {path} was made with {getattr(before, name)}; "
                "use that, another folder, or remove it"
            )
