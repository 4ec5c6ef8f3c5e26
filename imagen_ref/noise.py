"""Random numbers that belong to a sample and not to its batch."""

import hashlib
from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class NoiseSource(Protocol):
    """Gives standard normal numbers, one row a sample."""

    def normal(self, shape: Sequence[int]) -> Tensor:
        """float32 [B, *shape], new numbers at every call."""
        ...


class SampleNoise:
    """One generator per sample, made of (seed, stage).

    What sample i draws depends on its seed, the stage and the number of draws before, never on the other
    samples of the batch, their order or the device: generators live on the CPU, their numbers are moved.
    torch's CPU generator keeps 32 bits of a seed, so among 30,000 samples two share their noise with a chance
    of about 10 %; each is a fair draw all the same.
    """

    def __init__(self, seeds: Sequence[int], stage: str, device: torch.device | str) -> None:
        self.device = torch.device(device)
        self.generators = [torch.Generator().manual_seed(_hash(seed, stage)) for seed in seeds]

    def normal(self, shape: Sequence[int]) -> Tensor:
        """float32 [B, *shape], each row from its sample's own generator."""
        rows = [
            torch.randn(*shape, generator=generator, dtype=torch.float32) for generator in self.generators
        ]
        return torch.stack(rows).to(self.device)


def _hash(seed: int, stage: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {stage}".encode()).digest()[:8], "big")
