"""What a run was made with: versions, device, precision and the state of the source."""

import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "drawbench-eval",
    "torch",
    "torchvision",
    "transformers",
    "tokenizers",
    "open_clip_torch",
    "torchmetrics",
    "safetensors",
    "numpy",
    "scipy",
    "pandas",
    "pillow",
)


def environment(*, device: str, precision: str) -> dict[str, Any]:
    """The `environment` of run.json: {versions, device, precision, git}; git is None outside a checkout."""
    return {"versions": _versions(), "device": _device(device), "precision": precision, "git": _git()}


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            # Run from a source tree that is not installed.
            versions[package] = "not installed"
    return versions


def _device(device: str) -> str:
    import torch

    if device.startswith("cuda"):
        return f"{device} ({torch.cuda.get_device_name(device)})"
    return f"{device} ({platform.machine()}, {torch.backends.cpu.get_cpu_capability()})"


def _git() -> dict[str, Any] | None:
    folder = Path(__file__).resolve().parents[2]
    if not (folder / ".git").exists():
        return None
    commit = _output(folder, "rev-parse", "HEAD")
    return {"commit": commit, "modified": bool(_output(folder, "status", "--porcelain"))} if commit else None


def _output(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False, timeout=20
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
