"""Controls at values of one setting: the paper says nothing of them, a difference is a difference."""

from __future__ import annotations

from typing import Any

from drawbench_eval.analysis.claim import (
    AUG_LEVEL,
    CONTROL,
    ENCODER,
    PERCENTILE,
    LevelClaim,
    SeriesClaim,
)
from drawbench_eval.analysis.collect import TRAINING
from drawbench_eval.analysis.curves import WEIGHT

_CONTROLS_OF_ENCODERS: dict[str, Any] = {
    "source": "not shown",
    "mechanism": CONTROL,
    "sweep": "encoder_size",
    "factor": ENCODER,
    "level": "t5_middle",
    "shared": ("t5_middle",),
    "measured": "alignment",
    "expected": None,
    "carries": "What pretraining gives a small encoder it gives a large one.",
}
_PERCENTILES: dict[str, Any] = {
    "source": "not shown",
    "mechanism": CONTROL,
    "sweep": "percentile_x_guidance",
    "factor": PERCENTILE,
    "level": "0.995",
    "expected": None,
    "carries": "Pixels at the limit are as many: only their 99.5 % quantile was matched.",
}

CONTROLS = (
    LevelClaim(
        key="encoder_random_alignment",
        text="Alignment with a pretrained text encoder against one that was never trained",
        others=("t5_random",),
        **_CONTROLS_OF_ENCODERS,
    ),
    LevelClaim(
        key="encoder_random_distance",
        text="The Fréchet distance with a pretrained text encoder against one that was never trained",
        others=("t5_random",),
        **{**_CONTROLS_OF_ENCODERS, "measured": "distance", "per_alignment": False},
    ),
    LevelClaim(
        key="encoder_joint_alignment",
        text="Alignment with a pretrained, frozen text encoder against one that learned with its base",
        others=("t5_joint",),
        **_CONTROLS_OF_ENCODERS,
    ),
    LevelClaim(
        key="conditioning_unguided_distance",
        text="The Fréchet distance without guidance: attending to the text's states against pooled vectors",
        source="not shown",
        mechanism=CONTROL,
        sweep="conditioning",
        factor=TRAINING,
        level="base_t5_middle",
        others=("base_mean_pooling", "base_attention_pooling"),
        shared=("base_t5_middle",),
        where={WEIGHT: 1.0},
        measured="distance",
        expected=None,
        supports=-1,
        per_alignment=False,
        carries="Guidance drives large networks from photographs as it drives ours from scenes.",
    ),
    LevelClaim(
        key="efficient_alignment",
        text="Alignment after equally many training images: the Efficient U-Net against the plain one",
        source="not shown",
        mechanism=CONTROL,
        sweep="efficient_unet",
        factor=TRAINING,
        level="sr64_efficient",
        others=("sr64_unet",),
        shared=("sr64_efficient",),
        measured="alignment",
        expected=None,
        equal_images=True,
        carries="Fewer operations at full side cost a large network as little as one of 2M.",
    ),
    LevelClaim(
        key="aug_level_range_early",
        text="The range of alignment over the super-resolution's weights at aug_level 0.1 against 0",
        source="not shown",
        mechanism=CONTROL,
        sweep="aug_level_x_guidance",
        factor=AUG_LEVEL,
        level="0.1",
        others=("0",),
        measured="range",
        expected=None,
        supports=+1,
        carries="As little of a small photograph is left under that much noise as of a small scene.",
    ),
    LevelClaim(
        key="percentile_100_alignment",
        text="Alignment at the percentile 99.5, the one that the paper prints, against 100 (divided by more)",
        others=("1",),
        supports=+1,
        measured="alignment",
        **_PERCENTILES,
    ),
    LevelClaim(
        key="percentile_100_distance",
        text="The Fréchet distance at the percentile 99.5 against 100 (divided by more)",
        others=("1",),
        supports=-1,
        measured="distance",
        per_alignment=False,
        **_PERCENTILES,
    ),
    LevelClaim(
        key="percentile_90_alignment",
        text="Alignment at the percentile 99.5 against 90 (divided by less)",
        others=("0.9",),
        supports=-1,
        measured="alignment",
        **_PERCENTILES,
    ),
    LevelClaim(
        key="percentile_90_distance",
        text="The Fréchet distance at the percentile 99.5 against 90 (divided by less)",
        others=("0.9",),
        supports=+1,
        measured="distance",
        per_alignment=False,
        **_PERCENTILES,
    ),
)
"""Controls at values of one setting."""

CLOSING = SeriesClaim(
    key="augmentation_closing",
    text="Alignment gained from the first checkpoint to the last: with noise augmentation against without",
    source="not shown",
    mechanism=CONTROL,
    sweep="augmentation_series",
    expected=None,
    supports=+1,
    carries="Longer training closes the same gap.",
    series="sr64_efficient",
    other="sr64_no_augmentation",
)
