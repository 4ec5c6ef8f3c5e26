"""What each process of torchrun does in the test of ranks: trains a tiny stage; run as a script.

Arguments: folder, then micro-batches of a step.
"""

import sys
from pathlib import Path
from typing import ClassVar

import torch
from plain_images import Plains

from imagen_ref.stage import StageConfig
from imagen_ref.text.embedding import TextEmbedding, collate
from imagen_ref.train import TrainConfig, train_stage
from imagen_ref.training.ranks import join_ranks
from imagen_ref.unet import UNetConfig

DIM = 6


class Letters:
    """A fixed random state for each letter."""

    dim = DIM
    max_length = 16
    identity: ClassVar = {"name": "letters", "weights_sha256": "0"}

    def encode(self, prompts: list[str]) -> TextEmbedding:
        table = torch.randn(256, DIM, generator=torch.Generator().manual_seed(0))
        return collate([table[list(prompt.encode())] for prompt in prompts])

    def truncated(self, prompts: list[str]) -> list[int]:
        return []

    def release(self) -> None: ...


def main(folder: Path, accumulate: int) -> None:
    network = UNetConfig(
        side=8,
        channels=8,
        channel_mult=(1, 2),
        num_res_blocks=1,
        attention_sides=(4,),
        head_dim=8,
        text_dim=DIM,
        text_width=8,
        whiten_text=True,
    )
    stage = StageConfig(name="base", network=network)
    config = TrainConfig(
        num_steps=6,
        batch_size=8,
        learning_rate=3e-3,
        warmup_steps=2,
        text_dropout=0.3,
        ema_decay=0.5,
        checkpoint_every=3,
        accumulate=accumulate,
    )
    with join_ranks("cpu") as (ranks, device):
        train_stage(stage, config, Plains(), Letters(), folder, device=device, ranks=ranks)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
