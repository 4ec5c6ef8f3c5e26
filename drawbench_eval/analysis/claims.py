"""Every statement of the paper that is tested, by its key.

The sign of an estimate is that of what the sentence names first minus the other, in the measure's own
direction. Nothing here, nor where the claims are written, knows what any run gave.
"""

from __future__ import annotations

from collections.abc import Mapping

from drawbench_eval.analysis.claim import ENCODER_OVER_UNET, Claim
from drawbench_eval.analysis.control_claims import CLOSING
from drawbench_eval.analysis.guidance_claims import (
    EARLY,
    EARLY_NONE,
    EARLY_STATIC,
    MATCHED,
    NONE_ALIGNMENT,
    NONE_DISTANCE,
    PLATEAU,
    RISE,
    SR_DISTANCE,
    SR_RISE,
    STEEPER,
    TURN,
)
from drawbench_eval.analysis.level_claims import LEVEL_CLAIMS

ENCODER_BEFORE_UNET = Claim(
    key="encoder_before_unet",
    text="Per factor of ten in parameters the text encoder's size does more for alignment than the U-Net's",
    source="Fig. 4a, 4b",
    mechanism=ENCODER_OVER_UNET,
    sweep="unet_size",
    expected=+1,
    carries="Both sizes are in a like range: the paper's encoders are of up to 4.6B, U-Nets of 0.3B to 2B.",
)

DECIDES: Mapping[str, frozenset[str]] = {
    # A world that is wrong on purpose.
    "guidance_x_threshold_saturated": frozenset(),
    # One base image a prompt.
    "sr_spread": frozenset({"aug_level_spread"}),
    # Small weights alone, with more images.
    "guidance_rise": frozenset({"rise", "early_minimum"}),
}
"""Sweeps that decide these claims alone, whatever else their runs say."""

CLAIMS: Mapping[str, Claim] = {
    claim.key: claim
    for claim in (
        *(RISE, EARLY, MATCHED, TURN, PLATEAU, STEEPER, NONE_ALIGNMENT, NONE_DISTANCE),
        *LEVEL_CLAIMS,
        *(ENCODER_BEFORE_UNET, EARLY_STATIC, EARLY_NONE, SR_RISE, SR_DISTANCE, CLOSING),
    )
}
"""Every claim by its key."""
