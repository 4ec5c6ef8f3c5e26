"""Safety checkers: which images they struck, and the one of DeepFloyd."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Sequence
from typing import Any

import torch

from drawbench_eval.generators.base import Request
from drawbench_eval.generators.pipelines.files import PipelineFiles

# The fields in which pipelines say it: a list of booleans each, or None.
VERDICTS = ("nsfw_content_detected", "nsfw_detected", "watermark_detected")

_log = logging.getLogger(__name__)


def struck_by_checker(verdicts: Sequence[Any], count: int) -> list[bool]:
    """Which of `count` images any of the verdicts strikes; None is no verdict."""
    given = [verdict for verdict in verdicts if verdict is not None]
    return [any(verdict[index] for verdict in given) for index in range(count)]


def note_struck(batch: Sequence[Request], struck: Sequence[bool], flagged: set[str]) -> None:
    """Add the ids of struck samples to `flagged`, and say how many there were."""
    ids = [request.sample_id for request, is_struck in zip(batch, struck, strict=True) if is_struck]
    flagged.update(ids)
    if ids:
        _log.warning("the safety checker struck %d images, which are black: %s", len(ids), ", ".join(ids))


def if_safety_checker(files: PipelineFiles, dtype: torch.dtype) -> Any:
    """DeepFloyd's safety checker: its class in diffusers 0.42 lacks a call that transformers 5 relies on."""
    published = importlib.import_module("diffusers.pipelines.deepfloyd_if").IFSafetyChecker

    def __init__(self: Any, config: Any) -> None:
        published.__init__(self, config)
        self.post_init()

    completed: Any = type("IFSafetyChecker", (published,), {"__init__": __init__})
    own = [name for name in files.weights if name.startswith("safety_checker/")]
    variant = files.variant if any(f".{files.variant}" in name for name in own) else None
    return completed.from_pretrained(
        str(files.folder / "safety_checker"), dtype=dtype, variant=variant, use_safetensors=True
    )
