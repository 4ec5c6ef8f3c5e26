import errno
import json
import math
from pathlib import Path

import pytest

from drawbench_eval.files import (
    atomic_path,
    canonical_json,
    digest,
    ensure_folder,
    sha256_bytes,
    sha256_file,
    stable_seed,
    write_json,
    write_text,
)


def test_canonical_json_does_not_depend_on_order_or_on_the_type_of_whole_numbers() -> None:
    assert canonical_json({"b": 1.0, "a": (1, 2.5)}) == canonical_json({"a": [1.0, 2.5], "b": 1})
    assert canonical_json({"b": 1, "a": -0.0}) == '{"a":0,"b":1}'
    assert digest({"w": 1}) == digest({"w": 1.0})
    assert digest({"w": 1}) != digest({"w": True})
    assert digest({"w": 1}) != digest({"w": "1"})
    assert digest([0.1]) != digest([0.1000001])


@pytest.mark.parametrize("bad", [math.nan, math.inf, {"a": math.nan}, {1: "a"}, {"a": {2}}, b"x"])
def test_values_without_a_canonical_form_are_refused(bad: object) -> None:
    with pytest.raises(ValueError, match="canonical form"):
        canonical_json(bad)


def test_stable_seed_is_fixed_for_ever_and_fits_63_bits() -> None:
    assert stable_seed(0, "p", 3) == 6580016668306985815
    seeds = {stable_seed(run, prompt, index) for run in range(3) for prompt in "abc" for index in range(20)}
    assert len(seeds) == 180
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert max(seeds) > 2**60
    # Parts are kept apart: "a", "b" is not "ab".
    assert stable_seed("a", "b") != stable_seed("ab")


def test_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    data = b"abc" * 1_000_000
    (tmp_path / "a").write_bytes(data)
    assert sha256_file(tmp_path / "a") == sha256_bytes(data)
    assert sha256_bytes(b"") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.txt"
    write_text(path, "old\n")

    def fail() -> None:
        with atomic_path(path) as temporary:
            assert temporary.parent == path.parent
            assert temporary.suffix == ".txt"
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert path.read_bytes() == b"old\n"
    assert [entry.name for entry in path.parent.iterdir()] == ["a.txt"]


def test_json_is_readable_and_has_no_nan(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"text": "é", "x": 0.1})
    assert json.loads(path.read_text(encoding="utf-8")) == {"text": "é", "x": 0.1}
    with pytest.raises(ValueError, match=r"a\.json.*null"):
        write_json(path, {"x": math.nan})
    assert json.loads(path.read_text(encoding="utf-8"))["x"] == 0.1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match=r"file/results: cannot be made \(Not a directory\)"):
        ensure_folder(tmp_path / "file" / "results")
    with pytest.raises(ValueError, match="cannot be made"), atomic_path(tmp_path / "file" / "x" / "a.txt"):
        pass


def test_a_full_disk_is_said_of_the_file_that_was_to_be(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(OSError, match="No space left") as raised, atomic_path(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert raised.value.filename == str(path)
    assert not list(tmp_path.iterdir())
