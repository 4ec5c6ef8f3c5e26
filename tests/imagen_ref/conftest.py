"""Small stand-ins: stages whose every weight counts, an encoder without weights, a random T5 on disk."""

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from tiny_t5 import make_t5
from torch import nn

from imagen_ref.efficient_unet import EfficientUNetConfig
from imagen_ref.stage import Stage, StageConfig
from imagen_ref.text.embedding import TextEmbedding, collate
from imagen_ref.unet import UNetConfig

TEXT_DIM = 12


class WordEncoder:
    """One fixed random state a word, whatever stands beside it."""

    dim = TEXT_DIM
    max_length = 8

    def __init__(self, weights: str = "w0") -> None:
        self.identity: dict[str, str | int] = {"name": f"words-{weights}", "weights_sha256": weights}

    def encode(self, prompts: Sequence[str]) -> TextEmbedding:
        return collate([self._states(prompt.split()[: self.max_length]) for prompt in prompts])

    def truncated(self, prompts: Sequence[str]) -> list[int]:
        return [index for index, prompt in enumerate(prompts) if len(prompt.split()) > self.max_length]

    def _states(self, words: list[str]) -> torch.Tensor:
        rows = [
            torch.randn(self.dim, generator=torch.Generator().manual_seed(zlib.crc32(seed.encode())))
            for seed in (f"{self.identity['weights_sha256']} {word}" for word in words)
        ]
        return torch.stack(rows) if rows else torch.zeros(0, self.dim)


def randomise(network: nn.Module) -> None:
    """Gives every parameter a random value: freshly made networks give zeros, in which no fault can show."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for parameter in network.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if parameter.ndim > 1:
                parameter.copy_(noise / parameter[0].numel() ** 0.5)
            else:
                parameter.add_(0.2 * noise)


@pytest.fixture(scope="session")
def encoder() -> WordEncoder:
    return WordEncoder()


@pytest.fixture(scope="session")
def other_encoder() -> WordEncoder:
    """As wide as `encoder`, with other weights."""
    return WordEncoder("w1")


@pytest.fixture(scope="session")
def base_config(encoder: WordEncoder) -> StageConfig:
    network = UNetConfig(
        side=8,
        channels=8,
        channel_mult=(1, 2),
        num_res_blocks=1,
        attention_sides=(4,),
        head_dim=8,
        text_dim=TEXT_DIM,
        text_width=16,
        whiten_text=True,
    )
    return StageConfig(name="base", network=network, text_encoder=encoder.identity)


@pytest.fixture(scope="session")
def sr_config(encoder: WordEncoder) -> StageConfig:
    network = EfficientUNetConfig(
        side=16,
        channels=(8, 16),
        num_res_blocks=(1, 2),
        stem_channels=8,
        num_heads=2,
        text_dim=TEXT_DIM,
        text_width=16,
    )
    return StageConfig(
        name="sr16", network=network, low_res_side=8, prediction="v", text_encoder=encoder.identity
    )


@pytest.fixture(scope="session")
def make_stage() -> Callable[[StageConfig], Stage]:
    """A stage in which every weight is random."""

    def make(config: StageConfig) -> Stage:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            network = config.make_network()
        randomise(network)
        # As `Stage.load` lays them out.
        network.requires_grad_(False).eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return Stage(config, network)

    return make


@pytest.fixture(scope="session")
def base(base_config: StageConfig, make_stage: Callable[[StageConfig], Stage]) -> Stage:
    return make_stage(base_config)


@pytest.fixture(scope="session")
def sr(sr_config: StageConfig, make_stage: Callable[[StageConfig], Stage]) -> Stage:
    return make_stage(sr_config)


@pytest.fixture(scope="session")
def t5_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A T5 of random weights with a tokenizer of a few words."""
    return make_t5(tmp_path_factory.mktemp("t5") / "tiny", d_model=TEXT_DIM, num_layers=2)
