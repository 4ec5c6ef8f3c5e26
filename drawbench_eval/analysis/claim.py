"""A statement of the paper (Saharia et al. 2022) and how it is tested here, as a value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement of the paper and where it shows it.

    mechanism: what it is about, in words for one who has read the abstract. expected: the sign of the
    estimate if it holds, 0 where nothing should change, None where the paper says nothing and the claim is a
    control. carries: what would have to carry over from the scenes world for it to matter for photographs.
    sweep: the experiment under conf/experiment that tests it. per_alignment: tested once in each measure of
    alignment. reason: should it go the other way, why that may be, and the sweep whose controls test this.
    caveat: what else than the mechanism may have made the difference. supports: of a control, the sign by
    which it speaks for the reason that its sweep tests.
    """

    key: str
    text: str
    source: str
    mechanism: str
    sweep: str
    carries: str
    expected: int | None
    per_alignment: bool = True
    reason: tuple[str, str] | None = None
    caveat: str = ""
    supports: int | None = None


@dataclass(frozen=True, kw_only=True)
class SeriesClaim(Claim):
    """A statement about checkpoints: what `series` gains from first to last minus what `other` gains."""

    series: str
    other: str


Measured = Literal["alignment", "distance", "spread", "front", "range", "categories"]


@dataclass(frozen=True, kw_only=True)
class LevelClaim(Claim):
    """A statement about values of one setting: `level` against each of `others`, of which the hardest counts.

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


AUG_LEVEL, ENCODER, PERCENTILE = "model.aug_level", "model.text_encoder", "model.percentile"
CORRUPTION, LOW_RES_SEED = "model.sr64.corruption", "model.low_res_seed"

GUIDANCE = "guidance, under dynamic thresholding"
THRESHOLDING = "dynamic thresholding"
ENCODER_SIZE = "a larger text encoder"
ENCODER_FAMILY = "a text encoder that learned from text alone"
UNET_SIZE = "a larger U-Net"
ENCODER_OVER_UNET = "the text encoder's size counting for more than the U-Net's"
CONDITIONING = "attending to every word of the text"
AUGMENTATION = "noise augmentation in the super-resolution"
EFFICIENT = "the Efficient U-Net"
CONTROL = "controls"
