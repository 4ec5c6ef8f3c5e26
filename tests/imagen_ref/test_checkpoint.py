"""The file of a stage: what is written, what is refused, and what a compiled model leaves."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from imagen_ref.cascade_files import PRETRAINED
from imagen_ref.checkpoint import COMPILED, CONTENT, FORMAT, read_config, read_weights, write_checkpoint
from imagen_ref.stage import Stage, StageConfig, read_stage_config

CONFIG = {"name": "base", "sides": [8, 16]}


def state() -> dict[str, torch.Tensor]:
    return {"a.weight": torch.arange(12.0).view(3, 4), "b": torch.linspace(-1, 1, 5)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "base.safetensors"
    write_checkpoint(path, CONFIG, state(), dtype=torch.float32)
    return path


def flip(path: Path, at: int) -> None:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    path.write_bytes(content)


def header_end(path: Path) -> int:
    return 8 + int.from_bytes(path.read_bytes()[:8], "little")


def test_round_trip(path: Path) -> None:
    assert read_config(path) == CONFIG
    weights = read_weights(path, state())
    assert weights.state.keys() == state().keys()
    assert all(torch.equal(weights.state[name], tensor) for name, tensor in state().items())


@pytest.mark.parametrize("where", ["first weight", "last weight", "config"])
def test_a_changed_file_is_refused(path: Path, where: str) -> None:
    """The library holds lengths against the header and nothing else."""
    content = path.read_bytes()
    spot = {"first weight": header_end(path), "last weight": -1, "config": content.index(b"sides")}[where]
    flip(path, spot)
    with safe_open(path, framework="pt") as file:
        assert file.keys()
    with pytest.raises(ValueError, match=rf"^checkpoint {path}: changed since it was written \(SHA-256 "):
        read_weights(path, state())
    flip(path, spot)
    assert path.read_bytes() == content
    read_weights(path, state())


def test_files_of_before_the_hash_load(path: Path) -> None:
    old = path.with_name("old.safetensors")
    save_file(state(), old, metadata={"format": FORMAT, "config": json.dumps(CONFIG)})
    assert torch.equal(read_weights(old, state()).state["b"], state()["b"])
    with safe_open(path, framework="pt") as file:
        assert CONTENT in file.metadata()


def test_the_packaged_stages_load() -> None:
    for name in ("base", "sr64"):
        stage = Stage.load(PRETRAINED / "scenes" / f"{name}.safetensors")
        assert stage.config.name == name


@pytest.mark.parametrize(
    "rename", [lambda name: COMPILED + name, lambda name: name.replace("a.", f"a.{COMPILED}")]
)
def test_names_of_a_compiled_network(tmp_path: Path, path: Path, rename: Callable[[str], str]) -> None:
    """Written by us or by another program, for a network compiled whole or in parts."""
    compiled = {rename(name): tensor for name, tensor in state().items()}
    assert compiled.keys() != state().keys()
    foreign = tmp_path / "foreign.safetensors"
    save_file(compiled, foreign, metadata={"format": FORMAT, "config": json.dumps(CONFIG)})
    ours = tmp_path / "ours.safetensors"
    write_checkpoint(ours, CONFIG, compiled, dtype=torch.float32)
    assert ours.read_bytes() == path.read_bytes()
    for file in (foreign, ours):
        assert read_weights(file, state()).state.keys() == state().keys()


def test_a_really_compiled_network_loads(base: Stage, base_config: StageConfig, tmp_path: Path) -> None:
    compiled = torch.compile(base.network)
    assert all(name.startswith(COMPILED) for name in compiled.state_dict())
    file = tmp_path / "base.safetensors"
    metadata = {"format": FORMAT, "config": json.dumps(base_config.to_json())}
    save_file({k: v.contiguous() for k, v in compiled.state_dict().items()}, file, metadata=metadata)
    loaded = Stage.load(file).network.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in base.network.state_dict().items())


@pytest.mark.parametrize(
    ("config", "match"),
    [
        ("{", r"its configuration is not JSON"),
        ("[1]", r"its configuration is \[1\]; a JSON object is needed"),
        ('{"name": "base"}', r"network.kind: None is not one of unet"),
        ('{"network": {"kind": "unet", "side": 8}}', r"stage \?: .*channels"),
    ],
)
def test_a_broken_configuration_is_named(tmp_path: Path, config: str, match: str) -> None:
    file = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(1)}, file, metadata={"format": FORMAT, "config": config})
    with pytest.raises(ValueError, match=rf"^checkpoint {file}: .*{match}") as caught:
        read_stage_config(file)
    assert "\n" not in str(caught.value)


def test_a_file_without_configuration_is_foreign(tmp_path: Path) -> None:
    file = tmp_path / "x.safetensors"
    save_file({"a": torch.zeros(1)}, file, metadata={"format": FORMAT})
    with pytest.raises(ValueError, match=r"no configuration"):
        read_config(file)


def test_a_write_that_fails_leaves_the_old_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()

    def full(self: Path, _content: bytes) -> int:
        self.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space left"):
        write_checkpoint(path, CONFIG, state(), dtype=torch.float16)
    assert path.read_bytes() == before
    assert [one.name for one in path.parent.iterdir()] == ["base.safetensors"]
