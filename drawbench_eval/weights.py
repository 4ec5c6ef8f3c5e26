"""Where weights come from: a path the user gives, else a cache, else a download; always with their hash.

A file whose hash is not the published one is refused, unless the user says `weights.allow_unverified=true`:
then every protocol made with it says so.
"""

from __future__ import annotations

import http.client
import os
import pickle
import struct
import urllib.error
import urllib.request
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drawbench_eval.files import atomic_path, sha256_file

_PIECE = 1 << 20
_TIMEOUT_S = 60

# What torch's unpickler raises for damaged files and for files that are something else.
_DAMAGED = (
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)


@dataclass(frozen=True, kw_only=True)
class WeightsSpec:
    """A published file of weights.

    `setting` is the key under `weights` that gives its path. `sha256` is the hash or, where only that much is
    published, its first digits.
    """

    setting: str
    url: str
    sha256: str
    licence: str

    @property
    def file_name(self) -> str:
        """The file's name in the cache: that of the URL."""
        return self.url.rsplit("/", 1)[-1]


@dataclass(frozen=True, kw_only=True)
class WeightsFile:
    """A file of weights that is there. `verified`: its SHA-256 is the published one."""

    path: Path
    sha256: str
    verified: bool


INCEPTION = WeightsSpec(
    setting="inception",
    url="https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth",
    sha256="6726825d",
    licence="Apache-2.0 (Google's Inception-v3 of 2015-12-05, converted by torch-fidelity)",
)
KNOWN = (INCEPTION,)


@dataclass(frozen=True, kw_only=True)
class WeightsSettings:
    """The `weights` group: paths (None: cache, else download); whether files of unknown hash may be used.

    `dinov2` is a folder in the Hub's layout; CLIP's weights are named in the `clip` group.
    """

    inception: Path | None = None
    dinov2: Path | None = None
    cache: Path | None = None
    allow_unverified: bool = False

    def find(self, spec: WeightsSpec) -> WeightsFile:
        """The file of `spec`: see `find_weights`."""
        path = getattr(self, spec.setting)
        return find_weights(spec, path=path, cache=self.folder, allow_unverified=self.allow_unverified)

    @property
    def folder(self) -> Path:
        """Where downloads are kept."""
        return self.cache if self.cache is not None else default_cache()


def default_cache() -> Path:
    """`drawbench-eval` in the user's cache folder."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "drawbench-eval"


def find_weights(
    spec: WeightsSpec, *, path: Path | None, cache: Path, allow_unverified: bool = False
) -> WeightsFile:
    """The weights at `path`, else in `cache`, else downloaded into it.

    Raises ValueError where there is no such file, where its hash is not the published one (and
    `allow_unverified` is false), and where the download fails.
    """
    key = f"weights.{spec.setting}"
    if path is not None:
        if not path.is_file():
            raise ValueError(f"{key}: {path} is not a file; give the file {spec.file_name}")
        return _checked(spec, path, key, allow_unverified)
    kept = cache / spec.file_name
    if not kept.exists():
        _download(spec, kept, key)
    return _checked(spec, kept, key, allow_unverified)


def present_weights(spec: WeightsSpec, *, path: Path | None, cache: Path) -> WeightsFile | None:
    """The file that `find_weights` would take, whatever its hash; None where it would have to download it."""
    place = path if path is not None else cache / spec.file_name
    if not place.is_file():
        return None
    sha256 = sha256_file(place)
    return WeightsFile(path=place, sha256=sha256, verified=sha256.startswith(spec.sha256))


def load_state(path: Path) -> dict[str, Any]:
    """The tensors of a PyTorch file. Nothing in it is executed; ValueError where it holds anything else."""
    import torch

    try:
        with warnings.catch_warnings():
            # Of a protocol of pickle that it may not read; then it raises too.
            warnings.simplefilter("ignore", UserWarning)
            state = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # Torch's own message advises to load the file in the way that executes it.
        raise ValueError(f"{path}: not a file of tensors (damaged, or it holds more than that)") from error
    except _DAMAGED as error:
        reason = f"{type(error).__name__}: {error}".splitlines()[0]
        raise ValueError(f"{path}: not a file of tensors ({reason})") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise ValueError(f"{path}: not a file of named tensors; it holds a {type(state).__name__}")
    return state


def _checked(spec: WeightsSpec, path: Path, key: str, allow_unverified: bool) -> WeightsFile:
    sha256 = sha256_file(path)
    verified = sha256.startswith(spec.sha256)
    if not verified and not allow_unverified:
        raise ValueError(
            f"{key}: {path} has the SHA-256 {sha256[:16]}..., not the published {spec.sha256}...; "
            "weights.allow_unverified=true uses it, and every protocol then says so"
        )
    return WeightsFile(path=path, sha256=sha256, verified=verified)


def _download(spec: WeightsSpec, target: Path, key: str) -> None:
    """Fetches to a temporary name, checks the hash, and only then gives the file its name."""
    with atomic_path(target) as temporary:
        try:
            with (
                urllib.request.urlopen(spec.url, timeout=_TIMEOUT_S) as answer,
                temporary.open("wb") as file,
            ):
                while piece := answer.read(_PIECE):
                    file.write(piece)
                # Python reports this for chunked answers only.
                if answer.length:
                    raise http.client.IncompleteRead(b"", answer.length)
        except (OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError):
                error.close()
            reason = " ".join(str(getattr(error, "reason", error)).split())
            raise ValueError(
                f"{key}: {spec.url} cannot be fetched ({reason}); fetch it elsewhere and give {key}=PATH"
            ) from error
        sha256 = sha256_file(temporary)
        if not sha256.startswith(spec.sha256):
            raise ValueError(
                f"{key}: {spec.url} gave a file of SHA-256 {sha256[:16]}..., not {spec.sha256}...; not kept"
            )
