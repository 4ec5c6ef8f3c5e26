"""Training of the two scorers: short, seeded, and restarted from scratch when interrupted."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch import Tensor
from torch.nn import functional as F

from drawbench_eval.scenes.changes import change
from drawbench_eval.scenes.dataset import SceneData
from drawbench_eval.scenes.degrade import DEGRADATIONS, degrade
from drawbench_eval.scenes.facts import BACKGROUNDS, COLORS, LETTER_SHAPES, SHAPES
from drawbench_eval.scenes.grammar import caption
from drawbench_eval.scenes.layout import Scene
from drawbench_eval.scenes.scorers import ImageNetwork, clip_model, save_scorer, to_input, tokenize

_GRID = 4
_KINDS = tuple(kind for kind in DEGRADATIONS if kind != "mixed")
HEADS = {
    "colors": len(COLORS),
    "shapes": len(SHAPES) + len(LETTER_SHAPES),
    "count": 6,
    "background": len(BACKGROUNDS),
    "places": _GRID * _GRID,
    "damage": len(_KINDS),
}
CHANGES = ("color", "shape", "relation", "count")

Report = Callable[[int, int, float, float], None]
LossOf = Callable[[Sequence[int], np.random.Generator], Tensor]


@dataclass(frozen=True, kw_only=True)
class ScorerTraining:
    """How a scorer is trained; `num_images` of the training scenes are used."""

    num_steps: int
    batch_size: int
    learning_rate: float
    num_images: int
    seed: int = 0


def train_image_scorer(config: ScorerTraining, data: SceneData, path: Path, *, report: Report) -> None:
    """What stands in a picture, where, and how damaged it is, from pixels alone: features for `fd_scenes`.

    Half the pictures are damaged (blur, noise, JPEG, saturation, wobble), and the network says how much, so
    that its features move with image quality as well as with content.
    """
    torch.manual_seed(config.seed)
    network = ImageNetwork(HEADS)
    labels = _labels(data.scenes(range(config.num_images)))

    def loss_of(indices: Sequence[int], rng: np.random.Generator) -> Tensor:
        images, damage = _damaged(data.images(indices), rng)
        answers = network(to_input(images))
        rows = {name: torch.from_numpy(values[list(indices)]) for name, values in labels.items()}
        several = ("colors", "shapes", "places")
        told = sum(F.binary_cross_entropy_with_logits(answers[n], rows[n]) for n in several)
        chosen = sum(F.cross_entropy(answers[n], rows[n]) for n in ("count", "background"))
        level = F.mse_loss(answers["damage"], torch.from_numpy(damage))
        # Damage weighs most: what is easily told apart would otherwise take nearly all of the variance.
        return torch.as_tensor(told) + 0.5 * torch.as_tensor(chosen) + 8 * level

    _optimise(network, loss_of, config, report)
    save_scorer(path, network, {"heads": json.dumps(HEADS)})


def train_clip_scorer(
    config: ScorerTraining, data: SceneData, tokenizer: Tokenizer, path: Path, *, report: Report
) -> None:
    """A contrastive dual encoder (Radford et al. 2021); every picture meets a caption wrong in one fact."""
    torch.manual_seed(config.seed)
    model = clip_model(tokenizer.get_vocab_size())

    def loss_of(indices: Sequence[int], rng: np.random.Generator) -> Tensor:
        texts = data.captions(indices, int(rng.integers(2**31)))
        wrong = []
        for facts in data.facts(indices):
            changed = None
            for kind in rng.permutation(CHANGES):
                changed = changed or change(facts, str(kind), rng)
            wrong.append(caption(changed or facts, rng) if changed else "")
        images = model.encode_image(to_input(data.images(indices)), normalize=True)
        both = model.encode_text(tokenize(tokenizer, [*texts, *wrong]), normalize=True)
        scale = model.logit_scale.exp().clamp(max=100)
        own = torch.arange(len(indices))
        logits = scale * images @ both.T
        return 0.5 * (F.cross_entropy(logits, own) + F.cross_entropy(logits[:, : len(indices)].T, own))

    _optimise(model, loss_of, config, report)
    save_scorer(path, model, {"tokenizer": tokenizer.to_str()})


def _optimise(module: Any, loss_of: LossOf, config: ScorerTraining, report: Report) -> None:
    """AdamW with warm-up and a half cosine; every step's batch comes from (seed, step)."""
    optimizer = torch.optim.AdamW(module.parameters(), lr=config.learning_rate, weight_decay=0.02)
    module.train()
    started = time.monotonic()
    for step in range(config.num_steps):
        rng = np.random.default_rng([config.seed, step])
        indices = [int(k) for k in rng.choice(config.num_images, config.batch_size, replace=False)]
        for group in optimizer.param_groups:
            cosine = 0.5 * (1 + math.cos(math.pi * step / config.num_steps))
            group["lr"] = config.learning_rate * min(1.0, (step + 1) / 50) * (0.02 + 0.98 * cosine)
        loss = loss_of(indices, rng)
        if not torch.isfinite(loss):
            raise FloatingPointError(f"loss is {loss.item()} at step {step}")
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        rate = config.batch_size * (step + 1) / (time.monotonic() - started)
        report(step + 1, config.num_steps, float(loss.detach()), rate)


def _labels(scenes: Sequence[Scene]) -> dict[str, NDArray[Any]]:
    shapes = (*SHAPES, *LETTER_SHAPES)
    labels: dict[str, NDArray[Any]] = {
        "colors": np.zeros((len(scenes), len(COLORS)), np.float32),
        "shapes": np.zeros((len(scenes), len(shapes)), np.float32),
        "places": np.zeros((len(scenes), _GRID * _GRID), np.float32),
        "count": np.zeros(len(scenes), np.int64),
        "background": np.zeros(len(scenes), np.int64),
    }
    for row, scene in enumerate(scenes):
        labels["count"][row] = min(5, len(scene.things))
        labels["background"][row] = BACKGROUNDS.index(scene.background)
        for thing in scene.things:
            labels["colors"][row, COLORS.index(thing.color)] = 1
            labels["shapes"][row, shapes.index(thing.shape)] = 1
            labels["places"][row, int(thing.y * _GRID) * _GRID + int(thing.x * _GRID)] = 1
    return labels


def _damaged(
    images: NDArray[np.uint8], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Half of the pictures damaged in one way each, and by how much: [B, kinds]."""
    images, levels = images.copy(), np.zeros((len(images), len(_KINDS)), np.float32)
    for row in range(len(images) // 2):
        kind = int(rng.integers(len(_KINDS)))
        levels[row, kind] = rng.uniform(0, 1.5)
        images[row] = degrade(images[row], _KINDS[kind], float(levels[row, kind]), rng)
    return images, levels
