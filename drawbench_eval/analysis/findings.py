"""A finding: a claim of the paper, the number these runs give for it, and the verdict by its interval."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from drawbench_eval.analysis.paired import Effect

Verdict = Literal["seen", "opposite", "differs", "not resolved", "not testable with these runs"]
UNTESTABLE: Verdict = "not testable with these runs"
Selection = Literal["fixed", "split", "same_samples"]

FEW_PROMPTS = 10


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One claim held against the runs.

    key: which claim (several findings share it, one per measure); claim, source: the paper's, with its
    figure. metric: the measure in which it was tested; quantity: what `estimate` is, in words. expected: the
    sign of the estimate by the claim, 0 where nothing should change, None where the paper says nothing.
    ci95: None when undefined. selection: how a setting was chosen where one was: "fixed" (not by looking),
    "split" (chosen on one half of the prompts, measured on the other), "same_samples" (chosen and measured on
    the same samples: flattering).
    num_trainings: the training runs of each level that the interval carries; with 1 it carries the sampling
    of prompts and seeds only and is about these checkpoints. tens: how many factors of ten in parameters lie
    between what is compared, None where it is not about sizes.
    """

    key: str
    claim: str
    source: str
    metric: str
    context: str
    quantity: str
    expected: int | None
    estimate: float | None
    ci95: tuple[float, float] | None
    unit: str
    n: int
    num_prompts: int
    num_trainings: int
    tens: float | None
    verdict: Verdict
    sentence: str
    method: str
    selection: Selection

    @property
    def same_samples(self) -> bool:
        """Whether a setting was chosen on the samples on which it is reported."""
        return self.selection == "same_samples"


def verdict_by_sign(estimate: Effect, *, expected: int | None, on_a_grid: bool = False) -> Verdict:
    """Seen when the interval lies on the expected side (+1 or -1) of zero, opposite on the other side.

    Where nothing is expected (None) it differs when the interval leaves zero out. A difference without any
    spread has no error to hold it against, unless it is `on_a_grid`, where equal resamplings are no wonder.
    """
    if estimate.ci95 is None or (estimate.is_constant and not on_a_grid):
        return "not resolved"
    if expected is None:
        return "differs" if min(estimate.ci95) > 0 or max(estimate.ci95) < 0 else "not resolved"
    low, high = sorted(expected * bound for bound in estimate.ci95)
    return "seen" if low > 0 else "opposite" if high < 0 else "not resolved"


def verdict_within(estimate: Effect, margin: float) -> Verdict:
    """Seen when the interval lies within +-`margin` (two one-sided tests), opposite when wholly outside."""
    if estimate.ci95 is None or estimate.is_constant or not margin > 0:
        return "not resolved"
    low, high = estimate.ci95
    if -margin < low and high < margin:
        return "seen"
    return "opposite" if low > margin or high < -margin else "not resolved"


def in_words(estimate: Effect, unit: str = "", *, signed: bool = True) -> str:
    """'+0.031 (95 % interval +0.025 to +0.037)', with as many decimals as the interval supports."""
    digits = decimals(estimate.value, estimate.ci95)
    value = rounded(estimate.value, digits, signed=signed) + (f" {unit}" if unit else "")
    if estimate.ci95 is None:
        return f"{value} (interval undefined)"
    if estimate.is_constant:
        return f"{value} throughout (no spread: no test)"
    low, high = (rounded(bound, digits, signed=signed) for bound in estimate.ci95)
    rough = f", rough: only {estimate.num_prompts} prompts" if estimate.num_prompts < FEW_PROMPTS else ""
    return f"{value} (95 % interval {low} to {high}{rough})"


def constant_in_words(estimate: Effect) -> str:
    """'+0.25 throughout', of a number without spread."""
    return f"{minus(f'{estimate.value:+.3g}')} throughout"


def decimals(value: float, ci95: tuple[float, float] | None) -> int:
    """Decimals that give the interval's half-width (or half the value, without one) two digits."""
    size = abs(ci95[1] - ci95[0]) / 2 if ci95 is not None else abs(value) / 2
    if not math.isfinite(size) or size == 0:
        return len(f"{value:g}".partition(".")[2])
    return min(6, max(0, 1 - math.floor(math.log10(size))))


def rounded(value: float, digits: int, *, signed: bool = False) -> str:
    """The number with so many decimals and a typographic minus; one that rounds to 0 has no sign."""
    text = f"{value:{'+' if signed else ''}.{digits}f}"
    return minus(text if float(text) else text.lstrip("+-"))


def minus(text: str) -> str:
    """The text with typographic minus signs."""
    return text.replace("-", "\u2212")


def in_series(items: Sequence[str]) -> str:
    """'a, b and c'."""
    return " and ".join(part for part in (", ".join(items[:-1]), items[-1]) if part)
