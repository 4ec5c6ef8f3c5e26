from collections import Counter
from pathlib import Path

import pytest

from drawbench_eval.prompts import t2i_compbench_prompts


def folder(tmp_path: Path, files: dict[str, bytes]) -> Path:
    where = tmp_path / "data set ü"
    where.mkdir(exist_ok=True)
    for name, content in files.items():
        (where / name).write_bytes(content)
    return where


def test_line_ends_make_no_difference(tmp_path: Path) -> None:
    lf = t2i_compbench_prompts(
        folder(tmp_path, {"color.txt": b"a red cat\n\xc3\xa9\n", "shape.txt": b"a box"})
    )
    crlf = t2i_compbench_prompts(
        folder(tmp_path, {"color.txt": b"a red cat\r\n\xc3\xa9", "shape.txt": b"a box\r\n"})
    )
    assert [(p.text, p.category) for p in lf.prompts] == [
        ("a red cat", "color"),
        ("é", "color"),
        ("a box", "shape"),
    ]
    assert lf.prompts == crlf.prompts
    assert lf.source is not None
    assert crlf.source is not None
    assert lf.source.sha256 != crlf.source.sha256


def test_the_validation_files_of_the_official_folder(tmp_path: Path) -> None:
    names = (
        "color.txt",
        "color_train.txt",
        "color_val.txt",
        "color_val_seen.txt",
        "shape_val.txt",
        "README.md",
    )
    where = folder(tmp_path, dict.fromkeys(names, b"one\ntwo\n"))
    found = t2i_compbench_prompts(where)
    assert Counter(prompt.category for prompt in found.prompts) == {"color_val": 2, "shape_val": 2}
    assert found.source is not None
    assert found.source.choices == {"files": "*_val.txt"}
    assert found.source.remarks == ("3 of 5 text files are not *_val.txt and were not read",)
    chosen = t2i_compbench_prompts(where, files="*_seen.txt")
    assert {prompt.category for prompt in chosen.prompts} == {"color_val_seen"}
    # A text in two categories is two prompts.
    assert found.prompts[2].id == f"{found.prompts[0].id}-2"


def test_blank_lines_are_counted(tmp_path: Path) -> None:
    found = t2i_compbench_prompts(folder(tmp_path, {"color.txt": b"one\n\n \ntwo\n"}))
    assert len(found.prompts) == 2
    assert found.source is not None
    assert found.source.remarks == ("color.txt: 2 of 4 lines are blank and no prompts",)


@pytest.mark.parametrize(
    ("files", "pattern", "message"),
    [
        ({"a.csv": b"x"}, None, r"prompts\.files: \*\.txt describes no text file in"),
        ({"a.txt": b"x"}, "b*", r"prompts\.files: b\* describes no text file in"),
        ({"a.txt": b"\n"}, None, r"a\.txt: holds no prompts"),
    ],
)
def test_what_is_wrong_is_named(
    tmp_path: Path, files: dict[str, bytes], pattern: str | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        t2i_compbench_prompts(folder(tmp_path, files), files=pattern)


def test_not_a_folder(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"prompts\.path: .*none is not a folder"):
        t2i_compbench_prompts(tmp_path / "none")
