"""Numbers as readers see them."""

import math
from collections.abc import Iterable
from statistics import median
from typing import Any

from drawbench_eval.analysis.findings import decimals, rounded


def column_decimals(intervals: Iterable[tuple[float, float]]) -> int:
    """One number of decimals for a whole column: what the median interval supports."""
    wide = [interval for interval in intervals if not any(math.isnan(bound) for bound in interval)]
    return int(median(decimals(0.0, interval) for interval in wide)) if wide else 3


def fixed(value: float, digits: int) -> str:
    """The number with so many decimals and a typographic minus; a dash where it is undefined."""
    return "–" if math.isnan(value) else rounded(value, digits)


def setting(value: Any) -> str:
    """A setting as text: 1 for 1.0, 'null' for None, 'true' for True."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """'45 s', '12.5 min', '3.2 h'."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
