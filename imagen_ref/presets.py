"""Named network shapes with the parameter counts that they must have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from imagen_ref.efficient_unet import EfficientUNetConfig
from imagen_ref.unet import UNetConfig


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A network by name.

    Attributes:
        network: its shape; the class decides which network it is.
        num_parameters: what the network built from it counts, text projection and pooling included.
    """

    network: UNetConfig | EfficientUNetConfig
    num_parameters: int


# The scale model of the scenes world; conf/experiment/scenes/ trains exactly these.
SCENES: Mapping[str, Preset] = MappingProxyType(
    {
        "base": Preset(
            network=UNetConfig(
                side=16,
                channels=32,
                channel_mult=(1, 2, 4),
                num_res_blocks=2,
                attention_sides=(8, 4),
                head_dim=32,
                text_dim=256,
                text_width=192,
                whiten_text=True,
                noise_skip=True,
            ),
            num_parameters=5_081_667,
        ),
        "sr64": Preset(
            network=EfficientUNetConfig(
                side=64,
                channels=(32, 64, 96),
                num_res_blocks=(1, 2, 3),
                stem_channels=16,
                num_heads=4,
                text_dim=256,
                text_width=192,
                whiten_text=True,
            ),
            num_parameters=2_014_035,
        ),
    }
)
