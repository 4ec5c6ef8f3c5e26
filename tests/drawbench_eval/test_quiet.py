import contextlib
import logging

import datasets
import pytest

from drawbench_eval.quiet import quiet, without_bars


def test_quiet_ends_with_the_block() -> None:
    logger = logging.getLogger("transformers")
    before = logger.level
    with contextlib.suppress(KeyError), quiet():
        assert not logger.isEnabledFor(logging.CRITICAL)
        raise KeyError
    assert logger.level == before


@pytest.mark.parametrize("shown", [True, False])
def test_bars_are_as_they_were_after_the_block(shown: bool) -> None:
    before = datasets.is_progress_bar_enabled()
    try:
        (datasets.enable_progress_bars if shown else datasets.disable_progress_bars)()
        with contextlib.suppress(KeyError), without_bars():
            assert not datasets.is_progress_bar_enabled()
            raise KeyError
        assert datasets.is_progress_bar_enabled() is shown
    finally:
        (datasets.enable_progress_bars if before else datasets.disable_progress_bars)()
