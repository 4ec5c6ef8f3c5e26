"""A pipeline's files: where they lie, in a folder or on the Hub, and what of them is read, with hashes."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open

from drawbench_eval.files import digest, sha256_file, sha256_unchanged
from drawbench_eval.generators.pipelines.library import library, one_line, quiet

INDEX = "model_index.json"
WEIGHTS = ".safetensors"
PICKLED = (".bin", ".ckpt", ".pt", ".pth")
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
_SHARD = re.compile(r"-(\d{5})-of-(\d{5})")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class PipelineFiles:
    """One pipeline in the layout of diffusers.

    name: what the user named. commit: of the Hub, None for a folder. pipeline: its class. components: name ->
    class, of those that are there and read; left_out: those that are there and not read. configs: their
    configuration files, by name. weights: file -> sha256 of every file of weights that is read.
    """

    name: str
    folder: Path
    variant: str | None
    commit: str | None
    pipeline: str
    components: Mapping[str, str]
    left_out: tuple[str, ...]
    configs: Mapping[str, Path]
    weights: Mapping[str, str]

    def identity(self, prefix: str) -> dict[str, Any]:
        """What the images depend on: the commit on the Hub, or the content of a folder, wherever it lies."""
        if self.commit is not None:
            return {
                f"{prefix}.path": self.name,
                f"{prefix}.revision": self.commit,
                f"{prefix}.variant": self.variant,
            }
        by_component: dict[str, dict[str, str]] = {}
        for file, sha256 in self.weights.items():
            by_component.setdefault(file.split("/")[0], {})[file] = sha256
        configs = {name: sha256_file(path) for name, path in self.configs.items()}
        return {
            **{f"{prefix}.weights.{name}": digest(files) for name, files in sorted(by_component.items())},
            f"{prefix}.configs_sha256": digest(configs),
        }

    def named_weights(self, stage: str = "") -> dict[str, str]:
        """`weights` for a run's record: on the Hub with the repository and the commit before each name."""
        where = f"{self.name}@{self.commit}/" if self.commit is not None else stage and f"{stage}/"
        return {f"{where}{file}": sha256 for file, sha256 in self.weights.items()}

    @property
    def index(self) -> Mapping[str, Any]:
        """The pipeline's own configuration."""
        return _json(self.configs[INDEX], key=self.name)

    def config(self, component: str) -> Mapping[str, Any]:
        """The configuration of a component (`unet`, `scheduler`); empty where there is none."""
        for name in (f"{component}/config.json", f"{component}/scheduler_config.json"):
            if name in self.configs:
                return _json(self.configs[name], key=self.name)
        return {}


def find_files(
    path: str,
    *,
    key: str,
    revision: str | None = None,
    variant: str | None = None,
    cache: Path | None = None,
    leave_out: Collection[str] = (),
) -> PipelineFiles:
    """The pipeline at `path`: a folder, else a name on the Hub, fetched into its cache where it is not there.

    `leave_out` names components that are not read. Raises ValueError, opening with `key`, where there is no
    pipeline, where it cannot be fetched, and for weights that are missing, damaged or pickled.
    """
    folder = Path(path)
    commit = None
    if not folder.is_dir():
        if not _HUB_NAME.fullmatch(path):
            raise ValueError(
                f"{key}: {path} is neither a folder with {INDEX} nor a name on the Hub (owner/name)"
            )
        folder = _fetch(path, key=key, revision=revision, variant=variant, cache=cache, leave_out=leave_out)
        commit = folder.name
    elif revision is not None:
        raise ValueError(f"{key}: {path} is a folder, which has no revisions; leave {revision} out")
    index = _json(folder / INDEX, key=key)
    pipeline = index.get("_class_name")
    if not isinstance(pipeline, str):
        raise ValueError(
            f"{key}: {path} needs code of its own ({pipeline}), which is not run; "
            "wrap it in a function and use model=python"
        )
    there = {
        name: str(value[1])
        for name, value in index.items()
        if isinstance(value, list) and len(value) == 2 and value[0] is not None
    }
    components = {name: class_name for name, class_name in there.items() if name not in leave_out}
    weights = {
        f"{name}/{file.name}": _checked_sha256(file, key)
        for name in components
        for file in _weight_files(folder / name, variant, key)
    }
    if variant is not None and not any(_variant_of(Path(file)) == variant for file in weights):
        raise ValueError(f"{key}: {path} has no weights of variant {variant}; write null for the plain ones")
    configs = {
        file.relative_to(folder).as_posix(): file
        for file in [folder / INDEX, *(file for name in components for file in _files(folder / name))]
        if file.suffix not in (WEIGHTS, *PICKLED)
    }
    return PipelineFiles(
        name=path,
        folder=folder,
        variant=variant,
        commit=commit,
        pipeline=pipeline,
        components=components,
        left_out=tuple(name for name in there if name in leave_out),
        configs=configs,
        weights=weights,
    )


def _fetch(
    name: str,
    *,
    key: str,
    revision: str | None,
    variant: str | None,
    cache: Path | None,
    leave_out: Collection[str],
) -> Path:
    """The snapshot of a repository in the Hub's cache; its folder is named by the commit."""
    try:
        with quiet():
            folder = Path(
                library().DiffusionPipeline.download(
                    name,
                    revision=revision,
                    variant=variant,
                    cache_dir=cache,
                    use_safetensors=True,
                    **dict.fromkeys(leave_out),
                )
            )
    except Exception as error:
        raise ValueError(
            f"{key}: {name} cannot be fetched ({one_line(error.__cause__ or error)}); "
            f"fetch it elsewhere and give {key}=FOLDER"
        ) from error
    assert _COMMIT.fullmatch(folder.name), "the Hub's cache names snapshots by their commit"
    return folder


def _weight_files(folder: Path, variant: str | None, key: str) -> list[Path]:
    """The weights that diffusers reads in a component's folder: of the variant where there are such."""
    found = [file for file in _files(folder) if file.suffix == WEIGHTS]
    chosen = [file for file in found if _variant_of(file) == variant]
    chosen = chosen or [file for file in found if _variant_of(file) is None]
    if not chosen and any(file.suffix in PICKLED for file in _files(folder)):
        raise ValueError(f"{key}: {folder} has pickled weights only, which are not read; give safetensors")
    if not chosen and found:
        there = ", ".join(sorted({str(_variant_of(file)) for file in found}))
        raise ValueError(f"{key}: {folder} has no weights of variant {variant}, only of {there}")
    shards = [match for file in chosen if (match := _SHARD.search(file.name))]
    if shards and len(shards) != int(shards[0][2]):
        raise ValueError(f"{key}: {folder} has {len(shards)} of {int(shards[0][2])} parts of its weights")
    return chosen


def _variant_of(file: Path) -> str | None:
    """`fp16` of `model.fp16-00001-of-00002.safetensors` and `model-00001-of-00002.fp16.safetensors`."""
    return _SHARD.sub("", file.name.removesuffix(WEIGHTS)).partition(".")[2] or None


def _files(folder: Path) -> list[Path]:
    return sorted(file for file in folder.iterdir() if file.is_file()) if folder.is_dir() else []


def _checked_sha256(path: Path, key: str) -> str:
    """The hash of a safetensors file, after its length has been held against its header."""
    try:
        with safe_open(path, framework="numpy") as file:
            file.keys()
    except SafetensorError as error:
        raise ValueError(f"{key}: {path} is damaged or cut short ({error})") from error
    # The Hub's cache keeps large files under their SHA-256, and links to them.
    real = path.resolve()
    if path.is_symlink() and _SHA256.fullmatch(real.name):
        return real.name
    return sha256_unchanged(real)


def _json(path: Path, *, key: str) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{key}: {path} is not there; a folder in the layout of diffusers has it") from error
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ValueError(f"{key}: {path} cannot be read ({error}); it must be JSON") from error
    if not isinstance(content, dict):
        raise ValueError(f"{key}: {path} holds no JSON object")
    return content
