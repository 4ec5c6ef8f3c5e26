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
        low_res_side: side of the image it starts from; None for a base network.
        nominal: what the paper says it counts; None where it says nothing.
    """

    network: UNetConfig | EfficientUNetConfig
    num_parameters: int
    low_res_side: int | None = None
    nominal: int | None = None


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
            low_res_side=16,
        ),
    }
)

# The paper's networks, for T5-XXL states of width 4096 that are projected to 512. docs/networks.md explains
# the differences to the nominal sizes.
PAPER: Mapping[str, Preset] = MappingProxyType(
    {
        "base_300m": Preset(
            network=UNetConfig(side=64, channels=192), num_parameters=311_379_459, nominal=300_000_000
        ),
        "base_500m": Preset(
            network=UNetConfig(side=64, channels=256), num_parameters=545_342_979, nominal=500_000_000
        ),
        "base_1b": Preset(
            network=UNetConfig(side=64, channels=352), num_parameters=1_019_152_899, nominal=1_000_000_000
        ),
        "base_2b": Preset(
            network=UNetConfig(side=64, channels=512), num_parameters=2_136_475_139, nominal=2_000_000_000
        ),
        "sr256": Preset(
            network=EfficientUNetConfig(side=256, conv_skip=True),
            num_parameters=449_373_315,
            low_res_side=64,
            nominal=600_000_000,
        ),
        "sr1024": Preset(
            network=EfficientUNetConfig(side=1024, conv_skip=True, over_self=False),
            num_parameters=445_174_915,
            low_res_side=256,
            nominal=400_000_000,
        ),
        # The baseline of figure A.14: as many parameters as `sr256`, in the layout of the base network.
        "sr256_unet": Preset(
            network=UNetConfig(
                side=256,
                channels=128,
                channel_mult=(1, 2, 4, 8),
                num_res_blocks=4,
                attention_sides=(32,),
                low_res=True,
            ),
            num_parameters=440_806_019,
            low_res_side=64,
        ),
    }
)
