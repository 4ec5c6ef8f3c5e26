"""How figures look: final size, readable type, Okabe-Ito colours that also differ in marker and line."""

import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from textwrap import wrap
from typing import TYPE_CHECKING, Any, Literal

import matplotlib as mpl
from matplotlib.figure import Figure

from drawbench_eval.analysis.collect import MetricInfo
from drawbench_eval.analysis.curves import Curve
from drawbench_eval.analysis.measures import measure
from drawbench_eval.report.blocks import Spot

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

TEXT_WIDTH = 6.5
"""Width of the page's text in inches: figures are drawn at the size at which they are printed."""

GREY = "#6b6b6b"
LIGHT = "#d9d9d9"

_RC: dict["RcKeyType", Any] = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": "#ebebeb",
    "grid.linewidth": 0.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 7.5,
    "legend.frameon": False,
    "lines.linewidth": 1.2,
    "svg.fonttype": "path",
    "image.composite_image": False,
    # Names of categories and settings are text, never formulas.
    "text.parse_math": False,
}


@dataclass(frozen=True, kw_only=True)
class LineStyle:
    """How one curve is drawn."""

    color: str
    marker: str
    line: Literal["-", ":", "none"] | tuple[float, tuple[float, ...]]


_BY_MODE = {
    "none": LineStyle(color="#009E73", marker="^", line=":"),
    "static": LineStyle(color="#D55E00", marker="s", line=(0, (4, 1.6))),
    "dynamic": LineStyle(color="#0072B2", marker="o", line="-"),
}
_OTHERS = (
    LineStyle(color="#CC79A7", marker="D", line=(0, (6, 1.5, 1, 1.5))),
    LineStyle(color="#56B4E9", marker="v", line=(0, (2, 1))),
    LineStyle(color="#E69F00", marker="P", line=(0, (8, 2))),
    LineStyle(color="#000000", marker="X", line=(0, (1, 1.5))),
)

STYLES = (*_OTHERS, *_BY_MODE.values())
"""For curves that no mode of thresholding tells apart, in the order in which they are taken."""

OTHER = LineStyle(color="#bcbcbc", marker=".", line="-")
"""Of curves that are there, but not told apart."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A figure: its SVG, width in inches, the numbers in it as CSV, and its points."""

    svg: str
    width: float
    data: str
    spots: tuple[Spot, ...] = ()


def mode_style(mode: str) -> LineStyle | None:
    """The style of a mode of thresholding, None for another name."""
    return _BY_MODE.get(mode)


def curve_styles(curves: Sequence[Curve], featured: Sequence[str] | None = None) -> dict[str, LineStyle]:
    """A style for each curve by name: the mode's own for its first curve, others in turn, and grey for those
    that are not `featured` (None for all).
    """
    styles: dict[str, LineStyle] = {}
    for curve in curves:
        if featured is not None and curve.name not in featured:
            styles[curve.name] = OTHER
            continue
        own = _BY_MODE.get(curve.mode)
        if own is None or own in styles.values():
            free = [style for style in STYLES if style not in styles.values()]
            own = free[0] if free else STYLES[len(styles) % len(STYLES)]
        styles[curve.name] = own
    return styles


def shortened(name: str, longest: int = 26) -> str:
    """The name, without its middle where it is too long for a label: names often differ at their ends."""
    if len(name) <= longest:
        return name
    end = (longest - 1) // 2
    return f"{name[: longest - 1 - end].rstrip()}…{name[-end:].lstrip()}"


def in_lines(name: str, longest: int, most: int = 2) -> str:
    """The name in at most so many lines of so many letters, shortened to fit."""
    room = longest * most
    while len(lines := wrap(shortened(name, room), longest)) > most:
        room -= 1
    return "\n".join(lines)


def axis_label(info: MetricInfo) -> str:
    """'Scenes CLIP score (cosine; higher is better)'."""
    return f"{measure(info.name).title}\n({'; '.join(unit_and_direction(info))})"


def unit_and_direction(info: MetricInfo) -> list[str]:
    """['cosine', 'higher is better']; the direction alone for a metric without a unit."""
    direction = "higher is better" if info.higher_is_better else "lower is better"
    return [part for part in (info.unit, direction) if part]


@contextmanager
def figure_style(name: str) -> Iterator[None]:
    """The settings for one figure; `name` keeps the ids in its SVG repeatable and apart from other
    figures'.
    """
    with mpl.rc_context({**_RC, "svg.hashsalt": name}):
        yield


def to_svg(figure: Figure) -> str:
    """The figure as SVG text, the same bytes for the same figure."""
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    return buffer.getvalue()
