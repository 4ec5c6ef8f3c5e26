"""What the paper says of guidance and thresholding (its Figures 4 and A.8), and a control."""

from typing import Any

from drawbench_eval.analysis.claim import CONTROL, GUIDANCE, THRESHOLDING, Claim

_THRESHOLDED = "guidance_x_threshold"
_GREY = (
    "dynamic thresholding divides all pixels by their percentile, which turns the flat colours of scenes "
    "grey; static and none divide by nothing, and a smaller percentile by less"
)
_DIVIDES = (_GREY, "percentile_x_guidance")

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
_EARLY_ELSEWHERE: dict[str, Any] = {
    "source": "not shown",
    "mechanism": CONTROL,
    "sweep": _THRESHOLDED,
    "expected": None,
    "carries": EARLY.carries,
}
_WHERE = "The weight of best alignment minus that of the smallest Fréchet distance"
EARLY_STATIC = Claim(
    key="early_minimum_static", text=f"{_WHERE}, under static thresholding", **_EARLY_ELSEWHERE
)
EARLY_NONE = Claim(key="early_minimum_none", text=f"{_WHERE}, without thresholding", **_EARLY_ELSEWHERE)
MATCHED = Claim(
    key="matched",
    text="At matched alignment the dynamic curve lies at or below the static one",
    source="Fig. 4c",
    mechanism=THRESHOLDING,
    sweep=_THRESHOLDED,
    expected=-1,
    carries="Guided pixels of photographs leave the allowed range as often and as far as ours.",
    reason=_DIVIDES,
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
    reason=_DIVIDES,
)
STEEPER = Claim(
    key="steeper",
    text="Alignment falls more under static than under dynamic",
    source="Fig. 4c",
    mechanism=THRESHOLDING,
    sweep=_THRESHOLDED,
    expected=+1,
    carries="Clipping harms what captions of photographs name more than scaling does.",
    reason=_DIVIDES,
)
NONE_ALIGNMENT = Claim(
    key="none_alignment",
    text="Without thresholding alignment fails at the largest weight (against dynamic)",
    source="Fig. A.8",
    mechanism=THRESHOLDING,
    sweep=_THRESHOLDED,
    expected=-1,
    carries="Errors grow over the sampling steps at 64 x 64 as they do at 16 x 16.",
    reason=_DIVIDES,
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
    reason=_DIVIDES,
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
