"""What the paper says (Saharia et al. 2022) and how each statement is tested here, as data.

The sign of an estimate is that of what the sentence names first minus the other, in the measure's own
direction. Nothing here knows what any run gave.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from drawbench_eval.analysis.collect import TRAINING

AUG_LEVEL, ENCODER, PERCENTILE = "model.aug_level", "model.text_encoder", "model.percentile"
CORRUPTION, LOW_RES_SEED = "model.sr64.corruption", "model.low_res_seed"


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement of the paper and where it shows it.

    mechanism: what it is about, in words for one who has read the abstract. expected: the sign of the
    estimate if it holds, 0 where nothing should change, None where the paper says nothing and the claim is a
    control. carries: what would have to carry over from the scenes world for it to matter for photographs.
    sweep: the experiment under conf/experiment that tests it. per_alignment: tested once in each measure of
    alignment.
    """

    key: str
    text: str
    source: str
    mechanism: str
    sweep: str
    carries: str
    expected: int | None
    per_alignment: bool = True


Measured = Literal["alignment", "distance", "spread", "front", "range", "categories"]


@dataclass(frozen=True, kw_only=True)
class LevelClaim(Claim):
    """A statement about values of one setting: `level` against each of `others`, of which the nearest counts.

    factor: the setting; levels are its values as text. measured: the alignment, the distance or how far a
    prompt's images are apart at equal guidance, the distance along the front, the range of alignment over the
    guidance weight, or the categories of prompts in which alignment is better. where: settings with a fixed
    value; runs that do not know one of them are not about the claim. shared: levels that other sweeps have
    too, so that they do not make one about this claim. equal_images: whether the checkpoints must have as
    many training images behind them. parameters: of the levels, where it is about their size.
    """

    factor: str
    level: str
    others: tuple[str, ...]
    measured: Measured
    where: Mapping[str, Any] = field(default_factory=dict)
    shared: tuple[str, ...] = ()
    equal_images: bool = False
    parameters: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        assert self.per_alignment == (self.measured not in ("distance", "spread")), self.key


GUIDANCE = "stronger guidance"
THRESHOLDING = "dynamic thresholding"
ENCODER_SIZE = "a larger text encoder"
ENCODER_FAMILY = "a text encoder that learned from text alone"
UNET_SIZE = "a larger U-Net"
ENCODER_OVER_UNET = "the text encoder's size counting for more than the U-Net's"
CONDITIONING = "attending to every word of the text"
AUGMENTATION = "noise augmentation in the super-resolution"
EFFICIENT = "the Efficient U-Net"
CONTROL = "controls"

_THRESHOLDED = "guidance_x_threshold"

RISE = Claim(
    key="rise",
    text="Alignment rises with the guidance weight",
    source="Fig. 4",
    mechanism=GUIDANCE,
    sweep=_THRESHOLDED,
    expected=+1,
    carries="As much of a photograph's caption as of ours is missed without guidance.",
)
EARLY = Claim(
    key="early_minimum",
    text="The Fréchet distance is smallest at a smaller weight than the one of best alignment",
    source="Fig. 4",
    mechanism=GUIDANCE,
    sweep=_THRESHOLDED,
    expected=+1,
    carries="What guidance takes from the variety of scenes it takes from that of photographs.",
)
MATCHED = Claim(
    key="matched",
    text="At matched alignment the dynamic curve lies at or below the static one",
    source="Fig. 4c",
    mechanism=THRESHOLDING,
    sweep=_THRESHOLDED,
    expected=-1,
    carries="Guided pixels of photographs leave the allowed range as often and as far as ours.",
)
TURN = Claim(
    key="turn",
    text="Under static thresholding alignment turns down at large weights",
    source="Fig. 4c",
    mechanism=THRESHOLDING,
    sweep=_THRESHOLDED,
    expected=+1,
    carries="Saturated colours hide from CLIP what they hide from our oracle.",
)
PLATEAU = Claim(
    key="plateau",
    text="Under dynamic thresholding alignment reaches a plateau",
    source="Fig. 4c",
    mechanism=THRESHOLDING,
    sweep=_THRESHOLDED,
    expected=0,
    carries="Scaling pixels down keeps detail as legible as it keeps flat colours.",
)
STEEPER = Claim(
    key="steeper",
    text="Alignment falls more under static than under dynamic",
    source="Fig. 4c",
    mechanism=THRESHOLDING,
    sweep=_THRESHOLDED,
    expected=+1,
    carries="Clipping harms what captions of photographs name more than scaling does.",
)
NONE_ALIGNMENT = Claim(
    key="none_alignment",
    text="Without thresholding alignment fails at the largest weight (against dynamic)",
    source="Fig. A.8",
    mechanism=THRESHOLDING,
    sweep=_THRESHOLDED,
    expected=-1,
    carries="Errors grow over the sampling steps at 64 x 64 as they do at 16 x 16.",
)
NONE_DISTANCE = Claim(
    key="none_distance",
    text="Without thresholding the Fréchet distance fails at the largest weight (against dynamic)",
    source="Fig. A.8",
    mechanism=THRESHOLDING,
    sweep=_THRESHOLDED,
    expected=+1,
    carries="Errors grow over the sampling steps at 64 x 64 as they do at 16 x 16.",
    per_alignment=False,
)
SR_RISE = Claim(
    key="sr_rise",
    text="Alignment over the super-resolution's guidance weight",
    source="not shown",
    mechanism=CONTROL,
    sweep="sr_guidance",
    expected=None,
    carries="Super-resolution decides as much of what is seen in a photograph.",
)
SR_DISTANCE = Claim(
    key="sr_distance",
    text="The Fréchet distance at the largest guidance weight of the super-resolution",
    source="not shown",
    mechanism=CONTROL,
    sweep="sr_guidance",
    expected=None,
    carries="Super-resolution decides as much of what is seen in a photograph.",
    per_alignment=False,
)

# Counted from the configurations under conf/experiment/scenes.
T5_PARAMETERS = {"t5_small": 379_584, "t5_large": 9_006_144}
UNET_PARAMETERS = {"base_small": 1_484_291, "base_large": 10_921_091}

_ENCODERS: dict[str, Any] = {
    "source": "Fig. 4a",
    "mechanism": ENCODER_SIZE,
    "sweep": "encoder_size",
    "factor": ENCODER,
    "level": "t5_large",
    "others": ("t5_small",),
    "parameters": T5_PARAMETERS,
    "carries": "Captions of photographs ask more of an encoder than our small one gives.",
}
_UNETS: dict[str, Any] = {
    "source": "Fig. 4b",
    "mechanism": UNET_SIZE,
    "sweep": "unet_size",
    "factor": TRAINING,
    "level": "base_large",
    "others": ("base_small",),
    "parameters": UNET_PARAMETERS,
    "carries": "Photographs are as hard for a U-Net of 300M as scenes are for one of 1.5M.",
}
_CONDITIONING: dict[str, Any] = {
    "source": "Fig. A.13a",
    "mechanism": CONDITIONING,
    "sweep": "conditioning",
    "factor": TRAINING,
    "level": "base_t5_middle",
    "others": ("base_mean_pooling", "base_attention_pooling"),
    "shared": ("base_t5_middle",),
    "carries": "Captions of photographs also say which thing has which property.",
}
_FAMILIES: dict[str, Any] = {
    "mechanism": ENCODER_FAMILY,
    "sweep": "encoder_family",
    "factor": ENCODER,
    "level": "t5_middle",
    "others": ("clip_text",),
    "shared": ("t5_middle",),
    "carries": "Text about the world teaches what images teach, at billions of words as at ours.",
}
_AUG_LEVELS: dict[str, Any] = {
    "source": "Fig. A.11a",
    "mechanism": AUGMENTATION,
    "sweep": "aug_level_x_guidance",
    "factor": AUG_LEVEL,
}
_RECOVERY: dict[str, Any] = {
    "source": "Sec. 2.4, in words",
    "mechanism": AUGMENTATION,
    "sweep": "recovery",
    "factor": AUG_LEVEL,
    "level": "0.2",
    "others": ("0",),
    "where": {CORRUPTION: 0.2},
    "carries": "What a base does wrong in photographs is hidden by noise as noise is.",
}
_TRAINED_WITHOUT: dict[str, Any] = {
    "source": "Fig. A.11b",
    "mechanism": AUGMENTATION,
    "sweep": "augmentation",
    "factor": TRAINING,
    "level": "sr64_efficient",
    "others": ("sr64_no_augmentation",),
    "shared": ("sr64_efficient",),
    "where": {AUG_LEVEL: 0.0},
    "carries": "A base of photographs makes errors that super-resolution must not trust.",
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

LEVEL_CLAIMS = (
    LevelClaim(
        key="encoder_size_alignment",
        text="A larger text encoder aligns better at equal guidance",
        measured="alignment",
        expected=+1,
        **_ENCODERS,
    ),
    LevelClaim(
        key="encoder_size_distance",
        text="A larger text encoder has the smaller Fréchet distance at equal guidance",
        measured="distance",
        expected=-1,
        per_alignment=False,
        **_ENCODERS,
    ),
    LevelClaim(
        key="encoder_size_front",
        text="A larger text encoder has the lower front: a smaller distance at equal alignment or better",
        measured="front",
        expected=-1,
        **_ENCODERS,
    ),
    LevelClaim(
        key="encoder_family_alignment",
        text="An encoder of text alone (T5) aligns better than a contrastive one (CLIP)",
        source="Fig. A.5b",
        measured="alignment",
        expected=+1,
        **_FAMILIES,
    ),
    LevelClaim(
        key="encoder_family_categories",
        text="It does so in most categories of prompts (in the paper in all 11)",
        source="Fig. A.7",
        measured="categories",
        expected=+1,
        **_FAMILIES,
    ),
    LevelClaim(
        key="unet_size_alignment",
        text="A larger U-Net aligns better at equal guidance",
        measured="alignment",
        expected=+1,
        **_UNETS,
    ),
    LevelClaim(
        key="unet_size_distance",
        text="A larger U-Net has the smaller Fréchet distance at equal guidance",
        measured="distance",
        expected=-1,
        per_alignment=False,
        **_UNETS,
    ),
    LevelClaim(
        key="unet_size_front",
        text="A larger U-Net has the lower front: a smaller distance at equal alignment or better",
        measured="front",
        expected=-1,
        **_UNETS,
    ),
    LevelClaim(
        key="conditioning_alignment",
        text="Attending to the text's states aligns better than their mean or attention-pooled vector",
        measured="alignment",
        expected=+1,
        **_CONDITIONING,
    ),
    LevelClaim(
        key="conditioning_distance",
        text="Attending to the text's states has the smaller Fréchet distance",
        measured="distance",
        expected=-1,
        per_alignment=False,
        **_CONDITIONING,
    ),
    LevelClaim(
        key="conditioning_front",
        text="Attending to the text's states has the lower front",
        measured="front",
        expected=-1,
        **_CONDITIONING,
    ),
    LevelClaim(
        key="aug_level_distance",
        text="aug_level 0 at sampling has the lowest Fréchet distance",
        level="0",
        others=("0.1", "0.2", "0.3", "0.4"),
        measured="distance",
        expected=-1,
        per_alignment=False,
        carries="Images of a 64 x 64 base are as close to small photographs as ours to small scenes.",
        **_AUG_LEVELS,
    ),
    LevelClaim(
        key="aug_level_range",
        text="A larger aug_level widens the range of alignment over the super-resolution's weights",
        level="0.4",
        others=("0",),
        measured="range",
        expected=+1,
        carries="Super-resolution can still decide what a small photograph shows.",
        **_AUG_LEVELS,
    ),
    LevelClaim(
        key="aug_level_spread",
        text="At a larger aug_level the super-resolutions of one low-resolution image differ more",
        source="Fig. A.12, pictures",
        mechanism=AUGMENTATION,
        sweep="sr_spread",
        factor=AUG_LEVEL,
        level="0.4",
        others=("0",),
        measured="spread",
        where={LOW_RES_SEED: 0},
        expected=+1,
        per_alignment=False,
        carries="Super-resolution can still decide what a small photograph shows.",
    ),
    LevelClaim(
        key="recovery_alignment",
        text="From an image under noise that it is not told of, aligned better at aug_level 0.2 than at 0",
        measured="alignment",
        expected=+1,
        **_RECOVERY,
    ),
    LevelClaim(
        key="recovery_distance",
        text="From an image under noise that it is not told of, a smaller Fréchet distance at aug_level 0.2",
        measured="distance",
        expected=-1,
        per_alignment=False,
        **_RECOVERY,
    ),
    LevelClaim(
        key="augmentation_alignment",
        text="Training with noise augmentation aligns better (sampled at aug_level 0)",
        measured="alignment",
        expected=+1,
        **_TRAINED_WITHOUT,
    ),
    LevelClaim(
        key="augmentation_distance",
        text="Training with noise augmentation has the smaller Fréchet distance (sampled at aug_level 0)",
        measured="distance",
        expected=-1,
        per_alignment=False,
        **_TRAINED_WITHOUT,
    ),
    LevelClaim(
        key="augmentation_range",
        text="Trained with noise augmentation, alignment reacts more to the super-resolution's weight",
        measured="range",
        expected=+1,
        **_TRAINED_WITHOUT,
    ),
    LevelClaim(
        key="augmentation_recovery",
        text="From an image under noise that it is told of (0.2), aligned better if trained with noise",
        measured="alignment",
        expected=+1,
        **{**_TRAINED_WITHOUT, "source": "Sec. 2.4, in words", "where": {AUG_LEVEL: 0.2}},
    ),
    LevelClaim(
        key="efficient_distance",
        text="After equally many training images the Efficient U-Net has the smaller Fréchet distance",
        source="Fig. A.14",
        mechanism=EFFICIENT,
        sweep="efficient_unet",
        factor=TRAINING,
        level="sr64_efficient",
        others=("sr64_unet",),
        shared=("sr64_efficient",),
        measured="distance",
        expected=-1,
        per_alignment=False,
        equal_images=True,
        carries="Fewer operations at full side cost a large network as little as one of 2M.",
    ),
    LevelClaim(
        key="percentile_100_alignment",
        text="Alignment at the percentile 99.5, the one that the paper prints, against 100 (nothing clipped)",
        others=("1",),
        measured="alignment",
        **_PERCENTILES,
    ),
    LevelClaim(
        key="percentile_100_distance",
        text="The Fréchet distance at the percentile 99.5 against 100 (nothing clipped)",
        others=("1",),
        measured="distance",
        per_alignment=False,
        **_PERCENTILES,
    ),
    LevelClaim(
        key="percentile_90_alignment",
        text="Alignment at the percentile 99.5 against 90 (more clipped, as static does)",
        others=("0.9",),
        measured="alignment",
        **_PERCENTILES,
    ),
    LevelClaim(
        key="percentile_90_distance",
        text="The Fréchet distance at the percentile 99.5 against 90 (more clipped, as static does)",
        others=("0.9",),
        measured="distance",
        per_alignment=False,
        **_PERCENTILES,
    ),
)

ENCODER_BEFORE_UNET = Claim(
    key="encoder_before_unet",
    text="Per factor of ten in parameters the text encoder's size does more for alignment than the U-Net's",
    source="Fig. 4a, 4b",
    mechanism=ENCODER_OVER_UNET,
    sweep="unet_size",
    expected=+1,
    carries="Both sizes are in a like range: the paper's encoders are of up to 4.6B, U-Nets of 0.3B to 2B.",
)

CONTROL_SWEEPS = frozenset({"guidance_x_threshold_saturated", "sr_spread"})
"""Sweeps that change the world or how it is sampled: what they find decides no claim but their own."""

CLAIMS: Mapping[str, Claim] = {
    claim.key: claim
    for claim in (
        *(RISE, EARLY, MATCHED, TURN, PLATEAU, STEEPER, NONE_ALIGNMENT, NONE_DISTANCE),
        *LEVEL_CLAIMS,
        *(ENCODER_BEFORE_UNET, SR_RISE, SR_DISTANCE),
    )
}
"""Every claim by its key."""
