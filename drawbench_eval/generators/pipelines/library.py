"""The library diffusers: imported when a model needs it, and kept from chattering."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

INSTALL = "pip install 'drawbench-eval[diffusers]'"


def library() -> Any:
    """The module diffusers. Raises ValueError where it is not installed or does not work."""
    try:
        return importlib.import_module("diffusers")
    except ModuleNotFoundError as error:
        if error.name != "diffusers":
            raise ValueError(
                f"model.generator: diffusers cannot be imported ({one_line(error)}); {INSTALL}"
            ) from error
        raise ValueError(f"model.generator: this model needs the library diffusers; {INSTALL}") from error


def class_named(name: str, *, key: str) -> Any:
    """A class of diffusers. Raises ValueError, opening with `key`, where this version does not have it."""
    try:
        found: Any = getattr(library(), name, None)
    except (ImportError, RuntimeError) as error:
        raise ValueError(f"{key}: {name} cannot be imported ({one_line(error)}); {INSTALL}") from error
    if not isinstance(found, type):
        raise ValueError(f"{key}: {name} is not a class of diffusers {library().__version__}")
    if found.__module__.startswith("diffusers.utils.dummy"):
        # It stands in where a library is missing that the real one imports.
        needed = ", ".join(getattr(found, "_backends", ()))
        raise ValueError(f"{key}: {name} needs {needed} installed; {INSTALL}")
    return found


def one_line(error: BaseException, *, limit: int = 300) -> str:
    """What went wrong, on one line: the type and the message, cut where it is long."""
    said = " ".join(f"{type(error).__name__}: {error}".split()).rstrip(": .")
    return said if len(said) <= limit else f"{said[:limit]}..."


@contextmanager
def quiet() -> Iterator[list[str]]:
    """Without the libraries' bars and advice on stderr: their warnings come as a list instead."""
    # First: where diffusers is missing there is nothing to silence, and that is said in one line.
    library()
    bars = [importlib.import_module(f"{name}.utils.logging") for name in ("diffusers", "transformers")]
    bars = [module for module in bars if module.is_progress_bar_enabled()]
    loggers = [logging.getLogger(name) for name in ("diffusers", "transformers", "huggingface_hub")]
    before = [(logger, logger.handlers, logger.level, logger.propagate) for logger in loggers]
    said: list[str] = []
    listener = logging.Handler(logging.WARNING)
    listener.emit = lambda record: said.append(record.getMessage())  # type: ignore[method-assign]
    for logger in loggers:
        logger.handlers, logger.propagate = [listener], False
        logger.setLevel(logging.WARNING)
    for module in bars:
        module.disable_progress_bar()
    try:
        yield said
    finally:
        for module in bars:
            module.enable_progress_bar()
        for logger, handlers, level, propagate in before:
            logger.handlers, logger.propagate = handlers, propagate
            logger.setLevel(level)
