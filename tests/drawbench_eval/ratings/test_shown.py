"""Hashes of the images that raters saw, against sets of samples."""

import re
from pathlib import Path

import pytest

from drawbench_eval.ratings.shown import Seen, find_again, merged, read_shown, require_again, write_shown
from drawbench_eval.samples import Sample


def samples(**hashes: str) -> list[Sample]:
    return [
        Sample(
            sample_id=name, prompt_id="p", prompt="", category="", seed=0,
            path=f"{name}.png" if digit else "", sha256=digit * 64,
        )
        for name, digit in hashes.items()
    ]  # fmt: skip


def shown(**hashes: str) -> dict[str, str]:
    return {name: digit * 64 for name, digit in hashes.items()}


def test_images_are_the_same_changed_or_absent() -> None:
    saw = shown(same="a", changed="b", absent="c", renamed="d", never="e")
    seen = find_again(saw, samples(same="a", changed="f", other="d", never=""))
    assert seen == Seen(num_shown=5, num_same=2, changed=("changed",))
    assert seen.counts == {"shown": 5, "same": 2, "absent": 2}
    # An id that now stands for another image is no match, though the image is there under another id.
    assert find_again(shown(x="a"), samples(x="b", y="a")) == Seen(num_shown=1, num_same=0, changed=("x",))


def test_other_images_and_none_at_all_are_refused() -> None:
    assert require_again(shown(x="a", y="b"), samples(x="a"), where="here").num_same == 1
    with pytest.raises(
        ValueError, match=r"^here: sample 'y' is not the image that raters saw \(SHA-256 c{12}"
    ):
        require_again(shown(x="a", y="b"), samples(x="a", y="c"), where="here")
    with pytest.raises(
        ValueError, match=r"^here: has none of the 2 images that raters saw, such as sample 'x'"
    ):
        require_again(shown(x="a", y="b"), samples(z="c"), where="here")


def test_the_file_comes_back_and_several_go_together(tmp_path: Path) -> None:
    path = tmp_path / "images.json"
    write_shown(path, {"m": shown(x="a")})
    assert read_shown(path) == {"m": shown(x="a")}
    other = {"m": shown(y="b"), "k": shown(x="c")}
    assert merged({path: read_shown(path), tmp_path: other}) == {"m": shown(x="a", y="b"), "k": shown(x="c")}
    with pytest.raises(ValueError, match=r"images\.m\.x: another image than in the files before"):
        merged({path: read_shown(path), tmp_path: {"m": shown(x="b")}})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (None, "cannot be read"),
        ("{", "not JSON"),
        ("[]", 'not {"schema_version": 1'),
        ('{"schema_version": 9, "images": {}}', 'not {"schema_version": 1'),
        ('{"schema_version": 1}', "images: None is not a table of models"),
        ('{"schema_version": 1, "images": {"m": 3}}', "images.m: 3 is not a table of samples"),
        ('{"schema_version": 1, "images": {"m": {"x": "AB"}}}', "images.m.x: 'AB' is not 64 hex digits"),
    ],
)
def test_other_files_are_refused_by_part(tmp_path: Path, text: str | None, says: str) -> None:
    path = tmp_path / "images.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ValueError, match="^" + re.escape(f"{path}: ") + ".*" + re.escape(says)):
        read_shown(path)
