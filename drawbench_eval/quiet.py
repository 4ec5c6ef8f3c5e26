"""Libraries that fetch and load data, without a line for every try: what went wrong is said once, by us."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_LIBRARIES = ("huggingface_hub", "datasets", "transformers")


@contextmanager
def quiet() -> Iterator[None]:
    """Within the block their loggers say nothing."""
    loggers = [logging.getLogger(name) for name in _LIBRARIES]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        # Above every level that there is.
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def without_bars() -> Iterator[None]:
    """Within the block the library datasets shows no progress bars."""
    import datasets

    shown = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()
    try:
        yield
    finally:
        if shown:
            datasets.enable_progress_bars()
