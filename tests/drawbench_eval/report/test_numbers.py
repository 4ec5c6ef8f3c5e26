import math

import pytest

from drawbench_eval.report.numbers import column_decimals, duration, fixed, setting


def test_numbers_as_readers_see_them():
    assert fixed(-1.25, 1) == "−1.2"
    assert fixed(-0.04, 1) == "0.0"
    assert fixed(math.nan, 3) == "–"
    assert [setting(v) for v in (None, True, 1.0, 0.995, "ddim", 3)] == [
        "null",
        "true",
        "1",
        "0.995",
        "ddim",
        "3",
    ]
    assert duration(45) == "45 s"
    assert duration(750) == "12.5 min"
    assert duration(11520) == "3.2 h"


@pytest.mark.parametrize(
    ("intervals", "digits"),
    [([(0.0, 0.01)] * 3, 4), ([(30.0, 36.0)] * 3 + [(0.0, 0.01)], 1), ([(math.nan, math.nan)], 3), ([], 3)],
)
def test_a_column_has_the_decimals_of_its_median_interval(intervals, digits):
    assert column_decimals(intervals) == digits
