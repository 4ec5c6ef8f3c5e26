import csv
import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from drawbench_eval.generators.check import SetCheck, check_lines, check_set, refuse_incomplete
from drawbench_eval.generators.folder import FolderSettings, Imported, import_folder
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.samples import SampleSet
from drawbench_eval.store import Store

VISOR = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "images" / "visor"
PROMPTS = PromptSet(name="three", prompts=tuple(Prompt(id=i, text=f"text {i}") for i in ("a", "b", "ü")))


def ignore(_count: int) -> None:
    pass


def whole(folder: Path) -> Path:
    """Three prompts with three images each; a path with a space and letters that are not ASCII."""
    folder = folder / "my ïmages"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for prompt in PROMPTS.prompts:
        for sample in range(3):
            pixels = rng.integers(0, 256, (6, 5, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / f"{prompt.id}_{sample}.png")
    return folder


def imported(folder: Path, prompts: PromptSet | None = PROMPTS) -> Imported:
    settings = FolderSettings(path=folder, pattern="{prompt_id}_{sample}.png")
    return import_folder(settings, prompts, leave_strangers=True)


def checked(folder: Path) -> SetCheck:
    return check_set(imported(folder), advance=ignore)


def test_a_whole_set_is_complete(tmp_path: Path) -> None:
    counted: list[int] = []
    found = check_set(imported(whole(tmp_path)), advance=counted.append)
    assert sum(counted) == found.num_requested == found.num_scorable == 9
    assert found.shortfall is None
    assert found.per_prompt == {3: 3}
    assert (found.sizes, found.modes, found.formats) == ({"5x6": 9}, {"RGB": 9}, {"PNG": 9})
    lines = check_lines(found)
    assert lines[0] == f"{tmp_path / 'my ïmages'}: 9 of 9 images can be scored"
    assert lines[-1] == "complete"
    assert "formats: PNG 9; lossless" in "\n".join(lines)


def test_every_fault_is_named(tmp_path: Path) -> None:
    folder = whole(tmp_path)
    (folder / "a_0.png").unlink()
    (folder / "a_1.png").rename(folder / "renamed.png")
    (folder / "b_0.png").write_bytes((folder / "b_0.png").read_bytes()[:60])
    shutil.copy(folder / "b_1.png", folder / "b_2.png")
    shutil.copy(folder / "b_1.png", folder / "c_1.png")
    Image.new("L", (4, 4)).save(folder / "ü_0.png")
    Image.new("RGB", (4, 4), (128, 128, 128)).save(folder / "ü_1.png", format="JPEG")
    found = checked(folder)
    assert found.lacking == ("a-0", "a-1")
    assert found.without_image == ()
    assert found.strangers == ("c_1.png",)
    assert found.ignored == ("renamed.png",)
    assert found.identical == (("b_1.png", "b_2.png"),)
    assert [reason.partition(" (")[0] for reason in found.unreadable] == [
        "b-0: b_0.png: not a readable image"
    ]
    assert found.constant == ("ü-0 (black)", "ü-1 (all of it [128, 128, 128])")
    assert found.per_prompt == {1: 1, 3: 2}
    assert found.num_scorable == 4
    assert found.modes == Counter(RGB=6, L=1)
    assert found.formats == Counter(PNG=6, JPEG=1)
    assert found.shortfall == (
        "incomplete (images that only other prompts have 2, unreadable images 1, images without prompt 1)"
    )
    said = "\n".join(check_lines(found))
    for name in ("a-0, a-1", "c_1.png", "renamed.png", "b_1.png = b_2.png", "b-0: b_0.png", "ü-0 (black)"):
        assert name in said
    assert "images a prompt: 1 with 1, 2 with 3" in said
    assert "modes: RGB 6, L 1; all are read as RGB" in said
    assert "PNG 6, JPEG 1; mixed: lossy compression alone moves FID" in said


def test_images_that_a_filter_struck_are_named_and_no_reason_to_refuse(tmp_path: Path) -> None:
    samples = imported(whole(tmp_path)).samples
    samples = replace(samples, flagged=frozenset({"a-1", "ü-0"}))
    found = check_set(replace(imported(samples.folder), samples=samples), advance=ignore)
    assert (found.num_scorable, found.flagged, found.shortfall) == (7, ("a-1", "ü-0"), None)
    assert "images that a filter struck, which are not scored: 2 (a-1, ü-0)" in check_lines(found)


def test_every_image_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = imported(whole(tmp_path))
    read = Counter[str]()

    def counted(path: Path) -> bytes:
        read[path.name] += 1
        with path.open("rb") as file:
            return file.read()

    monkeypatch.setattr(Path, "read_bytes", counted)
    check_set(found, advance=ignore)
    assert set(read.values()) == {1}
    assert len(read) == 9


def test_prompts_without_an_image_are_told_from_those_with_too_few(tmp_path: Path) -> None:
    folder = whole(tmp_path)
    for sample in range(3):
        (folder / f"b_{sample}.png").unlink()
    found = checked(folder)
    assert (found.without_image, found.lacking) == (("b",), ())
    assert found.per_prompt == {0: 1, 3: 2}
    assert found.shortfall == "incomplete (prompts without image 1)"


def test_where_no_image_names_a_prompt_the_pattern_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"names the prompt_id 'a_0'.*; of 9 such images none names a prompt$"
    ):
        import_folder(
            FolderSettings(path=whole(tmp_path), pattern="{prompt_id}.png"), PROMPTS, leave_strangers=True
        )


def test_the_most_common_sizes_are_shown_and_the_others_counted(tmp_path: Path) -> None:
    for number in range(12):
        Image.new("L", (5, 5 + number), 1).save(tmp_path / f"{number}.png")
    shutil.copy(tmp_path / "11.png", tmp_path / "again.png")
    found = import_folder(FolderSettings(path=tmp_path), None)
    (sizes,) = (line for line in check_lines(check_set(found, advance=ignore)) if line.startswith("sizes: "))
    assert sizes.startswith("sizes: 5x16 2, 5x5 1, ")
    assert sizes.endswith("5x12 1, and 2 others 2")


def test_only_so_many_names_are_shown(tmp_path: Path) -> None:
    folder = whole(tmp_path)
    for prompt in PROMPTS.prompts:
        (folder / f"{prompt.id}_2.png").rename(folder / f"other {prompt.id}.png")
    lines = check_lines(checked(folder), limit=2)
    assert "images that the pattern does not describe: 3 (other a.png, other b.png and 1 more)" in lines


def test_of_jpeg_files_it_is_said_that_they_matter(tmp_path: Path) -> None:
    folder = whole(tmp_path)
    for path in folder.iterdir():
        with Image.open(path) as image:
            image.load()
        image.save(path, format="JPEG")
    assert any(
        line.startswith("formats: JPEG 9; lossy: compression alone") for line in check_lines(checked(folder))
    )


def test_without_prompts_nothing_is_asked_for_and_nothing_lacks(tmp_path: Path) -> None:
    folder = whole(tmp_path)
    (folder / "a_0.png").write_bytes(b"")
    bare = import_folder(FolderSettings(path=folder), None)
    found = check_set(bare, advance=ignore)
    assert found.shortfall is None
    assert len(found.unreadable) == 1
    assert not any(line.startswith("prompts") for line in check_lines(found))
    refuse_incomplete(bare, Store(tmp_path / "store"), advance=ignore)


def test_an_incomplete_set_is_refused_and_it_is_said_what_allows_it(tmp_path: Path) -> None:
    folder, store = whole(tmp_path), Store(tmp_path / "store")
    refuse_incomplete(imported(folder), store, advance=ignore)
    (folder / "a_0.png").write_bytes(b"no image")
    (folder / "b_1.png").unlink()
    with pytest.raises(ValueError, match="incomplete") as caught:
        refuse_incomplete(imported(folder), store, advance=ignore)
    assert str(caught.value) == (
        f"model.path: {folder} is incomplete (images that only other prompts have 1, unreadable images 1); "
        "check_only=true names them, and allow_incomplete=true evaluates the others, with every number "
        "saying so"
    )


def test_images_are_decoded_once_for_all_points_of_a_sweep(tmp_path: Path) -> None:
    folder, store = whole(tmp_path), Store(tmp_path / "store")
    counted: list[int] = []
    for _ in range(2):
        refuse_incomplete(imported(folder), store, advance=counted.append)
    assert sum(counted) == 9
    (folder / "a_0.png").write_bytes(b"no image")
    with pytest.raises(ValueError, match="unreadable images 1"):
        refuse_incomplete(imported(folder), store, advance=counted.append)


def test_a_manifest_is_held_against_the_files_each_time(tmp_path: Path) -> None:
    folder, store = whole(tmp_path), Store(tmp_path / "store")
    SampleSet.write(folder, imported(folder).samples.samples, {})

    def again() -> Imported:
        return import_folder(FolderSettings(path=folder), PROMPTS)

    refuse_incomplete(again(), store, advance=ignore)
    (folder / "ü_2.png").unlink()
    with pytest.raises(ValueError, match=r"incomplete \(images that only other prompts have 1\)"):
        refuse_incomplete(again(), store, advance=ignore)
    assert check_set(again(), advance=ignore).lacking == ("ü-2",)


@pytest.mark.shared_data
@pytest.mark.skipif(not VISOR.exists(), reason="needs ../shared/data")
@pytest.mark.parametrize(
    ("model", "black"),
    [("stable-diffusion", ()), ("glide", ("5257-3 (black)", "22927-3 (black)")), ("dallev2", ())],
)
def test_three_real_models(model: str, black: tuple[str, ...]) -> None:
    with (VISOR / "prompts.csv").open(encoding="utf-8", newline="") as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    prompts = PromptSet(name="visor", prompts=tuple(Prompt(id=row[0], text=row[1]) for row in rows))
    found = check_set(imported(VISOR / model, prompts), advance=ignore)
    assert found.shortfall is None
    assert found.constant == black
    assert (found.per_prompt, found.formats, found.sizes) == ({4: 100}, {"PNG": 400}, {"128x128": 400})
