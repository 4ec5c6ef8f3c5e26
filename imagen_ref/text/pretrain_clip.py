"""Contrastive pretraining of a CLIP, of which the text tower is kept (Radford et al. 2021, section 2.3)."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from imagen_ref.resize import to_float
from imagen_ref.text.pretrain import save_tokenizer, train_tokenizer
from imagen_ref.text.pretraining import optimise

MAX_SCALE = 100.0


@dataclass(frozen=True, kw_only=True)
class CLIPSize:
    """The dimensions of a tiny CLIP; `width`, `num_layers` and `num_heads` are the text tower's.

    The image tower is a ViT of `image_width` on patches of `patch` pixels.
    """

    width: int
    num_layers: int
    num_heads: int
    vocab_size: int = 400
    max_length: int = 77
    projection: int = 128
    image_width: int = 128
    image_layers: int = 4
    patch: int = 8


@dataclass(frozen=True, kw_only=True)
class ContrastiveConfig:
    """One pretraining run; the same configuration gives the same weights on the same machine."""

    size: CLIPSize
    num_steps: int
    batch_size: int
    learning_rate: float
    warmup_steps: int = 50
    seed: int = 0
    checkpoint_every: int = 200


def pretrain_clip(
    config: ContrastiveConfig,
    captions: Sequence[str],
    batch: Callable[[int], tuple[NDArray[np.uint8], list[str]]],
    folder: Path,
    *,
    report: Callable[[int, float, float], None] = lambda *_: None,
) -> Path:
    """Trains tokenizer and CLIP on images with captions; writes the *text tower* as a float16 folder.

    Args:
        config: what to train.
        captions: what the tokenizer is trained on.
        batch: step -> images uint8 [B, H, H, 3], of one side throughout, and a caption for each.
        folder: where the tower goes; `folder/training.pt` carries the state for resuming.
        report: called with (step, loss, seconds since start).

    Returns:
        The folder, which `CLIPEncoder` loads.

    Raises:
        ValueError: when the state in the folder belongs to another configuration.
        FloatingPointError: on a loss that is not finite, naming the step.
    """
    from transformers import CLIPTextModel

    folder.mkdir(parents=True, exist_ok=True)
    size = config.size
    tokenizer = train_tokenizer(captions, size.vocab_size)
    side = int(batch(0)[0].shape[1])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        model = _model(size, tokenizer.get_vocab_size(), side)
    model.train()

    def loss_of(step: int) -> Tensor:
        images, texts = batch(step)
        ids, mask = _tokens(tokenizer, texts, size.max_length)
        pixels = to_float(torch.from_numpy(images))
        out = model(input_ids=ids, attention_mask=mask, pixel_values=pixels)
        own = torch.arange(len(texts))
        scale = model.logit_scale.exp().clamp(max=MAX_SCALE)
        logits = scale * out.image_embeds @ out.text_embeds.T
        return 0.5 * (F.cross_entropy(logits, own) + F.cross_entropy(logits.T, own))

    optimizer = torch.optim.AdamW(
        model.parameters(), lr=config.learning_rate, betas=(0.9, 0.98), weight_decay=0.01
    )
    optimise(model, loss_of, config, optimizer, folder / "training.pt", report=report)
    with torch.random.fork_rng(devices=[]):
        tower: Any = CLIPTextModel(model.config.text_config)
    inner = model.text_model.state_dict()
    first = next(iter(tower.state_dict()))
    prefix = "text_model." if first.startswith("text_model.") else ""
    tower.load_state_dict({prefix + name: tensor for name, tensor in inner.items()})
    tower.half().save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    (folder / "pretraining.json").write_text(json.dumps(asdict(config), indent=2) + "\n")
    return folder


def _model(size: CLIPSize, vocab_size: int, side: int) -> Any:
    from transformers import CLIPConfig, CLIPModel

    config: Any = CLIPConfig(
        text_config={
            "vocab_size": vocab_size,
            "hidden_size": size.width,
            "intermediate_size": 2 * size.width,
            "num_hidden_layers": size.num_layers,
            "num_attention_heads": size.num_heads,
            "max_position_embeddings": size.max_length,
            "projection_dim": size.projection,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 1,
        },
        vision_config={
            "hidden_size": size.image_width,
            "intermediate_size": 2 * size.image_width,
            "num_hidden_layers": size.image_layers,
            "num_attention_heads": 4,
            "image_size": side,
            "patch_size": size.patch,
            "projection_dim": size.projection,
        },
        projection_dim=size.projection,
    )
    return CLIPModel(config)


def _tokens(tokenizer: Any, captions: list[str], max_length: int) -> tuple[Tensor, Tensor]:
    """Ids and mask [B, L]; a caption over the limit keeps its end token."""
    end = tokenizer.token_to_id("</s>")
    rows = [tokenizer.encode(caption, add_special_tokens=False).ids[: max_length - 1] for caption in captions]
    length = max(len(row) for row in rows) + 1
    ids = torch.zeros(len(rows), length, dtype=torch.long)
    for at, row in enumerate(rows):
        ids[at, : len(row) + 1] = torch.tensor([*row, end])
    return ids, ids != 0
