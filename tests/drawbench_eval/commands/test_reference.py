"""Reference sets through the command line, on photographs that are noise and the features of scenes."""

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Run
from PIL import Image

from drawbench_eval.store import read_arrays

IDS = tuple(range(40, 52))
FULL = ("reference=coco_val2014", "reference.path=val2014.zip", "reference.num_images=12")
MATCHED = ("reference=coco_val2014", "reference.path=val2014.zip", "reference.selection=matched")
SIDE = "reference.prepare.size=64"


def picture(seed: int, width: int = 64, height: int = 64) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height))


@pytest.fixture
def photographs(tmp_path: Path) -> tuple[str, ...]:
    """val2014.zip of twelve photographs, captions of six, their images; overrides of `evaluate`."""
    with zipfile.ZipFile(tmp_path / "val2014.zip", "w") as archive:
        for identity in IDS:
            with archive.open(f"val2014/COCO_val2014_{identity:012d}.jpg", "w") as file:
                picture(identity, 90, 70).save(file, format="JPEG")
    (tmp_path / "images").mkdir()
    for identity in IDS[:6]:
        picture(100 + identity).save(tmp_path / "images" / f"{identity}.png")
    rows = [f"{identity},a picture of {identity}\n" for identity in IDS[:6]]
    (tmp_path / "list.csv").write_text(f"image_id,caption\n{''.join(rows)}")
    return (
        "model=folder",
        "model.path=images",
        "model.pattern='{prompt_id}.png'",
        "prompts=coco30k",
        "prompts.path=list.csv",
        "prompts.size=null",
        "metrics=[fd_scenes]",
    )


def records(folder: Path) -> list[dict[str, Any]]:
    found = [json.loads(path.read_text()) for path in folder.glob("results/runs/*/run.json")]
    return sorted(found, key=lambda record: str(record["inputs"]["reference"]["name"]))


def test_a_reference_is_shown(run: Run, photographs: tuple[str, ...]) -> None:
    shown = run("reference", *FULL)
    assert shown.code == 0, shown.err
    first, second, *rest = shown.out.splitlines()
    assert first.startswith("coco_val2014: 12 images, sha256 ")
    assert second == "source: val2014.zip"
    assert "  reference.crop = center" in rest
    matched = run("reference", *MATCHED, *photographs[3:6])
    assert matched.code == 0, matched.err
    assert matched.out.startswith("coco_val2014_matched: 6 images, sha256 ")
    assert "  reference.selection = matched" in matched.out.splitlines()
    assert run("reference", "prompts.limit=3", "reference.per_prompt=2").out.startswith("scenes: 6 images, ")


def test_full_and_matched_are_two_protocols_of_named_references(
    run: Run, photographs: tuple[str, ...], tmp_path: Path
) -> None:
    for reference in (FULL, MATCHED):
        done = run("evaluate", *photographs, *reference, SIDE)
        assert done.code == 0, done.err
    full, matched = records(tmp_path)
    about = full["inputs"]["reference"]
    assert (about["name"], about["num_images"], about["selection"]) == ("coco_val2014", 12, "full")
    assert full["factors"]["reference.sha256"] == about["sha256"]
    assert matched["inputs"]["reference"]["name"] == "coco_val2014_matched"
    assert matched["inputs"]["reference"]["num_images"] == 6
    ids = [record["metrics"]["fd_scenes"]["protocol"]["id"] for record in (full, matched)]
    assert ids[0] != ids[1]
    compared = run("protocol", f"compare=[{full['run_id']},{matched['run_id']}]")
    assert "reference.selection: not set in" in compared.out
    # No third way to read them: the photographs of a folder are the full set.
    with zipfile.ZipFile(tmp_path / "val2014.zip") as archive:
        archive.extractall(tmp_path / "photographs")
    prepared = "reference.prepare={size:64,crop:center}"
    done = run("evaluate", *photographs, "reference=folder", "reference.path=photographs", prepared)
    assert done.code == 0, done.err
    by_name = {record["inputs"]["reference"]["name"]: record for record in records(tmp_path)}
    assert by_name["folder"]["metrics"] == full["metrics"]


def test_exported_statistics_stand_for_the_images(
    run: Run, photographs: tuple[str, ...], tmp_path: Path
) -> None:
    exported = run("reference", *FULL, SIDE, "metrics=[fd_scenes]", "output=full.safetensors")
    assert exported.code == 0, exported.err
    said, back = exported.out.splitlines()
    assert said.startswith("full.safetensors: 12 images of coco_val2014 in ")
    assert back == "read back: reference=statistics reference.path=full.safetensors"
    assert run("evaluate", *photographs, *FULL, SIDE).code == 0
    again = run("evaluate", *photographs, *back.split()[2:])
    assert again.code == 0, again.err
    # The same numbers under the same protocol are the same run.
    assert "is complete already" in again.err
    arrays = read_arrays(tmp_path / "full.safetensors")
    np.savez(tmp_path / "foreign.npz", mu=arrays["mean"], sigma=arrays["m2"] / 11)
    foreign = run("evaluate", *photographs, "reference=statistics", "reference.path=foreign.npz")
    assert foreign.code == 0, foreign.err
    known, unknown = (record["metrics"]["fd_scenes"] for record in records(tmp_path))
    assert unknown["value"] == pytest.approx(known["value"], rel=1e-9)
    assert unknown["protocol"]["id"] != known["protocol"]["id"]
    assert unknown["protocol"]["values"]["reference.n_requested"] is None
    assert any("assumed to be of this extractor" in note for note in unknown["notes"])


def test_images_and_reference_of_unlike_sizes_are_said(
    run: Run, photographs: tuple[str, ...], tmp_path: Path
) -> None:
    run("reference", *FULL, SIDE, "metrics=[fd_scenes]", "output=full.safetensors")
    arrays = read_arrays(tmp_path / "full.safetensors")
    np.savez(tmp_path / "foreign.npz", mu=arrays["mean"], sigma=arrays["m2"] / 11)
    stated = "reference.prepare={size:256,crop:center}"
    done = run("evaluate", *photographs, "reference=statistics", "reference.path=foreign.npz", stated)
    assert done.code == 0, done.err
    (record,) = records(tmp_path)
    assert record["metrics"]["fd_scenes"]["notes"][-1] == (
        "the images are 64x64 and the reference's 256x256: what crop or resize does to one side alone is in "
        "the value"
    )


# Overrides -> what the line says.
MISTAKES: list[tuple[tuple[str, ...], str]] = [
    (
        ("reference=coco_val2014", "reference.path=val2014.zip"),
        "error: reference.path: val2014.zip holds 12 photographs and val2014 has 40,504",
    ),
    ((*MATCHED, "reference.split=val2017"), "is of val2014, not of val2017"),
    (
        (*MATCHED, "reference.path=some.zip"),
        "some.zip lacks 5 of the 6 photographs that coco6 captions: 41, 42,",
    ),
    ((*MATCHED, "reference.column=image_id"), "error: reference.column: val2014.zip: has no columns"),
    ((*FULL, "reference.selection=half"), "error: reference.selection: half is not one of full, matched"),
    (
        (*FULL, SIDE, "samples.crop=squash", "samples.size=64"),
        "error: samples.crop: squash and the reference's center; the distance would measure the crop",
    ),
    (
        (*FULL, SIDE, "reference.prepare.crop=squash", "samples=center256"),
        "error: samples.crop: center and the reference's squash",
    ),
    (("reference=statistics", "reference.path=a.npz", "metrics=[kid]"), "metrics: kid needs images"),
    (("reference=statistics", "reference.path=a.npz"), "reference.path: a.npz has 3 dimensions and "),
    (
        ("reference=statistics", "reference.path=list.csv"),
        "error: reference.path: list.csv is neither an .npz",
    ),
    (("reference=statistics", "reference.path=gone.npz"), "error: reference.path: gone.npz is not a file"),
    (("reference=statistics",), "error: reference.path: a value is needed; write reference.path=..."),
    (
        ("reference=scenes", "+reference.prepare.size=64"),
        "error: reference.prepare: not read by reference=scenes; it is a setting of folder, coco, statistics",
    ),
    (("reference=none", "+reference.path=x"), "error: reference.path: not read by reference=none; it is a"),
    (("reference=coco_val2015",), "error: reference: coco_val2015 is not one of coco_val2014, coco_val2017"),
    (("reference.source=foo",), "error: reference.source: foo is not known"),
]


@pytest.mark.parametrize(("overrides", "message"), MISTAKES, ids=[" ".join(one) for one, _ in MISTAKES])
def test_a_mistake_is_one_line(
    run: Run,
    photographs: tuple[str, ...],
    tmp_path: Path,
    weights: Path,
    overrides: tuple[str, ...],
    message: str,
) -> None:
    np.savez(tmp_path / "a.npz", mu=np.zeros(3), sigma=np.eye(3))
    with zipfile.ZipFile(tmp_path / "some.zip", "w") as archive:
        archive.writestr("000000000040.jpg", b"x")
    asked = (f"weights.inception={weights}", "weights.allow_unverified=true")
    refused = run("evaluate", *photographs, *asked, *overrides)
    assert (refused.code, refused.err.count("\n")) == (2, 1), refused.err
    assert message in refused.err
    assert not list(tmp_path.glob("results/runs"))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file that is never loaded: what is asked of it is refused before."""
    (tmp_path / "inception.pth").write_bytes(b"x")
    return tmp_path / "inception.pth"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (("reference=none",), "error: reference: none has nothing to show"),
        (("reference=scenes", "prompts=none"), "error: reference scenes: there are no prompts to render"),
        (
            (*MATCHED, "prompts=none"),
            "error: reference.selection: matched takes the photographs of the prompts",
        ),
        (MATCHED, "error: reference.selection: 200 of 200 prompts of scenes have no image_id"),
        (
            (*FULL, "output=x.npz", "metrics=[fd_scenes]", SIDE),
            "error: output: x.npz must end in .safetensors",
        ),
        (
            (*FULL, "output=x.safetensors", "metrics=[fd_scenes,fid]"),
            "error: metrics: fd_scenes, fid; statistics are",
        ),
        (
            (*FULL, "output=x.safetensors", "metrics=[scenes_accuracy]"),
            "error: metrics: scenes_accuracy is no Frechet distance",
        ),
        (
            ("reference=statistics", "reference.path=a.npz", "output=x.safetensors"),
            "error: output: these are statistics already",
        ),
    ],
)
def test_what_cannot_be_shown_or_exported(
    run: Run, photographs: tuple[str, ...], tmp_path: Path, overrides: tuple[str, ...], message: str
) -> None:
    np.savez(tmp_path / "a.npz", mu=np.zeros(3), sigma=np.eye(3))
    refused = run("reference", *overrides)
    assert (refused.code, refused.err.count("\n")) == (2, 1), refused.err
    assert message in refused.err
    assert not (tmp_path / "x.safetensors").exists()
