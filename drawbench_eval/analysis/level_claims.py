"""What the paper says of values of one setting: encoders, networks, text, augmentation."""

from __future__ import annotations

from typing import Any

from drawbench_eval.analysis.claim import (
    AUG_LEVEL,
    AUGMENTATION,
    CONDITIONING,
    CORRUPTION,
    EFFICIENT,
    ENCODER,
    ENCODER_FAMILY,
    ENCODER_SIZE,
    LOW_RES_SEED,
    UNET_SIZE,
    LevelClaim,
)
from drawbench_eval.analysis.collect import TRAINING
from drawbench_eval.analysis.control_claims import CONTROLS

# Counted from the configurations under conf/experiment/scenes.
T5_PARAMETERS = {"t5_small": 379_584, "t5_large": 9_006_144}
UNET_PARAMETERS = {"base_small": 1_484_291, "base_large": 10_921_091}

# conf/experiment/scenes/base_t5_middle.yaml, t5_middle.yaml, clip_text.yaml
_STARTED = (
    "All bases started from the packaged one, which had learned with t5_middle and by attending: that may "
    "favour these."
)
_READ = " In pretraining t5_middle read 384,000 sentences, clip_text 192,000 captions with their images."

_ENCODERS: dict[str, Any] = {
    "source": "Fig. 4a",
    "mechanism": ENCODER_SIZE,
    "sweep": "encoder_size",
    "factor": ENCODER,
    "level": "t5_large",
    "others": ("t5_small",),
    "parameters": T5_PARAMETERS,
    "carries": "Captions of photographs ask more of an encoder than our small one gives.",
    "caveat": "All bases started from the packaged one, which had learned with t5_middle.",
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
    "caveat": _STARTED,
}
_FAMILIES: dict[str, Any] = {
    "mechanism": ENCODER_FAMILY,
    "sweep": "encoder_family",
    "factor": ENCODER,
    "level": "t5_middle",
    "others": ("clip_text",),
    "shared": ("t5_middle",),
    "carries": "Text about the world teaches what images teach, at billions of words as at ours.",
    "caveat": _STARTED + _READ,
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
    "reason": (
        "its images are spread over all levels of noise, so that it is behind after few of them",
        "augmentation_series",
    ),
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
        reason=("guidance drives what attends further from the scenes", "conditioning"),
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
        reason=("at aug_level 0.4 next to nothing is read at any weight", "aug_level_x_guidance"),
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
        text="From an image under noise (0.2) that it is not told of, aligned better at aug_level 0.2 than 0",
        measured="alignment",
        expected=+1,
        **_RECOVERY,
    ),
    LevelClaim(
        key="recovery_distance",
        text="From an image under noise (0.2) that it is not told of, a smaller distance at aug_level 0.2",
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
    *CONTROLS,
)
