"""What the paper says of guidance and thresholding (Saharia et al. 2022, Figures 4 and A.8)."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Claim:
    """A statement of the paper and where it shows it; `per_alignment`: tested once in each measure of
    alignment.
    """

    key: str
    text: str
    source: str
    per_alignment: bool = True


RISE = Claim(key="rise", text="Alignment rises with the guidance weight", source="Fig. 4")
EARLY = Claim(
    key="early_minimum",
    text="The Fréchet distance is smallest at a smaller weight than the one of best alignment",
    source="Fig. 4",
)
MATCHED = Claim(
    key="matched",
    text="At matched alignment the dynamic curve lies at or below the static one",
    source="Fig. 4c",
)
TURN = Claim(
    key="turn", text="Under static thresholding alignment turns down at large weights", source="Fig. 4c"
)
PLATEAU = Claim(
    key="plateau", text="Under dynamic thresholding alignment reaches a plateau", source="Fig. 4c"
)
STEEPER = Claim(key="steeper", text="Alignment falls more under static than under dynamic", source="Fig. 4c")
NONE_ALIGNMENT = Claim(
    key="none_alignment",
    text="Without thresholding alignment fails at the largest weight (against dynamic)",
    source="Fig. A.8",
)
NONE_DISTANCE = Claim(
    key="none_distance",
    text="Without thresholding the Fréchet distance fails at the largest weight (against dynamic)",
    source="Fig. A.8",
    per_alignment=False,
)
