import sys

import pytest

from drawbench_eval.runs import progress
from drawbench_eval.runs.progress import Meter, duration, show_progress


def test_rate_and_time_left_count_only_what_was_made_now() -> None:
    now = 100.0
    meter = Meter(total=200, done=100, unit="images", clock=lambda: now)
    assert meter.said() == "100 of 200 images"
    now = 110.0
    meter.advance(20)
    assert meter.said() == "120 of 200 images, 2.0 images/s, 40 s left"


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.4, "0 s"), (99, "99 s"), (100, "1 min 40 s"), (3599.4, "59 min 59 s"), (3660, "1 h 01 min")],
)
def test_duration(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def test_lines_that_are_plain_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PLAIN_INTERVAL_S", 0.0)
    with show_progress("mine", total=4, done=1) as advance:
        advance(1)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("mine: 2 of 4 images, ")
    assert "\x1b" not in err


def test_a_bar_on_a_terminal(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with show_progress("mine", total=4) as advance:
        advance(4)
    assert capsys.readouterr().out == ""
