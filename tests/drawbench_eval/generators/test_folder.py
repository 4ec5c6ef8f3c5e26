import csv
import io
import os
import shutil
import threading
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from drawbench_eval.files import sha256_bytes, sha256_file
from drawbench_eval.generators.check import check_set
from drawbench_eval.generators.folder import FolderSettings, Imported, import_folder, label_of
from drawbench_eval.prompt import Prompt, PromptSet
from drawbench_eval.samples import Sample, SampleSet, save_image

VISOR = Path(__file__).resolve().parents[3] / ".." / "shared" / "data" / "images" / "visor"

PROMPTS = PromptSet(
    name="four",
    prompts=(
        Prompt(id="b", text="a red cat", category="Colors"),
        Prompt(id="a_1", text="two cats", category="Counting"),
        Prompt(id="ü", text='a "blue" cat, and\na dog', category="Colors"),
        Prompt(id="c-0", text="a cat", category="Gary Marcus et al."),
    ),
)


def picture(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (5, 6, 3), dtype=np.uint8)


def png(number: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture(number)).save(buffer, format="PNG")
    return buffer.getvalue()


def write(folder: Path, *names: str) -> Path:
    """One image for each name, no two alike."""
    for number, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture(number)).save(folder / name, format="PNG")
    return folder


def imported(
    path: Path, pattern: str | None, prompts: PromptSet | None = PROMPTS, **settings: Any
) -> Imported:
    return import_folder(FolderSettings(path=path, pattern=pattern, **settings), prompts)


def shown(found: Imported) -> list[tuple[str, str, str]]:
    return [(sample.sample_id, sample.prompt_id, sample.path) for sample in found.samples.samples]


def test_one_image_a_prompt_is_found_by_its_id(tmp_path: Path) -> None:
    folder = write(tmp_path / "my images", "ü.png", "b.PNG", "a_1.png", "c-0.png")
    found = imported(folder, "{prompt_id}.png")
    assert found.prompts is PROMPTS
    assert found.ignored == ()
    # In the order of the prompts, not of the files.
    assert shown(found) == [
        ("b", "b", "b.PNG"),
        ("a_1", "a_1", "a_1.png"),
        ("ü", "ü", "ü.png"),
        ("c-0", "c-0", "c-0.png"),
    ]
    sample = found.samples.samples[2]
    assert (sample.prompt, sample.category) == (PROMPTS.prompts[2].text, "Colors")
    assert sample.sha256 == sha256_file(folder / "ü.png")
    loaded = found.samples.load(sample)
    assert loaded.status == "ok"
    np.testing.assert_array_equal(loaded.image, picture(0))


def test_repeats_of_a_prompt_are_told_by_their_index(tmp_path: Path) -> None:
    folder = write(tmp_path, "a_1_0.png", "a_1_1.png", "b_1.png", "b_0.png", "ü_0.png", "c-0_7.png")
    found = imported(folder, "{prompt_id}_{index}.png")
    assert shown(found) == [
        ("b-0", "b", "b_0.png"),
        ("b-1", "b", "b_1.png"),
        ("a_1-0", "a_1", "a_1_0.png"),
        ("a_1-1", "a_1", "a_1_1.png"),
        ("ü-0", "ü", "ü_0.png"),
        # Two is how many images prompts have here: what lacks is called by the number that others have.
        ("ü-1", "ü", ""),
        ("c-0-7", "c-0", "c-0_7.png"),
        ("c-0-0", "c-0", ""),
    ]
    seeds = [sample.seed for sample in found.samples.samples]
    assert len(set(seeds)) == 8
    assert seeds == [sample.seed for sample in imported(folder, "{prompt_id}_{index}.png").samples.samples]


def test_the_index_counts_within_the_category(tmp_path: Path) -> None:
    folder = write(
        tmp_path,
        "Colors/1_42.png",
        "Colors/0_7.png",
        "Colors/0_8.png",
        "Counting/00_7.png",
        "Gary Marcus et al./0_7.png",
    )
    found = imported(folder, "{category}/{index}_{seed}.png")
    assert shown(found) == [
        ("b-7", "b", "Colors/0_7.png"),
        ("b-8", "b", "Colors/0_8.png"),
        ("a_1-7", "a_1", "Counting/00_7.png"),
        ("ü-42", "ü", "Colors/1_42.png"),
        ("c-0-7", "c-0", "Gary Marcus et al./0_7.png"),
    ]
    assert [sample.seed for sample in found.samples.samples] == [7, 8, 7, 42, 7]


def test_without_a_category_the_index_counts_all_prompts(tmp_path: Path) -> None:
    found = imported(write(tmp_path, "img 0002.png", "img 0000.png"), "img {index:04d}.png")
    assert [(path, prompt) for _, prompt, path in shown(found)] == [
        ("img 0000.png", "b"),
        ("", "a_1"),
        ("img 0002.png", "ü"),
        ("", "c-0"),
    ]


def test_index_and_seed_together_tell_repeats_apart(tmp_path: Path) -> None:
    folder = write(tmp_path, "b/0_5.png", "b/1_5.png", "b/0_6.png")
    found = imported(folder, "{prompt_id}/{index}_{seed}.png")
    assert [sample.sample_id for sample in found.samples.samples[:3]] == ["b-0-5", "b-0-6", "b-1-5"]
    assert [sample.seed for sample in found.samples.samples[:3]] == [5, 6, 5]


def test_a_prompt_without_an_image_is_a_sample_that_was_never_made(tmp_path: Path) -> None:
    found = imported(write(tmp_path, "b.png", "c-0.png"), "{prompt_id}.png")
    assert shown(found) == [
        ("b", "b", "b.png"),
        ("a_1", "a_1", ""),
        ("ü", "ü", ""),
        ("c-0", "c-0", "c-0.png"),
    ]
    loaded = [found.samples.load(sample) for sample in found.samples.samples]
    assert [one.status for one in loaded] == ["ok", "missing", "missing", "ok"]
    assert loaded[2].detail == "ü: never made"
    assert found.samples.samples[2].prompt == PROMPTS.prompts[2].text


def test_a_prompt_without_an_image_takes_no_id_from_another(tmp_path: Path) -> None:
    prompts = PromptSet(name="two", prompts=(Prompt(id="a", text="x"), Prompt(id="a-0", text="y")))
    found = imported(write(tmp_path, "a_0.png"), "{prompt_id}_{index}.png", prompts)
    assert shown(found) == [("a-0", "a", "a_0.png"), ("a-0-0", "a-0", "")]
    names = ("a_0.png", "a_1.png", "b_2.png", "b_3.png", "c_4.png", "d_5.png")
    letters = PromptSet(name="four", prompts=tuple(Prompt(id=letter, text="x") for letter in "abcd"))
    found = imported(write(tmp_path / "unlike numbers", *names), "{prompt_id}_{seed}.png", letters)
    # Nobody knows the seed that was to come.
    assert [row for row in shown(found) if not row[2]] == [("c", "c", ""), ("d", "d", "")]


def test_images_that_the_pattern_does_not_describe_are_named(tmp_path: Path) -> None:
    folder = write(tmp_path, "b.png", "grids/all.png", "b.jpg", "ü.png", "sub/b.png", ".b.png")
    found = imported(folder, "{prompt_id}.png")
    assert found.ignored == ("b.jpg", "grids/all.png", "sub/b.png")
    assert [path for _, _, path in shown(found) if path] == ["b.png", "ü.png"]


def test_a_pattern_that_describes_nothing_is_refused_with_an_example(tmp_path: Path) -> None:
    folder = write(tmp_path, "b.png", "c.png")
    message = r"model\.pattern: '\{prompt_id\}\.jpg' describes none of the 2 images in .*, such as 'b\.png'"
    with pytest.raises(ValueError, match=message):
        imported(folder, "{prompt_id}.jpg")


def test_a_pattern_describes_whole_names(tmp_path: Path) -> None:
    found = imported(write(tmp_path, "b.png", "b.png.webp", "old b.png"), "b{prompt_id}png", None)
    assert shown(found) == [(".", ".", "b.png")]
    assert found.ignored == ("b.png.webp", "old b.png")


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("{category}/{index}.png", ("Colors/0.png", "Colors/00.png")),
        ("{prompt_id}.png", ("b.png", "b.PNG")),
        ("{prompt_id}_{seed}.png", ("b_1.png", "b_1.PNG")),
    ],
)
def test_two_images_that_the_pattern_cannot_tell_apart_are_named(
    tmp_path: Path, pattern: str, names: Sequence[str]
) -> None:
    first, second = sorted(names)
    with pytest.raises(
        ValueError, match=r"model\.pattern: .* cannot tell .* from .*; put \{sample\}"
    ) as caught:
        imported(write(tmp_path, *names), pattern)
    assert f"cannot tell '{first}' from '{second}'" in str(caught.value)


def test_an_image_of_no_known_prompt_is_refused(tmp_path: Path) -> None:
    # A stale image of another run must not enter unseen.
    with pytest.raises(
        ValueError,
        match=r"model\.pattern: 'stale\.png' names the prompt_id 'stale', which is not among the 4",
    ):
        imported(write(tmp_path, "b.png", "stale.png"), "{prompt_id}.png")
    settings = FolderSettings(path=tmp_path, pattern="{prompt_id}.png")
    found = import_folder(settings, PROMPTS, leave_strangers=True)
    assert found.strangers == ("stale.png",)
    assert [path for _, _, path in shown(found)] == ["b.png", "", "", ""]


def test_an_index_beyond_the_prompts_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", "Colors/0.png", "Colors/2.png")
    with pytest.raises(
        ValueError, match=r"'Colors/2\.png' is number 2, counted from 0, of 2 prompts in .*'Colors'"
    ):
        imported(folder, "{category}/{index}.png")
    folder = write(tmp_path / "b", "Colours/0.png")
    with pytest.raises(
        ValueError, match=r"of 0 prompts in the category 'Colours'; there are Colors, Counting, Gary Marcus"
    ):
        imported(folder, "{category}/{index}.png")
    folder = write(tmp_path / "c", "4.png")
    with pytest.raises(
        ValueError, match=r"'4\.png' is number 4, .* of 4 prompts; model\.first_index=1 counts"
    ):
        imported(folder, "{index}.png")
    assert shown(imported(folder, "{index}.png", first_index=1))[3] == ("c-0", "c-0", "4.png")


def test_the_index_alone_needs_prompts(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"without prompts; it needs \{prompt_id\}, or choose prompts="):
        imported(write(tmp_path, "0.png"), "{index}.png", None)


def test_without_prompts_the_names_are_the_prompts(tmp_path: Path) -> None:
    found = imported(write(tmp_path, "x_1.png", "x_0.png", "y y_0.png"), "{prompt_id}_{index}.png", None)
    assert [(prompt.id, prompt.text) for prompt in found.prompts.prompts] == [("x", ""), ("y y", "")]
    assert shown(found) == [
        ("x-0", "x", "x_0.png"),
        ("x-1", "x", "x_1.png"),
        ("y y-0", "y y", "y y_0.png"),
        ("y y-1", "y y", ""),
    ]


def test_without_pattern_and_prompts_every_image_is_a_sample_of_its_own(tmp_path: Path) -> None:
    found = imported(write(tmp_path, "a b.png", "sub/ü.png"), None, None)
    assert shown(found) == [("a b.png", "a b.png", "a b.png"), ("sub/ü.png", "sub/ü.png", "sub/ü.png")]
    assert [prompt.id for prompt in found.prompts.prompts] == ["a b.png", "sub/ü.png"]
    assert all(found.samples.load(sample).status == "ok" for sample in found.samples.samples)


def test_prompts_need_a_pattern_where_there_is_no_manifest(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"model\.pattern: .* has no manifest\.csv; say how names tell prompts"
    ):
        imported(write(tmp_path, "b.png"), None)


@pytest.mark.parametrize("pattern", [None, "{prompt_id}.png"])
def test_a_folder_without_images_is_refused(tmp_path: Path, pattern: str | None) -> None:
    (tmp_path / "notes.txt").write_text("none")
    with pytest.raises(ValueError, match=r"model\.path: .* holds no images"):
        imported(tmp_path, pattern, None)


def test_an_archive_gives_the_same_samples_as_its_folder(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", "Colors/0_7.png", "Colors/1_7.png", "Counting/0_7.png", "grid.png")
    pattern = "{category}/{index}_{seed}.png"
    expected = imported(folder, pattern)
    for kind in ("zip", "tar", "gztar"):
        archive = Path(shutil.make_archive(str(tmp_path / f"packed-{kind}"), kind, folder))
        found = imported(archive, pattern)
        assert found.samples.samples == expected.samples.samples
        assert found.ignored == expected.ignored == ("grid.png",)
        assert found.sha256 == expected.sha256
        assert [found.samples.load(sample).status for sample in found.samples.samples] == [
            "ok",
            "ok",
            "ok",
            "missing",
        ]


def test_one_image_that_cannot_be_had_does_not_end_the_import(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", "b.png", "ü.png", "c-0.png")
    archive = Path(shutil.make_archive(str(tmp_path / "packed"), "zip", folder))
    stored = (folder / "ü.png").read_bytes()
    data = archive.read_bytes()
    # PNG does not get smaller, but its frame does: the damage lies within the member either way.
    start = data.index("ü.png".encode()) + len("ü.png".encode())
    archive.write_bytes(
        data[: start + 5] + b"\xa5" * (len(stored) // 2) + data[start + 5 + len(stored) // 2 :]
    )
    found = imported(archive, "{prompt_id}.png")
    loaded = {sample.prompt_id: found.samples.load(sample) for sample in found.samples.samples}
    assert {key: one.status for key, one in loaded.items()} == {
        "b": "ok",
        "a_1": "missing",
        "ü": "unreadable",
        "c-0": "ok",
    }
    assert loaded["ü"].detail.startswith(f"ü: {archive}: ü.png: ")
    (folder / "b.png").unlink()
    (folder / "b.png").symlink_to("gone.png")
    found = imported(folder, "{prompt_id}.png")
    assert found.samples.load(found.samples.samples[0]).status == "missing"


def test_damaged_images_are_imported_and_found_damaged_when_loaded(tmp_path: Path) -> None:
    folder = write(tmp_path, "b.png", "ü.png", "c-0.png")
    (folder / "ü.png").write_bytes((folder / "ü.png").read_bytes()[:60])
    (folder / "c-0.png").write_bytes(b"")
    found = imported(folder, "{prompt_id}.png")
    loaded = [found.samples.load(sample) for sample in found.samples.samples]
    assert [one.status for one in loaded] == ["ok", "missing", "unreadable", "unreadable"]
    assert "ü.png: not a readable image" in loaded[2].detail
    assert "c-0.png: an empty file (0 bytes)" in loaded[3].detail


def test_the_hash_stands_for_what_the_images_show_and_not_for_where_they_lie(tmp_path: Path) -> None:
    one = write(tmp_path / "one", "b.png", "ü.png")
    other = write(tmp_path / "other", "b.png", "ü.png")
    base = imported(one, "{prompt_id}.png").sha256
    assert imported(other, "{prompt_id}.png").sha256 == base
    Image.fromarray(picture(9)).save(other / "ü.png")
    edited = imported(other, "{prompt_id}.png").sha256
    (one / "b.png").rename(one / "swap.png")
    (one / "ü.png").rename(one / "b.png")
    (one / "swap.png").rename(one / "ü.png")
    swapped = imported(one, "{prompt_id}.png").sha256
    (one / "b.png").unlink()
    fewer = imported(one, "{prompt_id}.png").sha256
    assert len({base, edited, swapped, fewer}) == 4


def manifest_of(folder: Path, *rows: tuple[str, str, str, str]) -> Path:
    """A sample set of (sample_id, prompt_id, prompt, category)."""
    samples = [
        Sample(
            sample_id=sample_id,
            prompt_id=prompt_id,
            prompt=prompt,
            category=category,
            seed=number,
            path=f"images/{sample_id} ö.png",
            sha256=save_image(folder / "images" / f"{sample_id} ö.png", picture(number)),
        )
        for number, (sample_id, prompt_id, prompt, category) in enumerate(rows)
    ]
    SampleSet.write(folder, samples, {})
    return folder


def test_a_manifest_says_what_the_images_show(tmp_path: Path) -> None:
    folder = manifest_of(
        tmp_path,
        ("s1", "p", 'a cat,\n"red"', "Colors"),
        ("s2", "q", "", ""),
        ("s3", "p", 'a cat,\n"red"', "Colors"),
    )
    write(folder, "images/not in the manifest.png")
    found = imported(folder, None, None)
    assert found.samples == SampleSet.read(folder)
    assert [(prompt.id, prompt.text, prompt.category) for prompt in found.prompts.prompts] == [
        ("p", 'a cat,\n"red"', "Colors"),
        ("q", "", ""),
    ]
    loaded = [found.samples.load(sample) for sample in found.samples.samples]
    assert [one.status for one in loaded] == ["ok", "ok", "ok"]
    np.testing.assert_array_equal(loaded[1].image, picture(1))


def test_prompts_that_the_manifest_leaves_out_were_never_made(tmp_path: Path) -> None:
    folder = manifest_of(tmp_path, ("c-0", "b", "a red cat", "Colors"), ("s2", "ü", "", "Colors"))
    found = imported(folder, None)
    assert found.prompts is PROMPTS
    assert [(sample.sample_id, sample.prompt_id) for sample in found.samples.samples] == [
        ("c-0", "b"),
        ("s2", "ü"),
        ("a_1", "a_1"),
        ("c-0-none", "c-0"),
    ]
    assert [found.samples.load(sample).status for sample in found.samples.samples] == [
        "ok",
        "ok",
        "missing",
        "missing",
    ]


@pytest.mark.parametrize(
    ("rows", "prompts", "message"),
    [
        (
            [("s1", "x", "", "")],
            PROMPTS,
            r"prompt_id 'x' is none of four; prompts=none takes the prompts from",
        ),
        (
            [("s1", "b", "a blue cat", "Colors")],
            PROMPTS,
            r"prompt_id 'b' is 'a blue cat' there and 'a red cat' in four; prompts=none takes",
        ),
        (
            [("s1", "b", "a cat", ""), ("s2", "b", "a dog", "")],
            None,
            r"prompt_id 'b' stands for 'a cat' \(''\) and for 'a dog' \(''\)",
        ),
        (
            [("s1", "b", "a cat", "one"), ("s2", "b", "a cat", "two")],
            None,
            r"prompt_id 'b' stands for 'a cat' \('one'\) and for 'a cat' \('two'\)",
        ),
    ],
)
def test_a_manifest_that_does_not_fit_the_prompts_is_refused(
    tmp_path: Path, rows: list[tuple[str, str, str, str]], prompts: PromptSet | None, message: str
) -> None:
    folder = manifest_of(tmp_path, *rows)
    with pytest.raises(ValueError, match=message) as caught:
        imported(folder, None, prompts)
    assert str(caught.value).startswith(f"{folder / 'manifest.csv'}: ")


def test_a_pattern_goes_before_a_manifest(tmp_path: Path) -> None:
    folder = manifest_of(tmp_path, ("s1", "b", "a red cat", "Colors"))
    found = imported(folder, "images/{prompt_id} ö.png", None)
    assert shown(found) == [("s1", "s1", "images/s1 ö.png")]


def test_a_changed_image_is_told_from_the_one_in_the_manifest(tmp_path: Path) -> None:
    folder = manifest_of(tmp_path, ("s1", "b", "a red cat", "Colors"))
    save_image(folder / "images" / "s1 ö.png", picture(5))
    found = imported(folder, None)
    loaded = found.samples.load(found.samples.samples[0])
    assert loaded.status == "unreadable"
    assert "not the one in manifest.csv" in loaded.detail


@pytest.mark.parametrize(
    ("path", "label"),
    [
        ("/data/Stable Diffusion_1.5/", "Stable-Diffusion-1.5"),
        ("/data/a.tar.gz", "a.tar.gz"),
        ("/data/ü b", "b"),
        ("/data/日本", "folder"),
        ("/", "folder"),
    ],
)
def test_a_folder_is_labelled_by_its_last_part(path: str, label: str) -> None:
    assert label_of(Path(path)) == label


def test_numbers_say_the_same_with_and_without_zeros(tmp_path: Path) -> None:
    one = imported(write(tmp_path / "one", "b_2.png", "b_10.png"), "{prompt_id}_{sample}.png", None)
    other = imported(
        write(tmp_path / "other", "b_002.png", "b_010.png"), "{prompt_id}_{sample:03d}.png", None
    )
    assert [sample.sample_id for sample in one.samples.samples] == ["b-2", "b-10"]
    ids = [[(sample.sample_id, sample.seed) for sample in found.samples.samples] for found in (one, other)]
    assert ids[0] == ids[1]


def test_a_lacking_image_has_the_seed_that_it_would_have(tmp_path: Path) -> None:
    whole = write(tmp_path / "whole", *(f"{i}_{j}.png" for i in ("b", "a_1", "ü", "c-0") for j in range(3)))
    for pattern in ("{prompt_id}_{sample}.png", "{prompt_id}_{seed}.png"):
        before = [(s.sample_id, s.seed) for s in imported(whole, pattern).samples.samples]
        gaps = Path(shutil.copytree(whole, tmp_path / pattern))
        (gaps / "a_1_1.png").unlink()
        found = imported(gaps, pattern).samples.samples
        assert [sample.sample_id for sample in found if not sample.path] == ["a_1-1"]
        assert sorted((s.sample_id, s.seed) for s in found) == sorted(before)


def test_a_seed_beyond_what_tables_hold_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, f"b_{2**63 - 1}.png", f"b_{2**63}.png")
    with pytest.raises(
        ValueError, match=r"model\.pattern: 'b_9223372036854775808\.png' has the seed .* at most"
    ):
        imported(folder, "{prompt_id}_{seed}.png")


def test_columns_name_the_images_of_a_dataset(tmp_path: Path) -> None:
    rows = [("ü", 0, 4), ("b", 1, 5), ("b", 0, 6)]
    table = {
        "id": [row[0] for row in rows],
        "repeat": [float(row[1]) for row in rows],
        "image": [{"bytes": png(row[2]), "path": None} for row in rows],
    }
    pd.DataFrame(table).to_parquet(tmp_path / "a b.parquet")
    found = imported(tmp_path / "a b.parquet", "{prompt_id}/{sample}", names=("id", "repeat"))
    assert shown(found)[:2] == [("b-0", "b", "00000002"), ("b-1", "b", "00000001")]
    loaded = found.samples.load(found.samples.samples[0])
    np.testing.assert_array_equal(loaded.image, picture(6))
    # What is written down names rows, so that it is found again without the columns.
    made = replace(found.samples, folder=tmp_path / "run", samples=found.samples.samples)
    made.save({})
    again = SampleSet.read(tmp_path / "run")
    np.testing.assert_array_equal(again.load(again.samples[0]).image, picture(6))


def test_columns_without_a_pattern_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"names: columns name images for a pattern; write model\.pattern"):
        FolderSettings(path=tmp_path, names=("id",))


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/b\xff.png"
    try:
        with open(name, "wb") as file:
            file.write(png(0))
    except OSError:
        pytest.skip("the file system takes no such name")
    with pytest.raises(ValueError, match=r"the name 'b\\udcff\.png' is not UTF-8; rename the file"):
        imported(tmp_path, None, None)


def test_ten_thousand_names_are_read_in_one_pass(tmp_path: Path) -> None:
    (tmp_path / "0.png").write_bytes(png(0))
    for number in range(1, 10_000):
        os.link(tmp_path / "0.png", tmp_path / f"{number}.png")
    prompts = PromptSet(name="n", prompts=tuple(Prompt(id=f"p{i}", text=f"text {i}") for i in range(10_000)))
    reads = 0

    def counted(path: Path) -> bytes:
        nonlocal reads
        reads += 1
        return b"x"

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", counted)
        found = imported(tmp_path, "{index}.png", prompts)
    assert reads == 10_000
    assert [sample.path for sample in found.samples.samples] == [f"{i}.png" for i in range(10_000)]


@pytest.mark.slow
def test_a_hundred_thousand_files_stream(tmp_path: Path) -> None:
    # A file system allows some ten thousand links to one file.
    for number in range(100_000):
        first = tmp_path / f"{number // 10_000 * 10_000}.png"
        if not number % 10_000:
            first.write_bytes(png(0))
        else:
            os.link(first, tmp_path / f"{number}.png")
    prompts = PromptSet(name="n", prompts=tuple(Prompt(id=f"p{i}", text=str(i)) for i in range(100_000)))
    settings = FolderSettings(path=tmp_path, pattern="{index}.png")
    held = most = 0
    lock = threading.Lock()

    def counted(path: Path) -> bytes:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return data

    data = png(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_bytes", counted)
        found = import_folder(settings, prompts)

        def done(count: int) -> None:
            nonlocal held
            with lock:
                held -= count

        held = most = 0
        checked = check_set(found, advance=done)
    assert (checked.num_scorable, checked.shortfall) == (100_000, None)
    assert most < 200


def visor_prompts() -> PromptSet:
    with (VISOR / "prompts.csv").open(encoding="utf-8", newline="") as file:
        rows = [list(row.values()) for row in csv.DictReader(file)]
    return PromptSet(name="visor", prompts=tuple(Prompt(id=row[0], text=row[1]) for row in rows))


@pytest.mark.shared_data
@pytest.mark.skipif(not VISOR.exists(), reason="needs ../shared/data")
@pytest.mark.parametrize("model", ["stable-diffusion", "glide", "dallev2"])
def test_four_hundred_images_of_a_hundred_prompts_are_told_by_their_names(model: str) -> None:
    prompts = visor_prompts()
    found = imported(VISOR / model, "{prompt_id}_{index}.png", prompts)
    assert len(found.samples.samples) == 400
    assert found.ignored == ()
    assert [sample.prompt_id for sample in found.samples.samples] == [
        prompt.id for prompt in prompts.prompts for _ in range(4)
    ]
    sample = found.samples.samples[399]
    assert sample.sha256 == sha256_bytes((VISOR / model / sample.path).read_bytes())
    loaded = found.samples.load(sample)
    assert loaded.image is not None
    assert loaded.image.shape == (128, 128, 3)
    twice = replace(prompts, prompts=(*prompts.prompts, Prompt(id="0", text="not made")))
    missing = imported(VISOR / model, "{prompt_id}_{index}.png", twice).samples.samples[400]
    assert (missing.prompt_id, missing.path) == ("0", "")
