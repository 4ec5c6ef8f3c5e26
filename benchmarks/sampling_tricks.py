"""What each trick of our sampling gives: every one off, or on, with all else as it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from sampling_tools import Run, base_stage, in_channels_last, sample_ours
from torch import Tensor, nn

from imagen_ref.layers import TextContext
from imagen_ref.stage import Stage
from imagen_ref.text.embedding import TextEmbedding
from imagen_ref.unet import UNetConfig

# Guidance that cannot be seen, for which both halves are computed all the same.
NEARLY_ONE = 1.0 + 1e-9


class Rereading(nn.Module):
    """A network that projects the text anew at every step."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def condition(self, text: TextEmbedding) -> TextEmbedding:
        """The text as it is."""
        return text

    def forward(self, z: Tensor, logsnr: Tensor, context: TextEmbedding, **named: Any) -> Tensor:
        """The prediction."""
        out: Tensor = self.inner(z, logsnr, self.inner.condition(context), **named)
        return out


class OneHalfAtATime(nn.Module):
    """A network that is asked for the conditional half, and then for the other."""

    def __init__(self, inner: Any) -> None:
        super().__init__()
        self.inner = inner

    def condition(self, text: TextEmbedding) -> list[TextContext]:
        """The two contexts."""
        half = len(text) // 2
        return [self.inner.condition(text[:half]), self.inner.condition(text[half:])]

    def forward(self, z: Tensor, logsnr: Tensor, context: list[TextContext], **named: Any) -> Tensor:
        """The prediction."""
        halves = zip(z.chunk(2), logsnr.chunk(2), context, strict=True)
        return torch.cat([self.inner(*half, **named) for half in halves])


class CastingAtEveryStep:
    """A network that shows no convolutions, so that autocast casts their weights at every step."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.parameters, self.condition = inner.parameters, inner.condition

    def modules(self) -> tuple[nn.Module, ...]:
        """None."""
        return ()

    def __call__(self, *given: Any, **named: Any) -> Tensor:
        """The prediction."""
        out: Tensor = self.inner(*given, **named)
        return out


def tricks(
    network: UNetConfig, device: str, *, compiled: bool
) -> dict[str, tuple[Callable[[Run], Tensor], Callable[[Run], Tensor]]]:
    """Name -> (without it, with it), each a way to sample a `Run`."""
    stage = base_stage(network, device)

    def by(change: Callable[[Any], Any], **changes: Any) -> Callable[[Run], Tensor]:
        changed = Stage(stage.config, change(stage.network))
        return lambda run: sample_ours(changed, replace(run, **changes), device)

    plain = by(lambda inner: inner)
    contiguous = base_stage(network, device).network.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    found = {
        "text keys and values once": (by(Rereading), plain),
        "both halves in one forward": (by(OneHalfAtATime), plain),
        "null half skipped at w = 1": (
            by(lambda inner: inner, guidance_weight=NEARLY_ONE),
            by(lambda inner: inner, guidance_weight=1.0),
        ),
        "channels_last": (by(lambda _: contiguous), plain),
        "bfloat16": (plain, by(lambda inner: inner, bfloat16=True)),
        "bfloat16 weights made once": (
            by(CastingAtEveryStep, bfloat16=True),
            by(lambda inner: inner, bfloat16=True),
        ),
    }
    if compiled:
        own = in_channels_last(base_stage(network, device).network)
        own.compile()
        found["torch.compile"] = (plain, by(lambda _: own))
    return found
