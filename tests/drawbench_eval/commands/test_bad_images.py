"""Bad images through the command line: counted, named, unscored samples or one line; never a wrong number."""

import io
import json
import pickle
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from command_line import Run
from PIL import Image
from random_inception import random_inception, textures

NUM = 6
ASKED = ("model=folder", "model.path=images", "reference=folder", "reference.path=photographs")
SCENES = (*ASKED, "metrics=[fd_scenes]")


def write_images(folder: Path, seed: int, count: int = NUM) -> None:
    folder.mkdir()
    for index, image in enumerate(textures(count, seed=seed)):
        Image.fromarray(image).save(folder / f"{index}.png")


@pytest.fixture(autouse=True)
def _folders(tmp_path: Path, run: Run) -> None:
    write_images(tmp_path / "images", 1)
    write_images(tmp_path / "photographs", 2)


def record_of(folder: Path) -> dict[str, Any]:
    (path,) = folder.glob("results/runs/*/run.json")
    record: dict[str, Any] = json.loads(path.read_text())
    return record


def bomb(side: int) -> bytes:
    """A PNG of a few bytes whose header says side x side pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def truncated_jpeg() -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(textures(1, seed=3)[0]).save(buffer, "JPEG")
    return buffer.getvalue()[: len(buffer.getvalue()) // 2]


def a_file(data: bytes) -> Callable[[Path], object]:
    return lambda path: path.write_bytes(data)


# Name -> how it comes to be, and how a run record files it.
BAD: dict[str, tuple[Callable[[Path], object], str]] = {
    "truncated.jpg": (a_file(truncated_jpeg()), "unreadable"),
    "zero.png": (a_file(b""), "unreadable"),
    "text.jpeg": (a_file(b"an error page, perhaps"), "unreadable"),
    "bomb.png": (a_file(bomb(100_000)), "unreadable"),
    "directory.png": (Path.mkdir, "unreadable"),
    "dangling.png": (lambda path: path.symlink_to("nowhere"), "missing"),
    "pixel.png": (lambda path: Image.new("RGB", (1, 1), (9, 8, 7)).save(path), "blank"),
    "black.png": (lambda path: Image.new("RGB", (64, 64)).save(path), "blank"),
}


def test_each_is_counted_named_and_unscored_and_the_value_is_that_of_the_others(
    run: Run, tmp_path: Path
) -> None:
    assert run("evaluate", *SCENES, "results=without").code == 0
    for name, (make, _) in BAD.items():
        make(tmp_path / "images" / name)
    done = run("evaluate", *SCENES)
    assert done.code == 0, done.err
    assert f"(n {NUM}, {len(BAD)} unscored)" in done.err
    record = record_of(tmp_path)
    for kind in ("unreadable", "missing", "blank"):
        assert record["named"][kind] == sorted(name for name, (_, of) in BAD.items() if of == kind)
        assert record["counts"][kind] == len(record["named"][kind])
    value = record["metrics"]["fd_scenes"]
    assert (value["n"], value["num_unscored"]) == (NUM, len(BAD))
    (path,) = tmp_path.glob("without/runs/*/run.json")
    without = json.loads(path.read_text())["metrics"]["fd_scenes"]
    assert value["value"] == pytest.approx(without["value"], rel=1e-9)


@pytest.mark.parametrize("name", [name for name, (_, kind) in BAD.items() if kind != "blank"])
def test_a_reference_is_whole_or_refused(run: Run, tmp_path: Path, name: str) -> None:
    BAD[name][0](tmp_path / "photographs" / name)
    refused = run("evaluate", *SCENES)
    assert (refused.code, refused.err.count("\n")) == (2, 1), refused.err
    assert refused.err.startswith("error: reference.path: photographs: ")
    assert name in refused.err


def test_one_image_has_no_distance_and_says_so(run: Run, tmp_path: Path) -> None:
    for index in range(1, NUM):
        (tmp_path / "images" / f"{index}.png").unlink()
    done = run("evaluate", *SCENES)
    assert done.code == 0, done.err
    assert "fd_scenes undefined" in done.err
    value = record_of(tmp_path)["metrics"]["fd_scenes"]
    assert (value["value"], value["n"]) == (None, 1)
    assert value["notes"] == ["undefined at 1 images; it takes 2"]


def test_no_image_at_all_is_one_line(run: Run, tmp_path: Path) -> None:
    for path in (tmp_path / "images").iterdir():
        path.unlink()
    refused = run("evaluate", *SCENES)
    assert (refused.code, refused.err) == (2, "error: model.path: images holds no images\n")


def test_identical_sets_are_at_distance_zero(run: Run, tmp_path: Path) -> None:
    assert run("evaluate", *SCENES).code == 0
    spread = record_of(tmp_path)["metrics"]["fd_scenes"]["value"]
    done = run("evaluate", *SCENES, "reference.path=images", "results=same")
    assert done.code == 0, done.err
    (path,) = tmp_path.glob("same/runs/*/run.json")
    assert json.loads(path.read_text())["metrics"]["fd_scenes"]["value"] <= 1e-6 * spread


class Payload:
    """What makes a folder when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return Path.mkdir, (Path("executed"),)  # type: ignore[return-value]


def test_weights_that_are_none(run: Run, tmp_path: Path) -> None:
    fid = (*ASKED, "metrics=[fid]", "weights.allow_unverified=true")
    (tmp_path / "pickle.pth").write_bytes(pickle.dumps(Payload()))
    torch.save({"Conv2d_1a_3x3.conv.weight": Payload()}, tmp_path / "torch.pth")
    for name in ("pickle.pth", "torch.pth"):
        refused = run("evaluate", *fid, f"weights.inception={name}")
        assert (refused.code, refused.err.splitlines()[-1].count(name)) == (2, 1), refused.err
        assert refused.err.splitlines()[-1].startswith(f"error: {name}: ")
        assert not (tmp_path / "executed").exists()


def test_damaged_weights_give_no_number(run: Run, tmp_path: Path) -> None:
    path = random_inception(tmp_path / "random.pth", images=2)
    state = torch.load(path, weights_only=True)
    state["Mixed_7c.branch1x1.conv.weight"][0, 0] = float("nan")
    torch.save(state, path)
    fid = (*ASKED, "metrics=[fid]", f"weights.inception={path}", "weights.allow_unverified=true")
    refused = run("evaluate", *fid)
    assert refused.code == 2, refused.err
    assert "Mixed_7c.branch1x1.conv.weight is not finite; the file is damaged" in refused.err
