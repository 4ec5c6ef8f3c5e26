"""Training of one stage: plain loop, exact resume."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from imagen_ref.data import ImageTextData, batch_indices, batches
from imagen_ref.ema import update_ema
from imagen_ref.loss import predict
from imagen_ref.stage import Stage, StageConfig
from imagen_ref.text.cache import CachedEncoder
from imagen_ref.text.embedding import TextEncoder
from imagen_ref.training.activations import checkpoint_activations
from imagen_ref.training.config import TrainConfig, check_fits
from imagen_ref.training.flops import flops_per_image
from imagen_ref.training.learned_encoder import LearnedEncoder
from imagen_ref.training.log import Progress, TrainLog
from imagen_ref.training.optimizer import make_optimizer
from imagen_ref.training.ranks import Ranks, SharedPredict
from imagen_ref.training.resume import Run, resume, save_checkpoint, steps_done
from imagen_ref.training.series import Trained, save_in_series, save_weights
from imagen_ref.training.start import start
from imagen_ref.training.step import Learner, train_step

__all__ = ["Progress", "Ranks", "TrainConfig", "steps_done", "train_stage"]

GPU_LAG = 8
ALONE = Ranks()


def train_stage(
    stage: StageConfig,
    config: TrainConfig,
    data: ImageTextData,
    encoder: TextEncoder,
    folder: Path,
    *,
    initial: Stage | None = None,
    device: str = "cpu",
    ranks: Ranks = ALONE,
    report: Callable[[Progress], None] = lambda _: None,
) -> Path:
    """Trains a stage and writes its averaged weights to `folder/<name>.safetensors`.

    A run that was stopped continues from `folder/training.pt` and ends with the weights of a run that was
    not: every step's data and noise come from (seed, step) alone. On a CPU that holds bit for bit; a GPU adds
    up gradients in no fixed order and draws other noise than a CPU. Neither the number of ranks nor that of
    micro-batches changes the weights beyond rounding.

    Args:
        stage: what is trained.
        config: how.
        data: images with captions.
        encoder: the text encoder, which stays as it is; with `config.learn_encoder` a copy learns.
        folder: where checkpoint, log and weights go.
        initial: a trained stage whose weights the first step starts from; None draws fresh ones. With an
            encoder that is not its own, the text's whitening is fitted anew and the rest has to learn it;
            with `config.fresh_text` all that reads the text is drawn afresh.
        device: where the network is trained; the encoder is best there too.
        ranks: this process among those that train together (`join_ranks`); the first one writes.
        report: called after every step.

    Returns:
        The path of the weights.

    Raises:
        ValueError: for settings that the stage has no use for, for an `initial` of another network,
            for an encoder that cannot learn, for a batch that ranks and micro-batches cannot share
            equally, for images whose side is no multiple of the stage's, and when the checkpoint in the
            folder belongs to another stage or was made with other settings or data.
        FloatingPointError: on a loss or gradient that is not finite, naming step and samples.
    """
    check_fits(config, stage)
    rows = ranks.rows(config.batch_size)
    if (rows.stop - rows.start) % config.accumulate:
        raise ValueError(
            f"training.accumulate: {config.accumulate} does not divide the {rows.stop - rows.start} images "
            "of a process; write one that does"
        )
    if config.learn_encoder and ranks.size > 1:
        raise ValueError(f"training.learn_encoder: {ranks.size} processes; it is for one")
    folder.mkdir(parents=True, exist_ok=True)
    stage = replace(stage, text_encoder=encoder.identity)
    network = start(stage, config, data, encoder, initial)
    if config.checkpoint_activations:
        checkpoint_activations(network)
    network.to(device=device, memory_format=torch.channels_last)
    learned_encoder = LearnedEncoder(encoder) if config.learn_encoder else None
    learning = network if learned_encoder is None else learned_encoder.with_network(network)
    learner = Learner(
        stage=stage,
        config=config,
        encoder=learned_encoder or encoder,
        network=network,
        predict=_predict(config, network, ranks),
        optimizer=make_optimizer(
            config.optimizer,
            learning.parameters(),
            rate=config.learning_rate,
            beta2=config.beta2,
            weight_decay=config.weight_decay,
        ),
        ranks=ranks,
    )
    average = {name: tensor.detach().clone().float() for name, tensor in learning.state_dict().items()}
    origin = initial.weights_sha256 if initial else ""
    run = Run(
        stage=stage,
        config=config,
        origin=origin,
        num_images=len(data),
        data=getattr(data, "identity", ""),
        text_cache=isinstance(encoder, CachedEncoder),
    )
    first = resume(folder, run, network=learning, optimizer=learner.optimizer, average=average)
    _check_side(data, stage)
    network.train()
    flops = flops_per_image(network, stage, tokens=encoder.max_length)
    on_gpu = torch.device(device).type == "cuda"
    loader = batches(
        data,
        config.batch_size,
        steps=range(first, config.num_steps),
        seed=config.seed,
        num_workers=config.num_workers,
        pinned=on_gpu,
        rows=rows,
    )
    with TrainLog(
        folder if ranks.is_first else None,
        first=first,
        num_steps=config.num_steps,
        batch_size=config.batch_size,
        lag=GPU_LAG if on_gpu else 0,
        samples=lambda step: batch_indices(len(data), config.batch_size, step=step, seed=config.seed)[0],
        report=report,
        tensorboard=config.tensorboard,
    ) as log:
        for step, batch in enumerate(loader, first):
            learned = train_step(learner, batch, step)
            update_ema(average, learning, step=step, decay=config.ema_decay)
            log.add(step, learned.loss, learned.grad_norm)
            done = step + 1
            is_checkpoint = done % config.checkpoint_every == 0 or done == config.num_steps
            in_series = config.series_every > 0 and done % config.series_every == 0
            if is_checkpoint or in_series:
                log.flush()
            if not ranks.is_first or not (is_checkpoint or in_series):
                continue
            trained = Trained(
                stage=stage,
                average=average,
                step=done,
                images=done * config.batch_size,
                flops=done * config.batch_size * flops,
            )
            # The checkpoint comes last: where the training is killed before it, all of this is written again.
            if in_series:
                save_in_series(folder, trained, keep=config.keep_checkpoints)
            if is_checkpoint:
                save_weights(folder, learned_encoder.save(folder, trained) if learned_encoder else trained)
                save_checkpoint(
                    folder, run, step=done, network=learning, optimizer=learner.optimizer, average=average
                )
    if ranks.is_first:
        record = {**asdict(config), "initial_sha256": origin}
        (folder / "training.json").write_text(json.dumps(record, indent=2) + "\n")
    return folder / f"{stage.name}.safetensors"


def _check_side(data: ImageTextData, stage: StageConfig) -> None:
    """Raises ValueError for images that are not the stage's whole ones, or a multiple of them."""
    side = data.images([0]).shape[1]
    if side % stage.side:
        raise ValueError(
            f"data.side: images of {side} pixels, but stage {stage.name} makes {stage.side}; write "
            f"{stage.side} or a multiple of it"
        )


def _predict(config: TrainConfig, network: Any, ranks: Ranks) -> Callable[..., Tensor]:
    """What calls the network: compiled where asked for, its gradients shared where there are other ranks."""
    forward: Callable[..., Tensor] = predict
    if config.compiled:
        # Recorded graphs reuse their memory, which gradients of earlier micro-batches and an encoder's need.
        recorded = config.accumulate == 1 and ranks.size == 1 and not config.learn_encoder
        forward = torch.compile(predict, mode="reduce-overhead" if recorded else "default")
    return forward if ranks.size == 1 else SharedPredict(forward, network)
