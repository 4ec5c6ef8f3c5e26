import numpy as np
import pytest
from matplotlib.figure import Figure

from drawbench_eval.report.panels import draw_curve
from drawbench_eval.report.style import OTHER


@pytest.mark.parametrize(("points", "seen"), [(1, ("None", ".")), (3, ("-", "None"))])
def test_a_grey_curve_of_one_point_is_a_dot(points: int, seen: tuple[str, str]) -> None:
    ax = Figure().subplots()
    values = np.arange(float(points))
    draw_curve(ax, values, (values, values, values), OTHER)
    (line,) = ax.lines
    assert (line.get_linestyle(), line.get_marker()) == seen
