"""The network that the first step of a training starts from: a fresh one, or a trained one's weights."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch

from imagen_ref.data import ImageTextData
from imagen_ref.stage import Stage, StageConfig
from imagen_ref.text.embedding import TextEncoder
from imagen_ref.training.config import TrainConfig

WHITENING_CAPTIONS = 4096
# What a trained network may differ in from the one that its weights are given to.
_FREE: dict[str, Any] = {"name": "", "crop_side": None, "text_encoder": {}}
_READS_TEXT: dict[str, Any] = {
    "text_dim": 0,
    "text_width": 0,
    "text_norm": True,
    "text_conditioning": "cross_attention",
    "whiten_text": False,
}


def start(
    stage: StageConfig, config: TrainConfig, data: ImageTextData, encoder: TextEncoder, initial: Stage | None
) -> Any:
    """The network of `stage`, drawn from `config.seed`, with the weights of `initial` where there is one.

    The text's whitening is fitted to the first captions of the data where `initial` does not bring that of
    this encoder. Raises ValueError for an `initial` of another network.
    """
    if config.fresh_text and initial is None:
        raise ValueError("training.fresh_text: true is for a training with initial weights; write initial=")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(config.seed)
        network: Any = stage.make_network()
    if initial is not None:
        _check(initial.config, stage, fresh_text=config.fresh_text)
        given = initial.network.state_dict()
        kept = {name for name in network.state_dict() if not (config.fresh_text and reads_text(name))}
        network.load_state_dict({**network.state_dict(), **{name: given[name] for name in kept}})
    if initial is None or config.fresh_text or initial.config.text_encoder != stage.text_encoder:
        _fit_whitening(network, data, encoder)
    return network


def reads_text(name: str) -> bool:
    """Whether a weight of this name is of what reads the text: projection, pooling, keys, values, norms."""
    return any(part.startswith("text") for part in name.split("."))


def _check(initial: StageConfig, stage: StageConfig, *, fresh_text: bool) -> None:
    """Raises ValueError where the weights of the one are not for the other."""
    before, now = (_comparable(config, fresh_text=fresh_text) for config in (initial, stage))
    for name, value in now.items():
        if before[name] != value:
            raise ValueError(f"initial: its {name} is {before[name]}, the stage to train has {value}")


def _comparable(config: StageConfig, *, fresh_text: bool) -> dict[str, Any]:
    network = replace(config.network, **_READS_TEXT) if fresh_text else config.network
    return replace(config, network=network, **_FREE).to_json()


def _fit_whitening(network: Any, data: ImageTextData, encoder: TextEncoder) -> None:
    """Gives a network that whitens its text the first captions of the data, before anything is learned."""
    if network.text.whitening is None:
        return
    captions = data.captions(range(min(len(data), WHITENING_CAPTIONS)), 0)
    encoded = [encoder.encode(captions[at : at + 256]) for at in range(0, len(captions), 256)]
    network.text.whitening.fit(torch.cat([batch.states[batch.mask] for batch in encoded]).cpu())
