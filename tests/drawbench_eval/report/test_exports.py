"""Figures as PNG: what stands in the SVG, pixel by pixel."""

import io

import numpy as np
import pytest
from PIL import Image

from drawbench_eval.report.blocks import Picture
from drawbench_eval.report.exports import PNG_DOTS_PER_INCH, to_pngs


@pytest.mark.parametrize(("width", "height"), [(1105, 718), (1300, 736), (1105, 814)])
def test_no_row_and_no_column_is_lost(width: int, height: int) -> None:
    """A chequered edge: every second pixel of the first column and of the first row is black."""
    unit = 72 / PNG_DOTS_PER_INCH
    side, top = width * unit, height * unit
    marks = [f"M0 {y * unit}h{unit}v{unit}h-{unit}z" for y in range(0, height, 2)]
    marks += [f"M{x * unit} 0h{unit}v{unit}h-{unit}z" for x in range(0, width, 2)]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{side:.6g}pt" height="{top:.6g}pt" '
        f'viewBox="0 0 {side:.6g} {top:.6g}"><path d="{"".join(marks)}"/></svg>'
    )
    picture = Picture(name="x", svg=svg, width=width / PNG_DOTS_PER_INCH, caption="", alt="")
    (png,) = to_pngs((picture,))
    pixels = np.asarray(Image.open(io.BytesIO(png)).convert("L"))
    assert pixels.shape == (height, width)
    is_black = pixels < 128
    assert (is_black[:, 0] == (np.arange(height) % 2 == 0)).all()
    assert (is_black[0] == (np.arange(width) % 2 == 0)).all()
