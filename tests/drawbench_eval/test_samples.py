from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from drawbench_eval.files import sha256_file
from drawbench_eval.samples import COLUMNS, Sample, SampleSet, load_image, save_image

IMAGE = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
HEADER = "sample_id,prompt_id,prompt,category,seed,path,sha256\n"
HASH = "0" * 64


def make(folder: Path, *names: str) -> list[Sample]:
    return [
        Sample(
            sample_id=name,
            prompt_id="p",
            prompt='a "red" cat,\nand a dog',
            category="Colors",
            seed=2**63 - 1,
            path=f"{name}.png",
            sha256=save_image(folder / f"{name}.png", IMAGE),
        )
        for name in names
    ]


def test_a_set_reads_back_as_it_was_written(tmp_path: Path) -> None:
    samples = make(tmp_path, "a-00", "a-01")
    never = replace(samples[0], sample_id="a-02", path="", sha256="")
    SampleSet.write(tmp_path, [*samples, never], {"model": "scenes"})
    assert (tmp_path / "manifest.csv").read_text(encoding="utf-8").startswith(HEADER)
    assert '"model": "scenes"' in (tmp_path / "set.json").read_text(encoding="utf-8")
    read = SampleSet.read(tmp_path)
    assert read.samples == (*samples, never)
    loaded = read.load(read.samples[0])
    assert loaded.status == "ok"
    assert loaded.image is not None
    np.testing.assert_array_equal(loaded.image, IMAGE)
    assert read.load(never).status == "missing"


TEXTS = st.text(alphabet=st.one_of(st.sampled_from("\r\n\t\",' \u2028"), st.characters(codec="utf-8")))


@given(st.lists(st.tuples(TEXTS, TEXTS), min_size=1, max_size=4))
def test_any_texts_come_back_from_a_manifest(texts: list[tuple[str, str]]) -> None:
    samples = [
        Sample(
            sample_id=f"s{number}",
            prompt_id=f"{category}-{number}",
            prompt=prompt,
            category=category,
            seed=number,
            path="",
            sha256="",
        )
        for number, (prompt, category) in enumerate(texts)
    ]
    with TemporaryDirectory() as folder:
        SampleSet.write(Path(folder), samples, {})
        assert SampleSet.read(Path(folder)).samples == tuple(samples)


def test_files_that_are_missing_changed_or_broken_are_told_apart_when_loaded(tmp_path: Path) -> None:
    samples = make(tmp_path, "gone", "changed", "broken")
    (tmp_path / "gone.png").unlink()
    save_image(tmp_path / "changed.png", 255 - IMAGE)
    data = (tmp_path / "broken.png").read_bytes()
    (tmp_path / "broken.png").write_bytes(data[: len(data) // 2])
    samples[2] = replace(samples[2], sha256=sha256_file(tmp_path / "broken.png"))
    SampleSet.write(tmp_path, samples, {})
    read = SampleSet.read(tmp_path)
    loaded = [read.load(sample) for sample in read.samples]
    assert [one.status for one in loaded] == ["missing", "unreadable", "unreadable"]
    assert all(one.image is None for one in loaded)
    assert "changed" in loaded[1].detail
    assert "not the one in manifest.csv" in loaded[1].detail
    assert "not a readable image" in loaded[2].detail


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n", r"its first line is 'a,b'; it must be 'sample_id,"),
        ("", "its first line is ''"),
        (HEADER + "a,p,t,c,1,a.png\n", r"line 2: 6 cells; it must have 7"),
        (HEADER + f"a,p,t,c,x,a.png,{HASH}\n", r"line 2: seed 'x' is not a whole number"),
        (
            HEADER + f"a,p,t,c,1,a.png,{HASH}\na,p,t,c,2,b.png,{HASH}\n",
            r"line 3: sample_id 'a' stands already in line 2",
        ),
        (
            HEADER + f"a,p,t,c,1,a.png,{HASH}\nb,p,t,c,2,a.png,{HASH}\n",
            r"line 3: path 'a.png' stands already in line 2",
        ),
        (HEADER + f"a,p,t,c,1,../a.png,{HASH}\n", r"line 2: path '../a.png' must lie within"),
        (HEADER + f"a,p,t,c,1,/a.png,{HASH}\n", r"line 2: path '/a.png' must lie within"),
        (HEADER + "a,p,t,c,1,a.png,abc\n", r"line 2: sha256 'abc' is not 64 hex digits"),
        (HEADER + "a,p,t,c,1,a.png,\n", r"line 2: path and sha256 must both be given"),
        (HEADER + f",p,t,c,1,a.png,{HASH}\n", r"line 2: sample_id is empty"),
        (HEADER + f'a,p,"t,c,1,a.png,{HASH}\n', r"line 2: not CSV"),
    ],
)
def test_a_bad_manifest_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "manifest.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as caught:
        SampleSet.read(tmp_path)
    assert str(caught.value).startswith(str(tmp_path / "manifest.csv"))
    assert "\n" not in str(caught.value)


def test_a_folder_without_a_manifest_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"manifest\.csv: not found"):
        SampleSet.read(tmp_path)
    (tmp_path / "manifest.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"manifest\.csv: cannot be read"):
        SampleSet.read(tmp_path)


def test_the_order_of_columns_is_the_contract() -> None:
    assert ",".join(COLUMNS) + "\n" == HEADER


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_every_mode_loads_as_uint8_rgb(tmp_path: Path, mode: str) -> None:
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    Image.fromarray(IMAGE).convert(mode).save(path)
    image = load_image(path)
    assert image.shape == (8, 12, 3)
    assert image.dtype == np.uint8


@pytest.mark.parametrize("data", [b"", b"not an image", b"\x89PNG\r\n\x1a\n" + b"\x00" * 40])
def test_what_is_no_image_is_named(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ValueError, match=r"a\.png: (not a readable image|an empty file)"):
        load_image(tmp_path / "a.png")


def test_a_folder_named_like_an_image_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.png").mkdir()
    with pytest.raises(ValueError, match=r"a\.png: cannot be read \(Is a directory\)"):
        load_image(tmp_path / "a.png")
