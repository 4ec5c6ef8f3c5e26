"""Is a set from elsewhere whole? Through the command line: the report, the refusal, and what allows it."""

import csv
import io
import json
import shutil
import tarfile
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow
import pytest
from command_line import Run
from PIL import Image
from pyarrow import parquet

from drawbench_eval.quiet import without_bars

SHARED = Path(__file__).resolve().parents[3] / ".." / "shared" / "data"
VISOR = SHARED / "images" / "visor"


@pytest.fixture
def asked(tmp_path: Path) -> tuple[str, ...]:
    """Three prompts with two images each, and overrides of `evaluate` that read them."""
    folder = tmp_path / "mine ü"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for prompt in "abc":
        for sample in range(2):
            pixels = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{prompt}_{sample}.png")
    return (
        "model=folder",
        "model.path='mine ü'",
        "model.pattern='{prompt_id}_{sample}.png'",
        "prompts=file",
        "prompts.path=prompts.csv",
        "prompts.columns.id=id",
        "reference=none",
        "metrics=[diversity]",
        "metrics.diversity.extractor=scenes",
    )


@pytest.fixture
def gaps(asked: tuple[str, ...], tmp_path: Path) -> tuple[str, ...]:
    """The same, with an image lacking and one truncated."""
    (tmp_path / "mine ü" / "b_1.png").unlink()
    whole = (tmp_path / "mine ü" / "c_0.png").read_bytes()
    (tmp_path / "mine ü" / "c_0.png").write_bytes(whole[: len(whole) // 2])
    return asked


def records(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(folder.glob("results/runs/*/run.json"))]


def test_a_complete_set_is_reported_without_any_compute(
    run: Run, asked: tuple[str, ...], tmp_path: Path
) -> None:
    # FID needs weights that are not here.
    done = run("evaluate", *asked[:-2], "metrics=[fid]", "check_only=true")
    assert (done.code, done.err) == (0, "")
    assert done.out.splitlines()[0] == "mine ü: 6 of 6 images can be scored"
    assert done.out.splitlines()[-1] == "complete"
    assert not (tmp_path / "results").exists()


def test_what_lacks_is_named_and_it_is_said_what_allows_it(
    run: Run, gaps: tuple[str, ...], tmp_path: Path
) -> None:
    done = run("evaluate", *gaps, "check_only=true")
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "images that only other prompts have: 1 (b-1)" in done.out
    assert "unreadable images: 1 (c-0: c_0.png: not a readable image" in done.out
    assert done.err == (
        "error: model.path: mine ü is incomplete (images that only other prompts have 1, unreadable images 1)"
        "; allow_incomplete=true evaluates the 4 that can be scored, with every number saying so\n"
    )
    assert not (tmp_path / "results").exists()


def test_an_incomplete_set_is_evaluated_only_when_that_is_asked_for(
    run: Run, gaps: tuple[str, ...], tmp_path: Path
) -> None:
    refused = run("evaluate", *gaps)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "mine ü is incomplete" in refused.err
    assert "allow_incomplete=true evaluates the others" in refused.err
    assert records(tmp_path) == []
    done = run("evaluate", *gaps, "allow_incomplete=true")
    assert done.code == 0, done.err
    (record,) = records(tmp_path)
    assert record["counts"]["requested"] == 6
    assert (record["counts"]["missing"], record["counts"]["unreadable"]) == (1, 1)
    assert (record["named"]["missing"], record["named"]["unreadable"]) == (["b-1"], ["c-0"])
    for metric in record["metrics"].values():
        assert metric["num_unscored"] > 0
        assert "2 of 6 images are not scored: 1 missing, 1 unreadable" in metric["notes"]
    assert "unscored)" in done.err.splitlines()[-1]


def as_zip(files: Sequence[Path], place: Path) -> None:
    with zipfile.ZipFile(place, "w") as archive:
        for file in files:
            archive.write(file, file.name)


def as_tar(files: Sequence[Path], place: Path) -> None:
    with tarfile.open(place, "w:gz" if place.name.endswith("gz") else "w") as archive:
        for file in files:
            archive.add(file, file.name)


def as_shards(files: Sequence[Path], place: Path) -> None:
    """Two shards of a webdataset: keys are numbers, and the name stands in a .json beside each image."""
    place.mkdir()
    for shard in range(2):
        with tarfile.open(place / f"{shard:06d}.tar", "w") as archive:
            for number, file in list(enumerate(files))[shard::2]:
                told = json.dumps({"name": file.stem}).encode()
                for ending, data in (("png", file.read_bytes()), ("json", told)):
                    member = tarfile.TarInfo(f"{number:06d}.{ending}")
                    member.size = len(data)
                    archive.addfile(member, io.BytesIO(data))


def as_dataset(files: Sequence[Path], place: Path) -> None:
    rows = {
        "image": [{"bytes": file.read_bytes(), "path": None} for file in files],
        "name": [file.stem for file in files],
    }
    kinds = datasets.Features({"image": datasets.Image(decode=False), "name": datasets.Value("string")})
    found = datasets.Dataset.from_dict(rows, features=kinds).cast_column("image", datasets.Image())
    with without_bars():
        if place.suffix == ".parquet":
            found.to_parquet(str(place))
        else:
            found.save_to_disk(str(place))


def as_plain_parquet(files: Sequence[Path], place: Path) -> None:
    table = {"jpg": [file.read_bytes() for file in files], "name": [file.stem for file in files]}
    parquet.write_table(pyarrow.table(table), place)


FORMS: dict[str, Callable[[Sequence[Path], Path], None]] = {
    "set.zip": as_zip,
    "set.tar": as_tar,
    "set.tar.gz": as_tar,
    "shards": as_shards,
    "saved": as_dataset,
    "hub.parquet": as_dataset,
    "plain.parquet": as_plain_parquet,
}
HAVE_COLUMNS = ("shards", "saved", "hub.parquet", "plain.parquet")


@pytest.mark.parametrize("form", FORMS)
def test_every_form_is_reported_alike_and_evaluated_only_when_that_is_asked_for(
    run: Run, gaps: tuple[str, ...], tmp_path: Path, form: str
) -> None:
    shutil.copy(tmp_path / "mine ü" / "a_0.png", tmp_path / "mine ü" / "c_1.png")
    shutil.copy(tmp_path / "mine ü" / "b_0.png", tmp_path / "mine ü" / "stale_0.png")
    FORMS[form](sorted((tmp_path / "mine ü").iterdir()), tmp_path / form)
    columns: tuple[str, ...] = ()
    if form in HAVE_COLUMNS:
        columns = ("model.names=[name]", "model.pattern='{prompt_id}_{sample}'")
    asked = (*gaps, f"model.path={form}", *columns)
    found = run("evaluate", *asked, "check_only=true")
    assert (found.code, found.err.count("\n")) == (2, 1)
    lines = found.out.splitlines()
    assert lines[0] == f"{form}: 4 of 6 images can be scored"
    assert lines[1:4] == [
        "prompts: 3; images a prompt: 1 with 1, 2 with 2",
        "prompts without image: 0",
        "images that only other prompts have: 1 (b-1)",
    ]
    assert "images without prompt: 1 (" in lines[4]
    assert "stale_0" in lines[4]
    assert lines[6].startswith("unreadable images: 1 (c-0: ")
    assert lines[8].startswith("groups of identical images: 1 (")
    assert lines[9:11] == ["sizes: 64x64 5", "modes: RGB 5"]
    assert run("evaluate", *asked).code == 2
    assert records(tmp_path) == []
    done = run("evaluate", *asked, "allow_incomplete=true")
    assert done.code == 0, done.err
    assert "examples/s" not in done.err
    (record,) = records(tmp_path)
    for metric in record["metrics"].values():
        assert "2 of 6 images are not scored: 1 missing, 1 unreadable" in metric["notes"]


def test_a_whole_set_says_nothing_of_gaps(run: Run, asked: tuple[str, ...], tmp_path: Path) -> None:
    done = run("evaluate", *asked)
    assert done.code == 0, done.err
    (record,) = records(tmp_path)
    assert not any("not scored" in note for note in record["metrics"]["diversity"]["notes"])
    assert "unscored" not in done.err


def test_images_without_prompt_are_left_out_only_when_that_is_asked_for(
    run: Run, asked: tuple[str, ...], tmp_path: Path
) -> None:
    shutil.copy(tmp_path / "mine ü" / "a_0.png", tmp_path / "mine ü" / "stale_0.png")
    refused = run("evaluate", *asked)
    assert (refused.code, refused.err.count("\n")) == (2, 1)
    assert "'stale_0.png' names the prompt_id 'stale', which is not among the 3 prompts" in refused.err
    assert "check_only=true names all such images, allow_incomplete=true leaves them out" in refused.err
    checked = run("evaluate", *asked, "check_only=true")
    assert (checked.code, "images without prompt: 1 (stale_0.png)" in checked.out) == (2, True)
    assert run("evaluate", *asked, "allow_incomplete=true").code == 0
    (path,) = tmp_path.glob("results/runs/*/samples/set.json")
    assert json.loads(path.read_text())["made_by"]["images_without_prompt"] == ["stale_0.png"]
    (record,) = records(tmp_path)
    assert record["counts"]["requested"] == 6
    for metric in record["metrics"].values():
        assert "images without prompt were left out: 1" in metric["notes"]


def test_several_sets_are_checked_in_one_command(run: Run, asked: tuple[str, ...], tmp_path: Path) -> None:
    shutil.copytree(tmp_path / "mine ü", tmp_path / "other")
    done = run("evaluate", *asked, "model.path=other,'mine ü'", "check_only=true", "-m")
    assert done.code == 0, done.err
    assert done.out.count("6 of 6 images can be scored") == 2
    assert not list(tmp_path.glob("results/sweeps/*.json"))


def test_only_images_that_are_there_can_be_checked(run: Run, small: tuple[str, ...]) -> None:
    refused = run("evaluate", *small, "check_only=true")
    assert (refused.code, refused.err) == (
        2,
        "error: check_only: double makes its images; images that are there are model=folder\n",
    )


@pytest.mark.shared_data
@pytest.mark.skipif(not VISOR.exists(), reason="needs ../shared/data")
def test_of_three_real_models_every_changed_image_is_named(run: Run, tmp_path: Path) -> None:
    def check(folder: Path) -> Any:
        return run(
            "evaluate",
            "model=folder",
            f"model.path={folder}",
            "model.pattern='{prompt_id}_{sample}.png'",
            "prompts=file",
            f"prompts.path={VISOR / 'prompts.csv'}",
            "prompts.columns.id=id",
            "check_only=true",
        )

    for model in ("stable-diffusion", "glide", "dallev2"):
        done = check(VISOR / model)
        assert done.code == 0, done.err
        assert "400 images" in done.out
        assert "prompts: 100; images a prompt: 100 with 4" in done.out
    changed = tmp_path / "changed"
    shutil.copytree(VISOR / "dallev2", changed)
    with (VISOR / "prompts.csv").open(encoding="utf-8", newline="") as file:
        ids = [row[0] for row in list(csv.reader(file))[1:]]
    (changed / f"{ids[0]}_0.png").unlink()
    (changed / f"{ids[1]}_1.png").write_bytes((changed / f"{ids[1]}_1.png").read_bytes()[:1000])
    shutil.copy(changed / f"{ids[2]}_2.png", changed / f"{ids[3]}_3.png")
    (changed / f"{ids[4]}_0.png").rename(changed / "renamed.png")
    done = check(changed)
    assert done.code == 2
    assert f"images that only other prompts have: 2 ({ids[0]}-0, {ids[4]}-0)" in done.out
    assert f"unreadable images: 1 ({ids[1]}-1: {ids[1]}_1.png: not a readable image" in done.out
    pair = " = ".join([f"{ids[2]}_2.png", f"{ids[3]}_3.png"])
    assert f"groups of identical images: 1 ({pair})" in done.out
    assert "images that the pattern does not describe: 1 (renamed.png)" in done.out


@pytest.mark.shared_data
@pytest.mark.skipif(not VISOR.exists(), reason="needs ../shared/data")
@pytest.mark.parametrize(
    ("name", "count", "says"),
    [
        (
            "cifar10_test_10000.tar.gz",
            10_000,
            "sizes: 32x32 10000\nmodes: RGB 10000\nformats: JPEG",
        ),
        ("coco_val2017_sample", 159, "modes: RGB 158, L 1; all are read as RGB"),
    ],
)
def test_published_images_are_all_there(run: Run, name: str, count: int, says: str) -> None:
    shown = run("evaluate", "model=folder", f"model.path={VISOR.parent / name}", "check_only=true")
    assert shown.code == 0, shown.err
    assert f"{count} of {count} images can be scored\nunreadable images: 0\n" in shown.out
    assert says in shown.out


@pytest.mark.shared_data
@pytest.mark.skipif(not SHARED.is_dir(), reason="../shared/data is not there")
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("coco_val2017_sample", ("159 of 159 images can be scored", "modes: RGB 158, L 1", "JPEG 159")),
        ("cifar10_test_10000.tar.gz", ("10000 of 10000 images can be scored", "sizes: 32x32 10000", "JPEG")),
    ],
)
def test_real_images_without_prompts_are_counted(run: Run, name: str, says: tuple[str, ...]) -> None:
    done = run("evaluate", "model=folder", f"model.path={SHARED / 'images' / name}", "check_only=true")
    assert (done.code, done.err) == (0, "")
    assert done.out.endswith("complete\n")
    for said in says:
        assert said in done.out
