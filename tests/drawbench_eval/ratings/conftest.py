"""Layouts as the command line makes them, and files to read with them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from drawbench_eval.commands.door import conf_folder
from drawbench_eval.commands.settings import build
from drawbench_eval.ratings import Layout

MakeLayout = Callable[..., Layout]


def changed(config: dict[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """The configuration with dotted keys, such as answers.0.blank, set to other values."""
    for key, value in changes.items():
        *path, last = key.split(".")
        part: Any = config
        for name in path:
            part = part[int(name) if isinstance(part, list) else name]
        assert isinstance(part, list) or last in part, key
        part[int(last) if isinstance(part, list) else last] = value
    return config


@pytest.fixture
def layout() -> MakeLayout:
    """conf/ratings/NAME.yaml with changes, as a Layout."""

    def make(name: str, changes: Mapping[str, Any] | None = None) -> Layout:
        text = (conf_folder() / "ratings" / f"{name}.yaml").read_text(encoding="utf-8")
        return build(Layout, changed(yaml.safe_load(text), changes or {}), "ratings")

    return make


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Writes text or bytes into a file of a temporary folder."""

    def to_file(content: str | bytes, name: str = "ratings.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return to_file
