"""`model.generator: python`: any function of (prompts, seeds, **settings) that returns uint8 images."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from PIL import Image

from drawbench_eval.files import digest
from drawbench_eval.generators.base import Finished, Request
from drawbench_eval.generators.external import (
    ExternalGenerator,
    GuidanceKind,
    batches,
    hash_path,
    hash_weights,
)
from drawbench_eval.images.decode import Pixels
from drawbench_eval.images.pixels import as_pixels

Function = Callable[..., Any]

_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


@dataclass(frozen=True, kw_only=True)
class PythonSettings:
    """The `model` group for model=python.

    target: `module:function`. path: a folder to import it from, besides where Python looks. settings: what
    the function is given by name. version: stands for the model in place of the hash of its package's source.
    weights: files and folders that the function reads, which are then part of what the model is.
    """

    target: str
    path: Path | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: str | None = None
    weights: tuple[Path, ...] = ()
    guidance_kind: GuidanceKind = "none"

    def __post_init__(self) -> None:
        if not _TARGET.fullmatch(self.target):
            raise ValueError(f"target: {self.target!r} is not MODULE:FUNCTION, such as my.package:sample")
        if self.path is not None and not self.path.is_dir():
            raise ValueError(f"path: {self.path} is not a folder to import from")


class ModelFailedError(RuntimeError):
    """The function raised; its own exception is the cause."""


class PythonGenerator(ExternalGenerator):
    """Calls the function with a batch of prompts and seeds."""

    def __init__(self, settings: PythonSettings, function: Function, module: ModuleType) -> None:
        self.target, self.function = settings.target, function
        source = {"stated_version": settings.version}
        if settings.version is None:
            source = {"source_sha256": _source_sha256(settings.target, function, module)}
        super().__init__(
            kind="python",
            label=settings.target.replace(":", "-"),
            guidance_kind=settings.guidance_kind,
            origin={"target": settings.target, **source},
            settings=settings.settings,
            weights=hash_weights(settings.weights),
        )

    def stream(self, requests: Sequence[Request], *, batch_size: int) -> Iterator[Finished]:
        """A batch at a time.

        Raises ValueError for an answer that is not one uint8 image a prompt, and ModelFailedError where the
        function raises.
        """
        for batch in batches(requests, batch_size):
            prompts, seeds = [r.prompt for r in batch], [r.seed for r in batch]
            try:
                answer = self.function(prompts, seeds, **self.settings)
            except Exception as error:
                raise ModelFailedError(
                    f"{self.target} failed on {len(batch)} prompts, from {batch[0].sample_id} on "
                    f"({type(error).__name__}: {error}); what was finished before is kept"
                ) from error
            yield list(zip(batch, self._images(answer, len(batch)), strict=True))

    def _images(self, answer: Any, count: int) -> list[Pixels]:
        try:
            return checked_images(answer, count)
        except ValueError as error:
            raise ValueError(f"model.target: {self.target} gave {error}") from error


def make(settings: PythonSettings, *, device: str, precision: str) -> PythonGenerator:  # noqa: ARG001
    """The generator; imports the function.

    Raises ValueError where it is not there or takes other settings.
    """
    module, function = _import(settings)
    try:
        inspect.signature(function).bind([], [], **settings.settings)
    except TypeError as error:
        given = ", ".join(["prompts", "seeds", *settings.settings])
        taken = ", ".join(inspect.signature(function).parameters)
        raise ValueError(
            f"model.settings: {settings.target}({taken}) cannot be called with ({given}): {error}"
        ) from error
    except ValueError:
        # Compiled functions do not tell their parameters.
        pass
    return PythonGenerator(settings, function, module)


def checked_images(answer: Any, count: int) -> list[Pixels]:
    """`count` images, uint8 RGB, of a list or a batch. Raises ValueError saying what is there instead."""
    if not isinstance(answer, list | tuple) and getattr(answer, "ndim", 0) == 0:
        raise ValueError(f"a {type(answer).__name__}; it must give a list or an array of uint8 images")
    if len(answer) != count:
        shape = f" (an array of shape {list(answer.shape)})" if hasattr(answer, "shape") else ""
        raise ValueError(f"{len(answer)} images for {count} prompts{shape}; it must give one for each")
    for index, image in enumerate(answer):
        if isinstance(image, Image.Image):
            continue
        kind = str(getattr(image, "dtype", type(image).__name__)).removeprefix("torch.")
        if kind != "uint8":
            raise ValueError(f"{kind} as image {index}; it must be uint8 RGB, 0 to 255, or a Pillow image")
    return as_pixels(answer)


def _import(settings: PythonSettings) -> tuple[ModuleType, Function]:
    name, _, attribute = settings.target.partition(":")
    if settings.path is not None and str(settings.path.resolve()) not in sys.path:
        sys.path.insert(0, str(settings.path.resolve()))
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        hint = "" if settings.path else "; model.path=FOLDER says where to import from"
        raise ValueError(f"model.target: {name} cannot be imported ({error}){hint}") from error
    _refuse_namesake(module, settings)
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise ValueError(f"model.target: {name} has no {attribute}")
        found = getattr(found, part)
    if not callable(found):
        raise ValueError(f"model.target: {settings.target} is a {type(found).__name__}, not a function")
    return module, found


def _refuse_namesake(module: ModuleType, settings: PythonSettings) -> None:
    """Raises ValueError where Python has taken another module of that name, from elsewhere or from before."""
    file = getattr(module, "__file__", None)
    if settings.path is None or file is None:
        return
    if not Path(file).resolve().is_relative_to(settings.path.resolve()):
        raise ValueError(
            f"model.path: {settings.path} is not where {module.__name__} came from ({file}); one process "
            "imports one module of a name"
        )


def _source_sha256(target: str, function: Function, module: ModuleType) -> str:
    """Hash of the package of the target's module, and of the function's own where that is another."""
    own = sys.modules.get(getattr(function, "__module__", None) or "", module)
    roots = dict.fromkeys((_root(module), _root(own)))
    return digest([_package_sha256(root, target) for root in roots])


def _root(module: ModuleType) -> ModuleType:
    """The outermost package with source of its own: packages without `__init__.py` hold strangers too."""
    parts = module.__name__.split(".")
    names = (".".join(parts[: length + 1]) for length in range(len(parts)))
    found = (sys.modules[name] for name in names if name in sys.modules)
    return next((package for package in found if getattr(package, "__file__", None)), module)


@cache
def _package_sha256(package: ModuleType, target: str) -> str:
    # Kept for as long as the module is loaded: that is the source that runs, whatever the files have become.
    file = getattr(package, "__file__", None)
    if file is None or not file.endswith(".py"):
        raise ValueError(
            f"model.version: {target} has no source that could be hashed; state which model it is"
        )
    if hasattr(package, "__path__"):
        return hash_path(Path(file).parent, "model.target", ending=".py")
    return hash_path(Path(file), "model.target")
